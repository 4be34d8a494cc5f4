import { describe, expect, it } from '@jest/globals';
import {
  cudaRequirements,
  driverMissing,
  libraryWheel,
  spaceMissing,
  spaceNeeded,
  wantsGpu,
  wheelVersion,
} from '../../scripts/lib/native-wheels.mjs';

describe('the wheel of the native library', () => {
  it('is the one without CUDA unless graphics processors are asked for, in the same version', () => {
    const [cpu, gpu] = [libraryWheel('linux-x64', false), libraryWheel('linux-x64', true)];
    expect(cpu.name).toBe('tensorflow-cpu');
    expect(gpu.name).toBe('tensorflow');
    expect(gpu.version).toBe(cpu.version);
    for (const { hash } of [cpu, gpu]) expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(gpu.hash).not.toBe(cpu.hash);
  });

  it('is the plain one on Arm, where it has no CUDA', () => {
    expect(libraryWheel('linux-arm64', false)).toMatchObject({ name: 'tensorflow', hash: null });
    expect(() => libraryWheel('linux-arm64', true)).toThrow('on linux-x64 alone (this is linux-arm64)');
  });
});

describe("CUDA's wheels", () => {
  const metadata = [
    'Name: tensorflow',
    'Requires-Dist: numpy>=1.26.0',
    'Provides-Extra: and-cuda',
    'Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"',
    'Requires-Dist: nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"',
    'Provides-Extra: gcs-filesystem',
    'Requires-Dist: tensorflow-io-gcs-filesystem>=0.23.1; python_version < "3.12" and extra == "gcs-filesystem"',
    '',
  ].join('\n');

  it("are those of the wheel's extra and-cuda", () => {
    expect(cudaRequirements(metadata)).toEqual([
      'nvidia-cublas-cu12<13.0,>=12.5.3.2',
      'nvidia-cudnn-cu12<10.0,>=9.3.0.75',
    ]);
  });

  it('are refused where there are none, or others than NVIDIA’s', () => {
    expect(() => cudaRequirements('Name: tensorflow\n')).toThrow(
      'asks for nothing: expected wheels of NVIDIA',
    );
    const strange = metadata.replace(
      'nvidia-cudnn-cu12<10.0,>=9.3.0.75',
      'other @ https://example.org/x.whl',
    );
    expect(() => cudaRequirements(strange)).toThrow('asks for other @ https://example.org/x.whl');
  });

  it('are named in what was installed', () => {
    const file = 'nvidia_cudnn_cu12-9.28.0.42-py3-none-manylinux_2_27_x86_64.whl';
    expect(wheelVersion(file)).toEqual(['nvidia-cudnn-cu12', '9.28.0.42']);
    expect(() => wheelVersion('notes.txt')).toThrow('notes.txt is not named as a wheel is');
  });
});

describe('what a machine lacks', () => {
  it('is told of its disk, with what to do', () => {
    expect(spaceNeeded(true)).toBeGreaterThan(spaceNeeded(false));
    expect(spaceMissing(true, spaceNeeded(true), '/cache')).toBeNull();
    expect(spaceMissing(true, 2 ** 30, '/cache')).toMatch(
      /^\/cache has 1\.0 GiB free, .* 9\.0 GiB .*FERMENT_CACHE$/,
    );
  });

  it('is told of its driver', () => {
    const text = (version: string) =>
      `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}  Tue Mar  4 2025\nGCC version: gcc 12`;
    expect(driverMissing(text('570.133.20'))).toBeNull();
    expect(
      driverMissing('NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n'),
    ).toBeNull();
    expect(driverMissing(text('470.256.02'))).toContain(
      'driver 470 is too old for CUDA 12: expected 525 or later',
    );
    expect(driverMissing(null)).toContain('no NVIDIA driver is loaded');
    expect(driverMissing('nonsense')).toContain('names no version');
  });
});

describe('whether graphics processors are wanted', () => {
  const wants = (flags: string[], value?: string, before = false) =>
    wantsGpu({ flags, environment: { FERMENT_GPU: value }, before });

  it('the command says, else the environment, else what was set up before', () => {
    expect([wants([]), wants([], '1'), wants([], undefined, true), wants([], '', true)]).toEqual([
      ...[false, true, true, true],
    ]);
    expect([wants(['--gpu'], '0'), wants(['--cpu'], '1', true), wants([], '0', true)]).toEqual([
      ...[true, false, false],
    ]);
  });

  it('is refused where it cannot be told', () => {
    expect(() => wants(['--gpu', '--cpu'])).toThrow('--gpu or --cpu, not both');
    expect(() => wants([], 'yes')).toThrow('FERMENT_GPU is yes: expected 0 or 1');
  });
});
