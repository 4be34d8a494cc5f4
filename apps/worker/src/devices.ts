import { z } from 'zod';

/** Where a child computes: `cpu`, or one graphics processor, by number (as nvidia-smi counts) or by UUID. */
export type Device = string;

export const cpu: Device = 'cpu';

const processor = /^(\d{1,3}|(GPU|MIG)-[0-9a-fA-F/-]+)$/;
const expected =
  'expected cpu, or graphics processors by number or UUID, each once, with commas between them (0 or 0,1)';

/** The setting FERMENT_DEVICES: the graphics processors that jobs are given, none for `cpu`. */
export const devicesSetting = z
  .string()
  .default(cpu)
  .transform((text, context): Device[] => {
    const names = text.split(',').map((name) => name.trim());
    if (names.length === 1 && names[0]?.toLowerCase() === cpu) return [];
    if (names.every((name) => processor.test(name)) && new Set(names).size === names.length) return names;
    context.addIssue({ code: 'custom', message: `${expected}, got ${JSON.stringify(text)}` });
    return z.NEVER;
  });
