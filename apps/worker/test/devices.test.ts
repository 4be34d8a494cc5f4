import { describe, expect, it } from '@jest/globals';
import { computedOn } from '../src/child/computed-on.js';
import { childEnvironment } from '../src/children/environment.js';
import { readWorkerSettings } from '../src/settings.js';
import { startRig } from './rig.js';

const minimal = { FERMENT_DATABASE_URL: 'postgresql://ferment@127.0.0.1:5432/ferment' };
const settings = (more: Record<string, string>) => readWorkerSettings({ ...minimal, ...more });

describe('FERMENT_DEVICES', () => {
  it.each([
    ['', []],
    ['cpu', []],
    ['CPU', []],
    ['0', ['0']],
    ['0, 1', ['0', '1']],
    ['GPU-5ae3b4c2-0000-1111-2222-333344445555,MIG-1', ['GPU-5ae3b4c2-0000-1111-2222-333344445555', 'MIG-1']],
  ])('%j is %j', (text, devices) => {
    expect(settings({ FERMENT_DEVICES: text }).devices).toEqual(devices);
  });

  it.each(['gpu', '0,0', '0,', 'cpu,0', '-1', '0;1'])('%j is refused, with what was expected', (text) => {
    expect(() => settings({ FERMENT_DEVICES: text })).toThrow(
      /expected cpu, or graphics processors by number or UUID, each once.*\n.*FERMENT_DEVICES/,
    );
  });

  it('may be shared by so many jobs each', () => {
    expect(settings({}).jobsPerDevice).toBe(1);
    expect(settings({ FERMENT_JOBS_PER_DEVICE: '3' }).jobsPerDevice).toBe(3);
    expect(() => settings({ FERMENT_JOBS_PER_DEVICE: '0' })).toThrow(/FERMENT_JOBS_PER_DEVICE/);
  });

  it('stands beside FERMENT_XLA, which is 0 or 1', () => {
    expect([settings({}).xla, settings({ FERMENT_XLA: '1' }).xla]).toEqual([false, true]);
    expect(() => settings({ FERMENT_XLA: 'on' })).toThrow(/expected 0 or 1.*\n.*FERMENT_XLA/);
  });
});

describe("a child's environment", () => {
  const own = { PATH: '/bin', CUDA_VISIBLE_DEVICES: '3', TF_XLA_FLAGS: '--x', NVIDIA_TF32_OVERRIDE: '0' };

  it('hides every graphics processor from a child of the CPU', () => {
    const seen = childEnvironment(own, { threads: 2, device: 'cpu', xla: false });
    expect(seen).toMatchObject({ CUDA_VISIBLE_DEVICES: '-1', TF_NUM_INTRAOP_THREADS: '2' });
    expect(Object.keys(seen)).not.toContain('TF_XLA_FLAGS');
    expect(Object.keys(seen)).not.toContain('TF_DETERMINISTIC_OPS');
  });

  it('shows one graphics processor to a child of it, whatever the worker itself sees', () => {
    expect(childEnvironment(own, { threads: 2, device: '1', xla: false })).toMatchObject({
      CUDA_VISIBLE_DEVICES: '1',
      CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
      TF_FORCE_GPU_ALLOW_GROWTH: 'true',
      TF_DETERMINISTIC_OPS: '1',
      NVIDIA_TF32_OVERRIDE: '0',
    });
  });

  it('has XLA compile where it is asked for', () => {
    const flags = (device: string) =>
      childEnvironment(own, { threads: 1, device, xla: true })['TF_XLA_FLAGS'];
    expect(flags('0')).toBe('--tf_xla_auto_jit=2');
    expect(flags('cpu')).toBe('--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit');
  });
});

describe('children between jobs', () => {
  it('are taken again for the same device only, and one that holds a graphics processor makes room', async () => {
    const rig = await startRig();
    const [cpu, zero] = [await rig.pool.take(1), await rig.pool.take(1, '0')];
    await rig.pool.give(cpu);
    await rig.pool.give(zero);
    expect(await rig.pool.take(1, '0')).toBe(zero);
    await rig.pool.give(zero);
    const wider = await rig.pool.take(2, '0');
    expect(wider).not.toBe(zero);
    expect([zero.alive, cpu.alive]).toEqual([false, true]);
    await rig.pool.give(wider);
    await rig.close();
  });
});

describe('what a result was computed on', () => {
  const library = { tensorflow: '2.21.0', gpu: false, libraries: { 'tensorflow-cpu': '2.21.0' } };

  it('names processor, threads, flags, device and libraries', async () => {
    const environment = childEnvironment({}, { threads: 3, device: 'cpu', xla: false });
    expect(await computedOn(library, environment)).toMatchObject({
      cpu: expect.stringMatching(/./),
      threads: 3,
      tensorflow: '2.21.0',
      device: 'cpu',
      flags: { TF_ENABLE_ONEDNN_OPTS: '1', TF_NUM_INTRAOP_THREADS: '3', CUDA_VISIBLE_DEVICES: '-1' },
      libraries: { 'tensorflow-cpu': '2.21.0' },
    });
  });

  it('names a graphics processor by its number where nvidia-smi does not answer', async () => {
    const environment = childEnvironment({}, { threads: 1, device: '127', xla: false });
    const { device, flags } = await computedOn({ ...library, gpu: true }, environment);
    expect(device).toBe('graphics processor 127');
    expect(flags).toMatchObject({ CUDA_VISIBLE_DEVICES: '127', TF_DETERMINISTIC_OPS: '1' });
  });
});
