import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { importStarted, type JobItem, type ProblemDetails } from '@ferment/contracts';
import { importJob } from '@ferment/planner';
import request from 'supertest';
import { claim, type Installation, startInstallation, summary } from './support/installation.js';

let installation: Installation;
const limit = 300_000;

beforeAll(async () => {
  installation = await startInstallation({ FERMENT_UPLOAD_LIMIT: String(limit) });
  const pages = join(installation.folder, 'pages');
  await mkdir(join(pages, '_next', 'static'), { recursive: true });
  await mkdir(join(pages, 'experiments', 'view'), { recursive: true });
  await writeFile(join(pages, 'index.html'), 'list');
  await writeFile(join(pages, 'experiments', 'view', 'index.html'), 'one');
  await writeFile(join(pages, '404.html'), 'nothing here');
  await writeFile(join(pages, '_next', 'static', 'app.js'), 'script');
  await writeFile(join(pages, '.hidden'), 'hidden');
  await writeFile(join(installation.folder, 'secret.txt'), 'outside');
}, 60_000);
afterAll(() => installation.stop(), 30_000);

const as = (role: 'viewer' | 'researcher') => ({ Authorization: `Bearer ${installation.secrets[role]}` });
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('artifacts', () => {
  const content = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7) % 251));
  let hash: string;
  const read = () =>
    request(installation.api.url).get(`/api/v1/artifacts/${hash}`).set(as('viewer')).buffer(true);
  const bytesOf = (answer: request.Response) => Buffer.from(answer.body as Uint8Array);

  beforeAll(async () => {
    hash = (await installation.store.put(content)).hash;
  });

  it('arrive whole, as a file, cacheable for ever', async () => {
    const answer = await read().expect(200);
    expect(sha256(bytesOf(answer))).toBe(hash);
    expect(answer.headers).toMatchObject({
      'content-length': String(content.length),
      'accept-ranges': 'bytes',
      etag: `"${hash}"`,
      'content-disposition': `attachment; filename=${hash}`,
      'x-content-type-options': 'nosniff',
    });
    expect(answer.headers['cache-control']).toContain('immutable');
  });

  it.each([
    ['bytes=0-99', 0, 100],
    ['bytes=199990-', 199_990, 200_000],
    ['bytes=-10', 199_990, 200_000],
    ['bytes=100000-100000', 100_000, 100_001],
  ])('arrive in parts: %s', async (range, from, to) => {
    const answer = await read().set('Range', range).expect(206);
    expect(answer.headers['content-range']).toBe(`bytes ${from}-${to - 1}/200000`);
    expect(bytesOf(answer)).toEqual(content.subarray(from, to));
  });

  it('refuse a part beyond the end', async () => {
    await read().set('Range', 'bytes=200000-').expect(416).expect('Content-Range', 'bytes */200000');
  });

  it('are sent again only when they are not the same', async () => {
    await read().set('If-None-Match', `"${hash}"`).expect(304);
    await read().set('Range', 'bytes=0-9').set('If-Range', '"other"').expect(200);
    await read().set('Range', 'bytes=0-9').set('If-Range', `"${hash}"`).expect(206);
    const head = await request(installation.api.url)
      .head(`/api/v1/artifacts/${hash}`)
      .set(as('viewer'))
      .expect(200);
    expect(head.headers['content-length']).toBe('200000');
  });

  it('are 404 when unknown and 422 when the address is no hash', async () => {
    await request(installation.api.url)
      .get(`/api/v1/artifacts/${'0'.repeat(64)}`)
      .set(as('viewer'))
      .expect(404);
    await request(installation.api.url)
      .get('/api/v1/artifacts/..%2f..%2fsecret')
      .set(as('viewer'))
      .expect(422);
  });

  it('whose bytes do not match the hash never arrive whole, and arrive once they are made again', async () => {
    const bytes = Buffer.alloc(150_000, 'good');
    const { jobId, file } = await made(bytes);
    await damage(file.hash);
    await expect(fetchFile(file.hash).then((answer) => answer.arrayBuffer())).rejects.toThrow();
    const told = await fetchFile(file.hash);
    expect([told.status, told.headers.get('Retry-After'), told.headers.get('Cache-Control')]).toEqual([
      503,
      '10',
      'no-store',
    ]);
    expect(((await told.json()) as ProblemDetails).detail).toContain('being made again');
    await remake(jobId, bytes);
    expect(sha256(new Uint8Array(await (await fetchFile(file.hash)).arrayBuffer()))).toBe(file.hash);
  });

  it('that are gone are made again by the job that made them', async () => {
    const bytes = Buffer.from('a file that somebody deletes');
    const { jobId, file } = await made(bytes);
    await installation.store.delete(file.hash);
    for (let repeat = 0; repeat < 2; repeat++) expect((await fetchFile(file.hash)).status).toBe(503);
    await remake(jobId, bytes);
    expect((await fetchFile(file.hash)).status).toBe(200);
  });

  it('whose bytes do not match the hash and that no job made are gone, until they are sent in again', async () => {
    const bytes = Buffer.alloc(150_000, 'lost');
    const { hash: lost } = await installation.store.put(bytes);
    await damage(lost);
    await (await fetchFile(lost)).arrayBuffer().catch(() => undefined);
    const told = await fetchFile(lost);
    expect(told.status).toBe(410);
    expect(((await told.json()) as ProblemDetails).detail).toMatch(
      /found damaged on .*a download.*upload the same file/,
    );
    await request(installation.api.url)
      .post('/api/v1/artifacts')
      .set(as('researcher'))
      .set('Content-Type', 'application/octet-stream')
      .send(bytes)
      .expect(201);
    expect(sha256(new Uint8Array(await (await fetchFile(lost)).arrayBuffer()))).toBe(lost);
  });

  it.each(['bytes=0-9', 'bytes=100000-100999', 'bytes=-10'])(
    'that are damaged anywhere give no part of them: %s',
    async (range) => {
      const bytes = Buffer.alloc(150_000, `good ${range}`);
      const { jobId, file } = await made(bytes);
      await damage(file.hash);
      const part = () =>
        fetch(`${installation.api.url}/api/v1/artifacts/${file.hash}`, {
          headers: { ...as('viewer'), Range: range },
        });
      // The first answer says so already: no piece of the part is on its way before the whole file was read.
      for (let repeat = 0; repeat < 2; repeat++) expect((await part()).status).toBe(503);
      await remake(jobId, bytes);
      expect((await part()).status).toBe(206);
    },
  );

  const fetchFile = (artifact: string) =>
    fetch(`${installation.api.url}/api/v1/artifacts/${artifact}`, { headers: as('viewer') });

  /** A file that a finished job made. */
  async function made(bytes: Buffer) {
    const source = await installation.store.put(Buffer.concat([Buffer.from('source of '), bytes]));
    const params = { source: source.hash, fileName: 'f.csv', skipBad: false, synthetic: false };
    const { id } = await installation.jobs.submit(
      importJob({ ...params, dataset: `d${source.hash.slice(0, 8)}` }),
    );
    return { jobId: id, file: await remake(id, bytes) };
  }

  async function remake(jobId: string, bytes: Buffer) {
    const { attempt } = await claim(installation, jobId);
    const file = await installation.store.put(bytes);
    const result = { dataset: `d${jobId.slice(0, 8)}`, version: file.hash, bytes: file.bytes, summary };
    const outputs = { dataset: file };
    expect(await installation.attempts.complete(jobId, attempt, { outputs, result })).toBe(true);
    return file;
  }

  async function damage(artifact: string): Promise<void> {
    const path = await fileOf(artifact);
    const bytes = await readFile(path);
    bytes[10] = bytes[10] === 0 ? 1 : 0;
    await writeFile(path, bytes);
  }

  async function fileOf(artifact: string): Promise<string> {
    const entries = await readdir(installation.folder, { recursive: true });
    for (const entry of entries) {
      const path = join(installation.folder, entry);
      const name = entry.replaceAll('/', '');
      if (name.endsWith(artifact.slice(2)) && (await stat(path)).isFile()) return path;
    }
    throw new Error(`no file of ${artifact}`);
  }
});

describe('uploads', () => {
  const upload = (name: string, query: object, body: Buffer | string) =>
    request(installation.api.url)
      .post(`/api/v1/datasets/${name}/versions`)
      .query(query)
      .set(as('researcher'))
      .set('Content-Type', 'application/octet-stream')
      .send(body);

  it('are stored by their content and become an import job', async () => {
    const body = Buffer.from('emotion,pixels,Usage\n0,1 2 3,Training\n');
    const answer = await upload('kdef', { fileName: 'k.csv', skipBad: 'true' }, body).expect(202);
    const started = importStarted.parse(answer.body);
    expect(started.source).toBe(sha256(body));
    expect(Buffer.from(await installation.store.read(started.source))).toEqual(body);
    const job = await request(installation.api.url)
      .get(`/api/v1/jobs/${started.jobId}`)
      .set(as('viewer'))
      .expect(200);
    expect((job.body as JobItem).kind).toBe('import');
    expect((job.body as JobItem).params).toEqual({
      dataset: 'kdef',
      source: started.source,
      fileName: 'k.csv',
      skipBad: true,
      synthetic: false,
    });
  });

  it('of the same file with the same options are the same job', async () => {
    const send = async (skipBad: string) =>
      importStarted.parse((await upload('twice', { fileName: 't.csv', skipBad }, 'same')).body).jobId;
    const first = await send('false');
    expect(await send('false')).toBe(first);
    expect(await send('true')).not.toBe(first);
  });

  it('are refused beyond the limit, with and without a stated length, and leave nothing behind', async () => {
    const tooMuch = Buffer.alloc(limit + 1, 'x');
    await upload('large', { fileName: 'l.csv' }, tooMuch).expect(413);
    const chunked = await fetch(`${installation.api.url}/api/v1/datasets/large/versions?fileName=l.csv`, {
      method: 'POST',
      headers: { ...as('researcher'), 'Content-Type': 'text/csv' },
      body: new ReadableStream({
        start(controller) {
          for (let part = 0; part < 4; part++) controller.enqueue(tooMuch.subarray(0, limit / 3));
          controller.close();
        },
      }),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
    expect(await installation.store.has(sha256(tooMuch))).toBeNull();
    await upload('large', { fileName: 'l.csv' }, Buffer.alloc(limit, 'x')).expect(202);
  });

  it('that break off leave no file and no job', async () => {
    const { port } = installation.api;
    const count = async () =>
      (await installation.database.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM job')).rows[0]
        ?.n;
    const before = await count();
    const socket = connect(port, '127.0.0.1');
    socket.write(
      `POST /api/v1/datasets/cut/versions?fileName=c.csv HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n` +
        `Authorization: Bearer ${installation.secrets.researcher}\r\n\r\nhalf`,
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.destroy();
    await new Promise((resolve) => socket.once('close', resolve));
    await request(installation.api.url).get('/ready').expect(200);
    expect(await installation.store.has(sha256(Buffer.from('half')))).toBeNull();
    expect(await count()).toBe(before);
  });

  it('name what is wrong with them', async () => {
    await upload('bad name!', { fileName: 'x.csv' }, 'x').expect(422);
    await upload('faces', {}, 'x').expect(422);
    await upload('faces', { fileName: 'x.csv', skipBad: 'perhaps' }, 'x').expect(422);
    await upload('faces', { fileName: 'x.csv' }, '').expect(400);
    await upload('faces', { fileName: 'x.csv' }, 'x')
      .set('Content-Type', 'multipart/form-data; boundary=a')
      .expect(415);
  });
});

describe('pages', () => {
  const page = (path: string) => request(installation.api.url).get(path);

  it('are served with addresses that end in a slash or not', async () => {
    expect((await page('/').expect(200)).text).toBe('list');
    expect((await page('/experiments/view/?id=x').expect(200)).text).toBe('one');
    expect((await page('/experiments/view').expect(200)).text).toBe('one');
  });

  it('are checked again by browsers, their hashed parts never', async () => {
    expect((await page('/')).headers['cache-control']).toBe('public, max-age=0');
    const script = await page('/_next/static/app.js').expect(200);
    expect(script.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    await page('/')
      .set('If-None-Match', String((await page('/')).headers['etag']))
      .expect(304);
  });

  it('that are not there are the 404 page', async () => {
    expect((await page('/nothing').expect(404)).text).toBe('nothing here');
  });

  it.each([
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/experiments/..%2f..%2fsecret.txt',
    '/.hidden',
    '/%00',
    '/%zz',
  ])('%s stays inside the folder', async (path) => {
    // A raw request: clients tidy such paths up.
    const { port } = installation.api;
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      });
      let text = '';
      socket.on('data', (piece) => (text += piece.toString()));
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 40[04]/);
    expect(answer).not.toMatch(/outside|hidden$/);
  });

  it('the API document and its page come from this server', async () => {
    const html = (await page('/docs').expect(200)).text;
    expect(html).not.toMatch(/(src|href)="https?:/);
    await page('/docs/swagger-ui-bundle.js').expect(200);
    const document = (await page('/docs-json').expect(200)).body as {
      paths: Record<
        string,
        Record<string, { parameters?: { name: string; in: string }[]; responses: object }>
      >;
      components: { schemas: Record<string, unknown> };
    };
    const text = JSON.stringify(document);
    const references = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(
      (match) => match[1] ?? '',
    );
    expect(references.length).toBeGreaterThan(20);
    for (const name of references) expect(Object.keys(document.components.schemas)).toContain(name);
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const operation of Object.values(methods)) {
        const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
        const inPath = (operation.parameters ?? [])
          .filter((item) => item.in === 'path')
          .map(({ name }) => name);
        expect(inPath).toEqual(named);
      }
    }
    expect(document.paths['/api/v1/experiments']?.['post']).toMatchObject({
      responses: {
        201: {
          content: { 'application/json': { schema: { $ref: '#/components/schemas/ExperimentDetail' } } },
        },
        default: {
          content: {
            'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDetails' } },
          },
        },
      },
      requestBody: {
        content: { 'application/json': { schema: { $ref: '#/components/schemas/SubmitExperimentInput' } } },
      },
    });
  });
});
