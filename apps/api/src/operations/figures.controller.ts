import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Database,
  durationHistograms,
  installationFigures,
  queueOverview,
  type Settings,
} from '@ferment/platform';
import type { Response } from 'express';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { SETTINGS } from '../tokens.js';
import { histogramText } from './histogram-text.js';

const waits = {
  figure: 'wait',
  name: 'ferment_job_wait_seconds',
  help: 'How long jobs were ready, back-off left out, before they ran, by kind; since the installation began',
} as const;
const runs = {
  figure: 'run',
  name: 'ferment_attempt_run_seconds',
  help: 'How long attempts ran, by kind and how they ended; since the installation began',
} as const;

/**
 * Figures of the installation and of this process, for Prometheus. Those of the installation are read from the database
 * when asked for: every instance tells the same, so let one be scraped, or take the maximum over instances.
 */
@ApiTags('operations')
@Controller()
export class FiguresController {
  private readonly process = new Registry();

  constructor(
    private readonly database: Database,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {
    collectDefaultMetrics({ register: this.process });
  }

  @Get('metrics')
  @Allow('viewer')
  @Answer(200, 'Prometheus text format 0.0.4')
  async figures(@Res({ passthrough: true }) response: Response): Promise<string> {
    const [installation, durations] = await Promise.all([
      this.installation(),
      durationHistograms(this.database.pool),
    ]);
    const figures = await Registry.merge([installation, this.process]).metrics();
    const text = `${figures}\n${histogramText(waits, durations)}${histogramText(runs, durations)}`;
    response.setHeader('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE);
    response.setHeader('Cache-Control', 'no-store');
    return text;
  }

  private async installation(): Promise<Registry> {
    const { backend } = this.settings.queue;
    const [figures, queue] = await Promise.all([
      installationFigures(this.database),
      queueOverview(this.database, { backend, depth: () => Promise.resolve(null) }),
    ]);
    const registry = new Registry();
    const gauge = (
      name: string,
      help: string,
      values: readonly { labels: Record<string, string>; value: number }[],
    ): void => {
      const labelNames = Object.keys(values[0]?.labels ?? {});
      const one = new Gauge({ name: `ferment_${name}`, help, labelNames, registers: [registry] });
      for (const { labels, value } of values) one.set(labels, value);
    };
    gauge(
      'jobs',
      'Jobs that are known, by kind and state',
      figures.jobs.map(({ kind, state, count }) => ({ labels: { kind, state }, value: count })),
    );
    gauge(
      'experiments',
      'Experiments, by state',
      figures.experiments.map(({ state, count }) => ({ labels: { state }, value: count })),
    );
    gauge(
      'attempts',
      'Attempts at jobs that are known, by how they ended',
      figures.attempts.map(({ state, failureClass, count }) => ({
        labels: { state, failure_class: failureClass },
        value: count,
      })),
    );
    gauge(
      'workers',
      'Workers, by state',
      figures.workers.map(({ state, count }) => ({ labels: { state }, value: count })),
    );
    for (const key of ['slots', 'running', 'ready', 'pending'] as const)
      gauge(
        `resource_${key}`,
        {
          slots: 'Slots of active workers',
          running: 'Jobs that run',
          ready: 'Jobs whose inputs are there: what to scale workers by',
          pending: 'Jobs that wait for their inputs',
        }[key],
        queue.resources.map((resource) => ({
          labels: { resource: resource.resource },
          value: resource[key],
        })),
      );
    gauge(
      'oldest_offer_seconds',
      'How long the job longest in the queue has waited for a worker to take it',
      figures.oldestOffer.map(({ resource, seconds }) => ({ labels: { resource }, value: seconds })),
    );
    gauge(
      'artifacts',
      'Files of the store that the database knows, by what they are for',
      figures.artifacts.map(({ kind, count }) => ({ labels: { kind }, value: count })),
    );
    gauge(
      'artifact_bytes',
      'Their bytes',
      figures.artifacts.map(({ kind, bytes }) => ({ labels: { kind }, value: bytes })),
    );
    gauge('feed_lag_seconds', 'Age of the oldest open transaction that writes: the event feed stops at it', [
      { labels: {}, value: figures.feedLagSeconds },
    ]);
    return registry;
  }
}
