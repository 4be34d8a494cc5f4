// How long the experiment page takes to show the curves of many long trainings, how many bytes it asks for, and how long
// its frames are while a stretch of them is moved along. A real Chromium, an API process that has read nothing yet.
// Then a training that runs: how long a point takes from the child that computed it until the page shows it.
// Usage: npm run bench -- dashboard [--json] [--only curves|live] [--rounds 3] [--runs 200] [--points 100000] [--moves 120]
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { folderStore } from '@ferment/platform';
import { curveFile } from '../packages/platform/dist/curves/curve-file.js';
import { spread, spreadText } from './lib/compare.mjs';
import { startApi, startInstallation } from './lib/installation.mjs';
import { live } from './lib/live-page.mjs';
import { measureGrid, noteDataset } from './lib/trial-grid.mjs';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    runs: { type: 'string', default: '200' },
    points: { type: 'string', default: '100000' },
    moves: { type: 'string', default: '120' },
    only: { type: 'string', default: '' },
  },
});
const say = (line) => values.json || console.log(line);
const [rounds, runs, points, moves] = ['rounds', 'runs', 'points', 'moves'].map((name) =>
  Number(values[name]),
);

/** A falling, noisy loss and three more series of every step, an accuracy once in 500 steps. */
function columnsOf(run) {
  const every = (value) => Float64Array.from({ length: points }, (_, index) => value(index + 1));
  const noise = (step) => Math.sin(step * 12.9898 + run * 78.233) / 20;
  const measured = every((step) =>
    step % 500 === 0 ? 0.7 - 0.5 / Math.sqrt(step / 500) + noise(step) : NaN,
  );
  const dense = { present: null };
  return {
    step: Int32Array.from({ length: points }, (_, index) => index + 1),
    epoch: every((step) => step / 500),
    time: every((step) => 1.79e12 + 40 * step),
    series: new Map([
      ['train.loss', { ...dense, values: every((step) => 2 / Math.sqrt(step) + run / 400 + noise(step)) }],
      ['train.gradientNorm', { ...dense, values: every(noise) }],
      ['train.learningRate', { ...dense, values: every((step) => 0.1 * Math.cos(step / 70_000)) }],
      [
        'validation.macroF1',
        { values: measured, present: Uint8Array.from(measured, (value) => (Number.isNaN(value) ? 0 : 1)) },
      ],
    ]),
  };
}

/** Trainings of a grid that have ended, each with its curve in a file. */
async function fill({ folder, query }, trainings) {
  const store = folderStore(join(folder, 'artifacts'));
  for (const [index, id] of trainings.entries()) {
    const { hash, bytes } = await store.put(curveFile(columnsOf(index)));
    await query('INSERT INTO artifact (hash, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING', [hash, bytes]);
    await query('INSERT INTO metric_curve (job_id, cursor, hash, rows) VALUES ($1, 1, $2, $3)', [
      id,
      hash,
      points,
    ]);
  }
  await query(`UPDATE job SET state = 'succeeded', started_at = now(), ended_at = now() WHERE id = ANY($1)`, [
    trainings,
  ]);
}

/** Milliseconds until the curves are drawn, bytes of their answers, and lengths of frames while they are moved. */
async function look(browser, api, token, experiment) {
  const headers = { Authorization: `Bearer ${token}` };
  const login = await (await fetch(`${api.url}/api/v1/logins`, { method: 'POST', headers })).json();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(error));
  await page.goto(`${api.url}${login.path}`);
  const bytes = { all: 0, curves: 0 };
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  const addresses = new Map();
  session.on('Network.responseReceived', ({ requestId, response }) => addresses.set(requestId, response.url));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    bytes.all += encodedDataLength;
    if (addresses.get(requestId)?.includes('/metrics?')) bytes.curves += encodedDataLength;
  });
  await page.goto(`${api.url}/experiments/view/?id=${experiment}&metric=train.loss&x=step`);
  const drawn = () =>
    page.waitForFunction(() => {
      const foot = globalThis.document.querySelector('.curve-foot > [role=status]');
      return globalThis.document.querySelector('.chart canvas') && /points/.test(foot?.textContent ?? '')
        ? performance.now()
        : 0;
    });
  const milliseconds = await (await drawn()).jsonValue();
  const answers = await page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .flatMap(({ name, startTime, responseEnd }) =>
        name.includes('/metrics?') ? [[Math.round(startTime), Math.round(responseEnd)]] : [],
      ),
  );
  const told = await page.locator('.curve-foot > [role=status]').innerText();
  const first = { ...bytes };

  await page.waitForLoadState('networkidle');
  const chart = page.locator('.chart').first();
  const box = await chart.boundingBox();
  const middle = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.4, middle);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, middle, { steps: 4 });
  await page.mouse.up();
  await page.getByRole('button', { name: 'Show all' }).waitFor();
  await page.waitForLoadState('networkidle');
  await page.evaluate(() => {
    globalThis.frames_ = [];
    let last = performance.now();
    const next = (now) => {
      globalThis.frames_.push(now - last);
      last = now;
      globalThis.following_ = globalThis.requestAnimationFrame(next);
    };
    globalThis.requestAnimationFrame(next);
  });
  for (let move = 0; move < moves; move++) await page.mouse.wheel(12, 0);
  const frames = await page.evaluate(() => {
    globalThis.cancelAnimationFrame(globalThis.following_);
    return globalThis.frames_.slice(1);
  });
  await context.close();
  const sorted = frames.toSorted((a, b) => a - b);
  return {
    milliseconds,
    answers,
    told,
    first,
    p95: sorted[Math.floor(0.95 * sorted.length)],
    frames: frames.length,
  };
}

/** The page of many long trainings that have ended. */
async function curves(browser) {
  const installation = await startInstallation('dashboard', 'admin');
  try {
    await noteDataset(installation);
    const maker = await startApi(installation);
    await measureGrid({ url: maker.url, token: installation.token }, runs);
    await maker.stop();
    const [{ id }] = await installation.query('SELECT id FROM experiment');
    const trainings = await installation.query(`SELECT id FROM job WHERE kind = 'train' ORDER BY sequence`);
    await fill(
      installation,
      trainings.map((job) => job.id),
    );
    say(`${trainings.length} trainings of ${points} points, in files`);
    const looks = [];
    for (let round = 0; round < rounds; round++) {
      const api = await startApi(installation);
      const cold = await look(browser, api, installation.token, id);
      const warm = await look(browser, api, installation.token, id);
      await api.stop();
      looks.push({ cold, warm });
    }
    const figures = (pick) => spread(looks.map(pick));
    const report = {
      first: figures(({ cold }) => cold.milliseconds),
      again: figures(({ warm }) => warm.milliseconds),
      frameP95: figures(({ cold }) => cold.p95),
      bytes: looks[0].cold.first,
      frames: looks.map(({ cold }) => cold.frames),
      answers: looks.flatMap(({ cold, warm }) => [cold.answers, warm.answers]),
      told: looks[0].cold.told,
    };
    say(
      `first chart, from the address on: ${spreadText(report.first, 0)} ms, again ${spreadText(report.again, 0)} ms`,
    );
    say(
      `bytes until then: ${report.bytes.all}, of curves ${report.bytes.curves}; the page says “${report.told}”`,
    );
    say(
      `curves were asked for and had arrived at, in ms: ${report.answers.map((each) => each.map((one) => one.join('-')).join(' ')).join('; ')}`,
    );
    say(`frames while a stretch is moved: p95 ${spreadText(report.frameP95, 1)} ms`);
    return report;
  } finally {
    await installation.stop();
  }
}

const browser = await chromium.launch({
  executablePath: process.env.FERMENT_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
try {
  const report = {
    ...(values.only !== 'live' && { curves: await curves(browser) }),
    ...(values.only !== 'curves' && { live: await live(browser, say) }),
  };
  if (values.json) console.log(JSON.stringify({ options: values, ...report }, null, 2));
} finally {
  await browser.close();
}
