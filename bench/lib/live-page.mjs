// How old a point is when a page shows it, while a training runs: everything between is real.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client, importDataset, readConnection } from '@ferment/cli';
import { syntheticFaces } from '@ferment/datasets';

const command = resolve(import.meta.dirname, '../../apps/cli/bin/ferment.js');
const pause = (milliseconds) => new Promise((next) => setTimeout(next, milliseconds));

const spec = `
specVersion: 1
name: live
data: { dataset: faces }
stages:
  net:
    kind: train
    model: { name: vgg, width: 0.25 }
    train: { epochs: 60, batch: 32, optimizer: { name: sgd, lr: 0.05 }, threads: 1 }
result: net
`;

/** Percentiles, in milliseconds, of the ages of the newest points each time that the page shows more of them. */
export async function live(browser, say) {
  const folder = await mkdtemp(join(tmpdir(), 'ferment-live-'));
  await chmod(folder, 0o711);
  const environment = Object.entries(process.env).filter(([name]) => !name.startsWith('FERMENT_'));
  const up = spawn(process.execPath, [command, 'up', '--no-open', '--port', '0'], {
    env: { ...Object.fromEntries(environment), FERMENT_HOME: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    let connection = null;
    while (connection?.pid !== up.pid) {
      if (up.exitCode !== null) throw new Error(`ferment up ended with ${up.exitCode}`);
      connection = await readConnection(folder);
      await pause(50);
    }
    const client = new Client(connection.url, connection.token);
    const csv = join(folder, 'faces.csv');
    await writeFile(
      csv,
      [...syntheticFaces({ train: 960, publicTest: 70, privateTest: 70, seed: 5 })].join(''),
    );
    await importDataset(
      client,
      'faces',
      csv,
      { synthetic: true },
      () => undefined,
      AbortSignal.timeout(60_000),
    );
    const login = await (await client.fetch('logins', { method: 'POST' })).json();
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${connection.url}${login.path}`);
    const { id } = await client.submit({ text: spec }, randomUUID());
    await page.goto(`${connection.url}/experiments/view/?id=${id}&metric=train.loss&x=step`);
    await page.waitForFunction(() =>
      /points/.test(globalThis.document.querySelector('.curve-foot')?.textContent ?? ''),
    );
    // Noted with the frame in which the page says that there are more points.
    await page.evaluate(() => {
      globalThis.seen_ = [];
      const look = () => {
        const text = globalThis.document.querySelector('.curve-foot > [role=status]')?.textContent ?? '';
        const count = Number(/([\d,]+) points/.exec(text)?.[1]?.replaceAll(',', '') ?? NaN);
        if (count > (globalThis.seen_.at(-1)?.count ?? 0)) globalThis.seen_.push({ count, at: Date.now() });
        globalThis.requestAnimationFrame(look);
      };
      look();
    });
    await page.locator('.head').getByText('Succeeded').waitFor({ timeout: 300_000 });
    const seen = await page.evaluate(() => globalThis.seen_);
    const training = (await client.jobs(id)).find(({ kind }) => kind === 'train');
    const rows = await (await client.fetch(`jobs/${training.id}/metrics?series=train.loss`)).json();
    // The first look finds what was there before it.
    const ages = seen.slice(1).flatMap(({ count, at }) => {
      const row = rows.rows[count - 1];
      return row === undefined ? [] : [at - row.time];
    });
    const sorted = ages.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    const report = { looks: sorted.length, p50: at(0.5), p95: at(0.95), most: sorted.at(-1) };
    say(
      `a point of a running training is shown ${report.p50} ms (p50), ${report.p95} ms (p95) after it was computed; ${report.looks} looks, ${rows.rows.length} points`,
    );
    return report;
  } finally {
    const gone = once(up, 'exit');
    up.kill('SIGTERM');
    await gone;
    await rm(folder, { recursive: true, force: true });
  }
}
