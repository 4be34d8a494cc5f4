import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  DatasetItem,
  DatasetSummary,
  DatasetVersionDetail,
  JobItem,
  LedgerRow,
  LedgerSummary,
} from '@ferment/contracts';
import { freePort, temporaryFolder } from '../../../test/support/services.js';
import { runWith } from './support.js';

const [imported, refined, reviewed] = ['a'.repeat(64), 'b'.repeat(64), 'bc'.repeat(32)];
const createdAt = '2026-11-01T10:00:00Z';
const parent = {
  ...{ dataset: 'faces', version: imported, protocol: 'official' as const },
  ...{ steps: ['duplicates'], overrides: 0, removed: 2, relabelled: 0, aligned: 0 },
};
const counts = (each: number) => Array<number>(7).fill(each);
const split = (train: number) => ({
  counts: { train: counts(train), validation: counts(2), test: counts(2) },
  leakRemoved: 0,
});
const summary: DatasetSummary = {
  format: 'fer2013-csv',
  images: 98,
  size: 48,
  classes: ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'],
  usages: { Training: 70, PublicTest: 14, PrivateTest: 14 },
  duplicateClusters: 2,
  redundantCopies: 2,
  conflictClusters: 1,
  skipped: [],
  protocols: { official: split(10) },
  defaultProtocol: 'official',
  synthetic: false,
};
const cleaned: DatasetSummary = {
  ...summary,
  images: 96,
  protocols: { official: split(9) },
  parent: { ...parent, ledger: 'e'.repeat(64) },
};
const step = { removed: 0, relabelled: 0, review: 0, aligned: 0, unaligned: 0, train: counts(9) };
const refinement: LedgerSummary = {
  parent,
  before: counts(10),
  steps: [
    { ...step, step: 'override', train: counts(10) },
    { ...step, step: 'duplicates', removed: 7 },
  ],
  rows: 120,
};
const version = (hash: string, own: DatasetSummary) => ({
  version: hash,
  bytes: 9,
  createdAt,
  summary: own,
});
const dataset: DatasetItem = {
  name: 'faces',
  versions: [version(reviewed, cleaned), version(refined, cleaned), version(imported, summary)],
};
const detail = (hash: string): DatasetVersionDetail => ({
  ...version(hash, hash === imported ? summary : cleaned),
  name: 'faces',
  refinement: hash === imported ? null : refinement,
});
const row = (image: number): LedgerRow => ({
  ...{ image, split: 'train', at: 1, step: 'duplicates', reason: 'copy', score: 0, action: 'remove' },
  ...{ label: 3, of: 1000 },
});
const job: JobItem = {
  id: '3f1c1f0a-0000-4000-8000-000000000001',
  key: 'c'.repeat(64),
  kind: 'refine',
  stage: null,
  state: 'succeeded',
  pausing: false,
  cached: false,
  reason: null,
  failureClass: null,
  params: {},
  inputs: [],
  outputs: {},
  result: { version: reviewed },
  progress: null,
  macs: null,
  summaries: {},
  attempts: [],
  createdAt,
  startedAt: createdAt,
  endedAt: createdAt,
};

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: Server;
let env: Record<string, string>;
/** Bodies that were posted, and ledger queries that came. */
let posted: unknown[] = [];
let queries: string[] = [];
let ended: JobItem = job;

beforeEach(async () => {
  [posted, queries, ended] = [[], [], job];
  folder = await temporaryFolder();
  server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://here');
    const path = url.pathname.replace('/api/v1/', '');
    let text = '';
    request.on('data', (piece: Buffer) => (text += piece.toString()));
    request.on('end', () => {
      if (request.method === 'POST') posted.push(JSON.parse(text));
      const answer = answerOf(path, url);
      response
        .writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' })
        .end(JSON.stringify(answer ?? { type: 'about:blank', title: 'No', status: 404, detail: 'No.' }));
    });
  });
  const port = await freePort();
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  env = { FERMENT_URL: `http://127.0.0.1:${port}`, FERMENT_TOKEN: 'secret' };
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await folder.remove();
});

function answerOf(path: string, url: URL): unknown {
  if (path === 'datasets') return [dataset];
  if (path === 'datasets/faces') return dataset;
  if (path === `jobs/${job.id}`) return ended;
  const [, hash = '', rest] = /^datasets\/faces\/versions\/([0-9a-f]{64})(?:\/(.*))?$/.exec(path) ?? [];
  if (rest === 'ledger') {
    queries.push(url.search);
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const to = Math.min(120, from + Number(url.searchParams.get('limit')));
    const items = Array.from({ length: to - from }, (_, at) => row(from + at));
    return { items, next: to < 120 ? String(to) : null };
  }
  if (rest === 'overrides') return { ...job, state: 'ready', result: null };
  return hash === '' ? undefined : detail(hash);
}

const run = (...args: string[]) => runWith(args, { FERMENT_HOME: folder.path, ...env });

describe('dataset describe', () => {
  it('tells the parent, what each step did, and the pictures of each class', async () => {
    const { code, out } = await run('dataset', 'describe', `faces@${refined.slice(0, 12)}`);
    expect(code).toBe(0);
    expect(out).toContain('refined from faces@aaaaaaaaaaaa (official): duplicates, 0 overrides');
    expect(out).toMatch(/^before +0 +0 +0 +0 +0 +70$/m);
    expect(out).toMatch(/^duplicates +7 +0 +0 +0 +0 +63$/m);
    expect(out).toMatch(/^happy +9 \(14\.3 %\) +2 \(14\.3 %\) +2 \(14\.3 %\)$/m);
  });

  it('is of the newest imported version where none is named', async () => {
    const { out } = await run('dataset', 'describe', 'faces', '--json');
    expect(JSON.parse(out)).toEqual(detail(imported));
  });

  it.each([
    [
      'faces@b',
      'Several versions of faces begin with "b". There are: bcbcbcbcbcbc, bbbbbbbbbbbb, aaaaaaaaaaaa.',
    ],
    ['faces@f00', 'No version of faces begin with "f00".'],
    ['faces@', 'Expected NAME or NAME@VERSION'],
  ])('is refused for %s, with what there is', async (wanted, message) => {
    const { code, error } = await run('dataset', 'describe', wanted);
    expect([code, error]).toEqual([2, expect.stringContaining(message)]);
  });

  it('stands in the list as refined', async () => {
    const { out } = await run('dataset', 'ls');
    expect(out).toMatch(/bbbbbbbbbbbb +96 +official +fer2013-csv +aaaaaaaaaaaa/);
  });
});

describe('dataset ledger', () => {
  it('shows rows with labels by name, and says that there are more', async () => {
    const { code, out, error } = await run('dataset', 'ledger', `faces@${refined}`);
    expect(code).toBe(0);
    expect(out.trim().split('\n')).toHaveLength(51);
    expect(out).toMatch(/^ *7 +train +duplicates +copy +0 +remove +happy +1000$/m);
    expect(error).toContain('--limit');
  });

  it('passes filters on, and goes through all pages with --json', async () => {
    const filters = ['--step', 'duplicates', '--action', 'remove', '--reason', 'copy', '--image', '7'];
    const { out } = await run('dataset', 'ledger', `faces@${refined}`, ...filters, '--json');
    expect(JSON.parse(out)).toHaveLength(120);
    expect(queries).toEqual(['?step=duplicates&action=remove&reason=copy&image=7&limit=500']);
    const limited = await run('dataset', 'ledger', `faces@${refined}`, '--limit', '3', '--json');
    expect(JSON.parse(limited.out)).toEqual([row(0), row(1), row(2)]);
  });

  it('is refused for an imported version, with the refined ones, and for an unknown step', async () => {
    const none = await run('dataset', 'ledger', `faces@${imported}`);
    expect([none.code, none.error]).toEqual([2, expect.stringContaining('Refined ones: faces@bcbcbcbcbcbc')]);
    expect((await run('dataset', 'ledger', `faces@${refined}`, '--step', 'magic')).code).toBe(2);
    expect(queries).toEqual([]);
  });
});

describe('dataset review', () => {
  const of = `faces@${refined}`;

  it('sends the decisions, follows the job and shows the new version', async () => {
    const decisions = ['--keep', '3', '4', '--remove', '5', '--relabel', '6=sad', '7=0', '--original', '8'];
    const { code, out } = await run('dataset', 'review', of, ...decisions);
    expect(code).toBe(0);
    expect(out).toContain('faces@bcbcbcbcbcbc');
    expect(posted).toEqual([
      {
        overrides: [
          { image: 3, action: 'keep', original: false },
          { image: 4, action: 'keep', original: false },
          { image: 5, action: 'remove', original: false },
          { image: 6, action: 'relabel', label: 4, original: false },
          { image: 7, action: 'relabel', label: 0, original: false },
          { image: 8, action: 'keep', original: true },
        ],
      },
    ]);
  });

  it.each([
    ['decisions.csv', 'action,image,label\nkeep,3,\n\nrelabel,4,Surprise\n'],
    [
      'decisions.json',
      '{"overrides": [{"image": 3, "action": "keep"}, {"image": 4, "action": "relabel", "label": 5}]}',
    ],
    ['list.json', '[{"image": 3, "action": "keep"}, {"image": 4, "action": "relabel", "label": 5}]'],
  ])('reads %s', async (name, text) => {
    const file = join(folder.path, name);
    await writeFile(file, text);
    expect((await run('dataset', 'review', of, '--file', file)).code).toBe(0);
    expect(posted).toEqual([
      {
        overrides: [
          { image: 3, action: 'keep', original: false },
          { image: 4, action: 'relabel', label: 5, original: false },
        ],
      },
    ]);
  });

  it.each([
    ['image,verdict\n3,keep\n', '.csv:1: expected a header'],
    ['image,action\n3,keep\nx,keep\n', '.csv:3: expected the number of an image'],
    ['image,action\n3,burn\n', '.csv:2:'],
    ['image,action,label\n3,relabel,hapy\n', 'got "hapy". Did you mean "happy"?'],
    ['image,action\n3,relabel\n', 'expected "label" with action "relabel"'],
    ['image,action\n3,keep\n3,remove\n', 'Image 3 is decided on twice'],
  ])('refuses %j with the place', async (text, message) => {
    const file = join(folder.path, 'decisions.csv');
    await writeFile(file, text);
    const { code, error } = await run('dataset', 'review', of, '--file', file);
    expect([code, error]).toEqual([2, expect.stringContaining(message)]);
    expect(posted).toEqual([]);
  });

  it('asks for a decision where there is none, and for a file that is there', async () => {
    const none = await run('dataset', 'review', of);
    expect([none.code, none.error]).toEqual([2, expect.stringContaining('Nothing is decided')]);
    expect((await run('dataset', 'review', of, '--file', 'none.csv')).error).toContain('no readable file');
    expect((await run('dataset', 'review', of, '--relabel', '6')).error).toContain('expected "label"');
  });

  it('is 1 with the reason where the refinement fails', async () => {
    ended = { ...job, state: 'failed', reason: 'the overrides would leave no training image', result: null };
    const { code, error } = await run('dataset', 'review', of, '--remove', '5');
    expect([code, error]).toEqual([1, expect.stringContaining('Refinement failed: the overrides would')]);
  });
});
