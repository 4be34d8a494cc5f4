import type { WorkerDevice, WorkerFacts } from '@ferment/contracts';
import { fermentVersion, machineMemory } from '@ferment/platform';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, machine, release, type } from 'node:os';
import { dirname, join } from 'node:path';
import type { Device } from './devices.js';
import { graphicsProcessor } from './nvidia-smi.js';

/** What of a worker's facts stays as it is while it runs. */
export type MachineFacts = Omit<WorkerFacts, 'clockOffsetSeconds' | 'metrics'>;

/** What this process runs on, and which versions of what. */
export async function machineFacts(devices: readonly Device[]): Promise<MachineFacts> {
  return {
    versions: { ferment: fermentVersion(), node: process.versions.node, tensorflow: tensorflowVersion() },
    platform: `${type()} ${release()} ${machine()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    threads: availableParallelism(),
    memoryBytes: machineMemory(),
    devices: await Promise.all(devices.map((id) => deviceFacts(id))),
    startedAt: new Date(performance.timeOrigin).toISOString(),
  };
}

async function deviceFacts(id: Device): Promise<WorkerDevice> {
  const told = await graphicsProcessor(id, ['name', 'driver_version', 'memory.total']);
  const [name = null, driver = null, mebibytes] = told ?? [];
  const memory = Number(mebibytes);
  return { id, name, driver, memoryBytes: Number.isFinite(memory) ? memory * 2 ** 20 : null };
}

/** As set-up has noted it beside the addon: this process never loads TensorFlow, its children do. */
function tensorflowVersion(): string | null {
  try {
    const engine = createRequire(import.meta.url).resolve('@ferment/engine');
    const addon = createRequire(engine).resolve('@tensorflow/tfjs-node-gpu/package.json');
    const note = readFileSync(join(dirname(addon), 'deps/installed.json'), 'utf8');
    const { wheels = {} } = JSON.parse(note) as { wheels?: Record<string, string> };
    return wheels['tensorflow'] ?? wheels['tensorflow-cpu'] ?? null;
  } catch {
    return null;
  }
}
