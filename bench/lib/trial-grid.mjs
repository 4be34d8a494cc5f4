// A grid of many trials: how long until it is planned and stored, and until its trials are listed. No worker runs.
import { randomUUID } from 'node:crypto';

const version = 'b'.repeat(64);
const counts = { train: 25_000, validation: 3_600, test: 3_589 };

/** A data set that grids may name; its file is not there, and nobody reads it. */
export async function noteDataset({ database }) {
  const split = Object.fromEntries(
    Object.entries(counts).map(([part, count]) => [part, Array(7).fill(count / 7)]),
  );
  const summary = {
    ...{ format: 'fer2013-csv', images: 0, size: 48, usages: {}, duplicateClusters: 0, redundantCopies: 0 },
    classes: ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'],
    ...{ conflictClusters: 0, skipped: [], synthetic: true, defaultProtocol: 'official' },
    protocols: { official: { counts: split, leakRemoved: 0 } },
  };
  await database.pool.query(
    `WITH made AS (INSERT INTO dataset (name) VALUES ('faces') RETURNING id)
     INSERT INTO dataset_version (dataset_id, version, bytes, summary) SELECT id, $1, 0, $2 FROM made`,
    [version, JSON.stringify(summary)],
  );
}

/** Ten learning rates, and so many seeds. */
function gridText(trials) {
  const rates = Array.from(
    { length: 9 },
    (_, index) => `      r${index}: { stages.net.train.optimizer.lr: 0.0${index + 1} }`,
  );
  return `
specVersion: 1
name: grid-${randomUUID()}
data: { dataset: faces }
stages:
  net:
    kind: train
    model: { name: vgg, width: 0.125 }
    train: { epochs: 1, optimizer: { name: sgd, lr: 0.001 } }
result: net
seeds: [${Array.from({ length: trials / 10 }, (_, seed) => seed).join(', ')}]
ablation:
  design: one-at-a-time
  factors:
    rate:
${rates.join('\n')}
`;
}

/** @returns seconds until a new grid is stored, and milliseconds until its trials are listed */
export async function measureGrid({ url, token }, trials) {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const ask = async (path, options = {}) => {
    const began = performance.now();
    const response = await fetch(`${url}/api/v1/${path}`, { headers, ...options });
    const text = await response.text();
    const milliseconds = performance.now() - began;
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return { milliseconds, bytes: text.length, answer: JSON.parse(text) };
  };
  const body = JSON.stringify({ text: gridText(trials) });
  const created = await ask('experiments', { method: 'POST', body });
  const { id } = created.answer;
  const listed = await ask(`experiments/${id}/trials`);
  if (listed.answer.length !== trials)
    throw new Error(`expected ${trials} trials, got ${listed.answer.length}`);
  const experiments = await ask('experiments');
  return {
    planSeconds: created.milliseconds / 1000,
    listMilliseconds: listed.milliseconds,
    listBytes: listed.bytes,
    experimentsMilliseconds: experiments.milliseconds,
  };
}
