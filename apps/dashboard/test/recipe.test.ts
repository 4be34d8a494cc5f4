import { describe, expect, it } from '@jest/globals';
import { recipeOf } from '../lib/recipe';
import { jobItemOf } from './job-item';

const params = {
  data: { dataset: 'fer2013' },
  model: { name: 'vgg', width: 0.25 },
  train: {
    ...{ epochs: 14, batch: 64, optimizer: { name: 'adamw', lr: 0.002 } },
    ...{ schedule: { name: 'cosine' }, augment: 'standard' },
  },
  seed: 2,
};

const teacher = (jobId: string) => ({ role: 'teachers', position: 0, jobId, output: 'best' });

describe('the recipe of a training', () => {
  it('names network, data, length and who teaches it', () => {
    const job = jobItemOf({
      ...{ id: 'student', kind: 'distill', state: 'succeeded', macs: 1 },
      params: { ...params, method: { name: 'kd' } },
      inputs: [teacher('a'), teacher('b')],
      result: { images: { train: 28_000 } },
    });
    const roles = new Map([
      ['a', 'resnet'],
      ['b', 'vgg'],
    ]);
    expect(recipeOf(job, roles)).toEqual({
      network: 'vgg, width 0.25',
      data: 'fer2013, 28,000 pictures',
      training: '14 epochs; batch 64; adamw at 0.002, cosine; augmentation standard; seed 2',
      method: 'kd from resnet, vgg',
    });
  });

  it('says what is known before it has ended, and has no method where only labels teach', () => {
    const job = jobItemOf({ ...{ id: 'a', kind: 'train', state: 'running', macs: 1 }, params });
    expect(recipeOf(job, new Map())).toMatchObject({ data: 'fer2013', method: null });
  });

  it('is nothing for other work', () => {
    expect(
      recipeOf(jobItemOf({ id: 'a', kind: 'export', state: 'ready', macs: null, params }), new Map()),
    ).toBe(null);
  });
});
