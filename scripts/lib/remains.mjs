// What a run left, in a form in which two runs of one spec must be equal, and how long it took by stage.
import { isDeepStrictEqual } from 'node:util';

/** Its tables without measured times, and what every job of every trial made. */
export async function remains(client, { id, trials }, withoutMeasuredTimes) {
  const jobs = new Map((await client.jobs(id)).map((job) => [job.id, job]));
  const table = await client.table(id);
  const robustness = withoutMeasuredTimes(await client.robustness(id));
  const outputs = {};
  const curves = {};
  for (const { variant, seed, jobs: roles } of trials)
    for (const [role, jobId] of Object.entries(roles)) {
      const job = jobs.get(jobId);
      const name = `${variant} seed ${seed} ${role}`;
      for (const [output, { hash }] of Object.entries(job.outputs))
        // An evaluation's figures hold measured times; the table compares them without.
        if (output !== 'metrics') outputs[`${name} ${output}`] = hash;
      const { rows } = await client.jobMetrics(jobId);
      const steps = rows.map(({ step }) => step);
      if (new Set(steps).size !== steps.length) throw new Error(`${name}: a step stands twice in its curve`);
      // The speed is measured; everything else must come out the same.
      curves[name] = rows.map(({ step, values }) => ({
        step,
        values: Object.fromEntries(
          Object.entries(values).filter(([series]) => series !== 'train.imagesPerSecond'),
        ),
      }));
    }
  return { table, robustness, outputs, curves };
}

/** The names under which two records hold different things. */
export function differences(one, other) {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].filter((key) => !isDeepStrictEqual(one[key], other[key]));
}

/**
 * Seconds that the attempts at the jobs of each stage took, summed, most first. Attempts run side by side, so the sum is
 * not wall time; what a job waited between two of them is not in it.
 */
export function secondsByStage(jobs) {
  const stages = new Map();
  for (const { kind, stage, attempts } of jobs) {
    if (attempts.length === 0) continue;
    const name = stage === null ? kind : `${kind} ${stage}`;
    const found = stages.get(name) ?? { name, jobs: 0, seconds: 0 };
    found.jobs += 1;
    for (const { startedAt, endedAt } of attempts)
      if (endedAt) found.seconds += (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
    stages.set(name, found);
  }
  return [...stages.values()].sort((one, other) => other.seconds - one.seconds);
}
