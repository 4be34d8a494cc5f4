-- AlterTable
ALTER TABLE "trial" ADD COLUMN     "fold" INTEGER;
