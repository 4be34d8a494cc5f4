-- What a worker tells of itself: versions, devices, memory, clock.
ALTER TABLE "worker" ADD COLUMN "facts" JSON;
