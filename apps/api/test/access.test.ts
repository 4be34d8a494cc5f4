import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, NestFactory } from '@nestjs/core';
import type { Role } from '@ferment/contracts';
import { Tokens } from '@ferment/platform';
import request from 'supertest';
import { AuthGuard } from '../src/auth/auth.guard.js';
import { ProblemFilter } from '../src/common/exception-filter.js';
import { LOGGER } from '../src/common/logging.js';
import { type Installation, startInstallation } from './support/installation.js';

const id = '6f9619ff-8b86-4011-b42d-00c04fc964ff';

/** Who may call what: the lowest role, and whether workers may. An address that is not here fails the test. */
const addresses: Record<string, { role: Role; worker?: true }> = {
  'GET /api/v1/tokens': { role: 'admin' },
  'POST /api/v1/tokens': { role: 'admin' },
  'DELETE /api/v1/tokens/:id': { role: 'admin' },
  'GET /api/v1/session': { role: 'viewer', worker: true },
  'POST /api/v1/logins': { role: 'viewer' },
  'GET /api/v1/projects': { role: 'viewer' },
  'POST /api/v1/projects': { role: 'researcher' },
  'POST /api/v1/experiments/preview': { role: 'viewer' },
  'POST /api/v1/experiments': { role: 'researcher' },
  'GET /api/v1/experiments': { role: 'viewer' },
  'GET /api/v1/experiments/:id': { role: 'viewer' },
  'GET /api/v1/experiments/:id/trials': { role: 'viewer' },
  'GET /api/v1/experiments/:id/search': { role: 'viewer' },
  'GET /api/v1/experiments/:id/text': { role: 'viewer' },
  'GET /api/v1/experiments/:id/jobs': { role: 'viewer' },
  'GET /api/v1/experiments/:id/graph': { role: 'viewer' },
  'POST /api/v1/experiments/:id/pause': { role: 'researcher' },
  'POST /api/v1/experiments/:id/resume': { role: 'researcher' },
  'POST /api/v1/experiments/:id/cancel': { role: 'researcher' },
  'POST /api/v1/experiments/:id/extend': { role: 'researcher' },
  'PATCH /api/v1/experiments/:id': { role: 'researcher' },
  'DELETE /api/v1/experiments/:id': { role: 'researcher' },
  'GET /api/v1/experiments/:id/checkpoints/best': { role: 'viewer' },
  'GET /api/v1/experiments/:id/tables/ablation': { role: 'viewer' },
  'GET /api/v1/experiments/:id/tables/robustness': { role: 'viewer' },
  'GET /api/v1/trials/compare': { role: 'viewer' },
  'GET /api/v1/trials/best': { role: 'viewer' },
  'GET /api/v1/trials/:id': { role: 'viewer' },
  'POST /api/v1/trials/:id/retry': { role: 'researcher' },
  'GET /api/v1/trials/:id/download': { role: 'viewer' },
  'GET /api/v1/trials/:id/card': { role: 'viewer' },
  'GET /api/v1/trials/:id/reliability': { role: 'viewer' },
  'GET /api/v1/jobs/:id': { role: 'viewer' },
  'GET /api/v1/jobs/:id/metrics': { role: 'viewer' },
  'GET /api/v1/jobs/:id/checkpoints': { role: 'viewer' },
  'GET /api/v1/jobs/:id/attempts/:attempt/logs': { role: 'viewer' },
  'GET /api/v1/metrics': { role: 'viewer' },
  'GET /api/v1/artifacts/:hash': { role: 'viewer', worker: true },
  'POST /api/v1/artifacts': { role: 'researcher' },
  'POST /api/v1/artifacts/verify': { role: 'admin' },
  'POST /api/v1/gc': { role: 'admin' },
  'GET /api/v1/datasets': { role: 'viewer' },
  'GET /api/v1/datasets/:name': { role: 'viewer' },
  'POST /api/v1/datasets/:name/versions': { role: 'researcher' },
  'GET /api/v1/datasets/:name/versions/:version': { role: 'viewer' },
  'GET /api/v1/datasets/:name/versions/:version/ledger': { role: 'viewer' },
  'POST /api/v1/datasets/:name/versions/:version/overrides': { role: 'researcher' },
  'GET /api/v1/workers': { role: 'viewer' },
  'GET /api/v1/workers/:id': { role: 'viewer' },
  'POST /api/v1/workers/:id/drain': { role: 'admin' },
  'POST /api/v1/workers/:id/resume': { role: 'admin' },
  'GET /api/v1/doctor': { role: 'admin' },
  'GET /api/v1/queue': { role: 'viewer' },
  'GET /api/v1/catalog': { role: 'viewer', worker: true },
  'GET /api/v1/stream': { role: 'viewer' },
};

const rank: Role[] = ['viewer', 'researcher', 'admin'];

interface Layer {
  readonly route?: { readonly path: string | string[]; readonly methods: Record<string, boolean> };
}

let installation: Installation;
let base: string;

beforeAll(async () => {
  installation = await startInstallation();
  base = installation.api.url;
}, 60_000);
afterAll(() => installation.stop(), 30_000);

/** Every method and path that express serves under /api/v1. */
function routes(): string[] {
  const express = installation.api.app.getHttpAdapter().getInstance() as unknown as {
    router: { stack: Layer[] };
  };
  return express.router.stack.flatMap(({ route }) => {
    if (!route) return [];
    const paths = Array.isArray(route.path) ? route.path : [route.path];
    const methods = Object.keys(route.methods).map((method) => method.toUpperCase());
    return paths
      .filter((path) => path.startsWith('/api/v1'))
      .flatMap((path) => methods.map((m) => `${m} ${path}`));
  });
}

function call(address: string, headers: Record<string, string>) {
  const [method = '', path = ''] = address.split(' ');
  const url =
    base +
    path
      .replace(':id', id)
      .replace(':name', 'faces')
      .replace(':attempt', '1')
      .replace(/:(hash|version)/, 'a'.repeat(64));
  return fetch(url, { method, headers, redirect: 'manual' });
}

const bearer = (secret: string) => ({ Authorization: `Bearer ${secret}` });

describe('access', () => {
  it('every address is on the list of this test, and the list has no other', () => {
    expect(routes().sort()).toEqual(Object.keys(addresses).sort());
  });

  it.each(Object.keys(addresses))('%s asks for a token', async (address) => {
    const wrong = [
      '',
      'Bearer',
      'Bearer wrong',
      `Basic ${installation.secrets.admin}`,
      `Bearer ${'x'.repeat(600)}`,
    ];
    for (const authorization of [undefined, ...wrong]) {
      const answer = await call(address, authorization === undefined ? {} : { Authorization: authorization });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      await answer.text();
    }
  });

  it.each(Object.entries(addresses))(
    '%s is closed to roles below its own',
    async (address, { role, worker }) => {
      const below: Role[] = rank.slice(0, rank.indexOf(role));
      if (!worker) below.push('worker');
      for (const lower of below) {
        const answer = await call(address, bearer(installation.secrets[lower]));
        expect([lower, answer.status]).toEqual([lower, 403]);
        // The same words for every address and every object, there or not.
        expect(await answer.json()).toEqual({
          type: 'urn:ferment:problem:forbidden',
          title: 'Not permitted',
          status: 403,
          detail: 'This request is not permitted.',
        });
      }
    },
  );

  it.each(Object.entries(addresses).filter(([address]) => !address.endsWith('/stream')))(
    '%s is open to its role and those above',
    async (address, { role, worker }) => {
      const permitted: Role[] = rank.slice(rank.indexOf(role));
      if (worker) permitted.push('worker');
      for (const higher of permitted) {
        const answer = await call(address, bearer(installation.secrets[higher]));
        await answer.text();
        expect([401, 403]).not.toContain(answer.status);
        expect(answer.status).toBeLessThan(500);
      }
    },
  );

  it('an unknown address under /api is 401 without a token and 404 with one', async () => {
    await request(base).get('/api/v1/nothing').expect(401);
    await request(base).get('/api/v1/nothing').set(bearer(installation.secrets.viewer)).expect(404);
    await request(base).put('/api/v1/experiments').set(bearer(installation.secrets.admin)).expect(404);
  });

  it('an address that says nothing about access is closed to everybody', async () => {
    @Controller('forgotten')
    class Forgotten {
      @Get()
      read(): string {
        return 'open';
      }
    }
    @Module({
      controllers: [Forgotten],
      providers: [
        { provide: Tokens, useValue: installation.tokens },
        { provide: LOGGER, useValue: { debug() {}, info() {}, warn() {}, error() {} } },
        { provide: APP_GUARD, useClass: AuthGuard },
        { provide: APP_FILTER, useClass: ProblemFilter },
      ],
    })
    class Application {}
    const app = await NestFactory.create(Application, { logger: false });
    await app.listen(0, '127.0.0.1');
    try {
      const url = await app.getUrl();
      await request(url).get('/forgotten').expect(401);
      await request(url).get('/forgotten').set(bearer(installation.secrets.admin)).expect(403);
    } finally {
      await app.close();
    }
  });

  it('a revoked token is no token', async () => {
    const admin = bearer(installation.secrets.admin);
    const made = await request(base)
      .post('/api/v1/tokens')
      .set(admin)
      .send({ name: 'leaver', role: 'viewer' })
      .expect(201);
    const { token, id: tokenId } = made.body as { token: string; id: string };
    await request(base).get('/api/v1/session').set(bearer(token)).expect(200, {
      name: 'leaver',
      role: 'viewer',
      by: 'token',
    });
    const list = await request(base).get('/api/v1/tokens').set(admin).expect(200);
    expect(JSON.stringify(list.body)).not.toContain(token);
    await request(base).delete(`/api/v1/tokens/${tokenId}`).set(admin).expect(204);
    await request(base).get('/api/v1/session').set(bearer(token)).expect(401);
    await request(base).delete(`/api/v1/tokens/${id}`).set(admin).expect(404);
  });

  it('secrets are not in the database', async () => {
    const { rows } = await installation.database.pool.query<{ row: string }>(
      'SELECT t::text AS row FROM token t',
    );
    expect(rows.length).toBeGreaterThanOrEqual(4);
    for (const secret of Object.values(installation.secrets)) {
      expect(rows.some(({ row }) => row.includes(secret))).toBe(false);
    }
  });
});

describe('login', () => {
  async function login(role: Role): Promise<{ path: string; cookie: string; header: string }> {
    const asked = await request(base)
      .post('/api/v1/logins')
      .set(bearer(installation.secrets[role]))
      .expect(201);
    const { path } = asked.body as { path: string };
    const answer = await request(base).get(path).expect(303).expect('Location', '/');
    const header = String(answer.headers['set-cookie']);
    return { path, header, cookie: header.split(';')[0] ?? '' };
  }

  it('turns a one-time address into a cookie that scripts cannot read', async () => {
    const { path, header, cookie } = await login('researcher');
    expect(header).toMatch(/^ferment_session=/);
    expect(header).toMatch(/HttpOnly/);
    expect(header).toMatch(/SameSite=Strict/);
    expect(header).not.toContain(installation.secrets.researcher);
    const session = await request(base).get('/api/v1/session').set('Cookie', cookie).expect(200);
    expect(session.body).toMatchObject({ role: 'researcher', by: 'cookie' });
    await request(base).get(path).expect(401);
  });

  it('works once when many come at the same time', async () => {
    const asked = await request(base)
      .post('/api/v1/logins')
      .set(bearer(installation.secrets.viewer))
      .expect(201);
    const { path } = asked.body as { path: string };
    const answers = await Promise.all(Array.from({ length: 8 }, () => request(base).get(path)));
    expect(answers.map(({ status }) => status).sort()).toEqual([
      303,
      ...Array.from({ length: 7 }, () => 401),
    ]);
  });

  it('refuses codes that were never given out', async () => {
    await request(base).get('/login?code=guess').expect(401);
    await request(base).get('/login').expect(422);
  });

  it('changing requests with the cookie must come from our own pages', async () => {
    const { cookie } = await login('researcher');
    const post = (origin: string | null) => {
      const asked = request(base).post('/api/v1/projects').set('Cookie', cookie);
      if (origin !== null) void asked.set('Origin', origin);
      return asked.send({ name: `from ${origin}` });
    };
    await post('http://evil.example').expect(403);
    await post(null).expect(403);
    await post('null').expect(403);
    await post(base.replace(/:\d+$/, ':1')).expect(403);
    await post(base).expect(201);
  });

  it('ends with the token that it came from', async () => {
    const made = await installation.tokens.create({ name: 'short', role: 'viewer' });
    const asked = await request(base).post('/api/v1/logins').set(bearer(made.token)).expect(201);
    const answer = await request(base)
      .get((asked.body as { path: string }).path)
      .expect(303);
    const cookie = String(answer.headers['set-cookie']).split(';')[0] ?? '';
    await request(base).get('/api/v1/session').set('Cookie', cookie).expect(200);
    await installation.tokens.revoke(made.id);
    await request(base).get('/api/v1/session').set('Cookie', cookie).expect(401);
  });
});

describe('the Host header', () => {
  it.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '169.254.169.254'])(
    '%s is refused on loopback, on every address',
    async (host) => {
      for (const path of ['/', '/health', '/docs', '/api/v1/session', '/login?code=x']) {
        await request(base).get(path).set('Host', host).set(bearer(installation.secrets.admin)).expect(421);
      }
    },
  );

  it.each(['localhost', 'localhost:9999', '127.0.0.1', '[::1]:80'])('%s is this machine', async (host) => {
    await request(base).get('/health').set('Host', host).expect(200);
  });
});

describe('public addresses', () => {
  it('say whether the process and its parts answer', async () => {
    await request(base).get('/health').expect(200, { status: 'ok' });
    await request(base)
      .get('/ready')
      .expect(200, { status: 'ok', parts: { database: 'ok', queue: 'ok', store: 'ok' } });
  });

  it('every answer has a request id, the client’s own where it is harmless', async () => {
    await request(base).get('/health').set('X-Request-Id', 'abc-1').expect('X-Request-Id', 'abc-1');
    const answer = await request(base).get('/health').set('X-Request-Id', 'a b<script>');
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });
});
