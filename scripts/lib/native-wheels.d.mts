export const tensorflowVersion: string;
export function libraryWheel(
  platform: string,
  gpu: boolean,
): { name: string; version: string; hash: string | null; megabytes: number };
export function cudaRequirements(metadata: string): string[];
export function wheelVersion(file: string): [name: string, version: string];
export function spaceNeeded(gpu: boolean): number;
export function spaceMissing(gpu: boolean, free: number, folder: string): string | null;
export function driverMissing(version: string | null): string | null;
export function wantsGpu(wanted: {
  flags: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  before: boolean;
}): boolean;
