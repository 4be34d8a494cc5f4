import type { SplitMetrics } from '@ferment/contracts';
import { z } from 'zod';
import type { TensorData } from '../capture/index.js';

/** What a task keeps in a checkpoint: any JSON. */
export const savedTask = z.json();
export type SavedTask = z.output<typeof savedTask>;

export type TableValues = Readonly<Record<string, TensorData>>;

/**
 * The side of a task that lives on the host: the values of its tables and inputs, and what it learns from one step or
 * epoch for the next. All that it learns is in `save`, so that a resumed run goes on to the same bits.
 */
export interface TaskHost {
  /** Values of the task's tables. */
  readonly tables: TableValues;
  /** Values of the task's inputs for update `step` (from 0). */
  inputs(step: number): TableValues;
  /**
   * Takes in what a step observed.
   *
   * @param labels       of the batch's images
   * @param observations as the task returned them
   */
  observe(labels: Int32Array, observations: TableValues): void;
  /** Takes in an epoch's evaluation on the validation split; returns series for the epoch's metric row. */
  endEpoch(validation: SplitMetrics): Record<string, number>;
  /** Everything learnt so far, as JSON; undefined when there is nothing. */
  save(): SavedTask | undefined;
  /** @param state what `save` gave, after a passage through JSON */
  restore(state: SavedTask | undefined): void;
}

/** A host that has tables and learns nothing. */
export function constantHost(tables: TableValues): TaskHost {
  return {
    tables,
    inputs: () => ({}),
    observe() {},
    endEpoch: () => ({}),
    save: () => undefined,
    restore() {},
  };
}
