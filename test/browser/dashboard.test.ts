/** The dashboard in a real browser against a real stack: signing in, watching live, reading the table, downloading. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { loginAddress } from '@ferment/contracts';
import { chromiumProgram, describeWith } from '../support/services.js';
import { stackFolder, startStack, tinySpec, writeFaces } from '../support/stack.js';
import type { RunningStack } from '../support/stack.js';

const minutes = 60_000;
/** Where the pictures of the pages go, for people to look at; nowhere when not set. */
const pictures = process.env['FERMENT_SCREENSHOTS'];

describeWith('chromium', 'the dashboard', () => {
  let folder: Awaited<ReturnType<typeof stackFolder>>;
  let stack: RunningStack;
  let browser: Browser;
  let page: Page;
  let experiment = '';
  const complaints: string[] = [];

  async function picture(name: string): Promise<void> {
    if (!pictures) return;
    await mkdir(pictures, { recursive: true });
    await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  }

  beforeAll(async () => {
    folder = await stackFolder();
    const csv = join(folder.path, 'faces.csv');
    await writeFaces(csv);
    stack = await startStack(folder.path);
    await stack.ferment('dataset', 'import', csv, '--name', 'faces');
    browser = await chromium.launch({
      executablePath: chromiumProgram(),
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
    const context = await browser.newContext({
      viewport: { width: 1360, height: 900 },
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(String(error)));
  }, 3 * minutes);
  afterAll(async () => {
    await browser.close();
    await stack.stop();
    await folder.remove();
  }, minutes);

  it(
    'shows nothing to a stranger, and signs in once by the address',
    async () => {
      await page.goto(stack.client.url);
      await page.getByRole('heading', { name: /login address/ }).waitFor();
      const answer = await stack.client.fetch('logins', { method: 'POST' });
      const { path } = loginAddress.parse(await answer.json());
      await page.goto(`${stack.client.url}${path}`);
      await page.getByText('No experiments yet').waitFor();
      await picture('empty');

      const stranger = await (await browser.newContext()).newPage();
      const second = await stranger.goto(`${stack.client.url}${path}`);
      expect(second?.status()).toBeGreaterThanOrEqual(400);
      await stranger.close();
    },
    minutes,
  );

  it(
    'shows a submitted experiment without a reload, its curves live, and goes on when the API was killed',
    async () => {
      ({ id: experiment } = await stack.client.submit({ text: tinySpec(4) }, 'browser'));
      await page.getByRole('link', { name: 'tiny' }).click();
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
      await page
        .getByRole('img', { name: /validation/i })
        .first()
        .waitFor({ timeout: 2 * minutes });
      await picture('live');
      process.kill(await stack.pidOf('api'), 'SIGKILL');
      await page.getByText(/reconnecting/i).waitFor({ timeout: minutes });
      await page.getByText('Live', { exact: true }).waitFor({ timeout: minutes });
      const watched = await stack.watch(experiment);
      expect(watched.experiment.state).toBe('succeeded');
      await page.locator('.head').getByText('Succeeded').waitFor({ timeout: minutes });
    },
    6 * minutes,
  );

  it(
    'shows the ablation table that the API gives, and copies it as LaTeX',
    async () => {
      const card = page.getByRole('region', { name: 'Ablation table' });
      await card.getByText('Differences from baseline').waitFor({ timeout: minutes });
      const { sections } = await stack.client.table(experiment);
      const configurations = sections[0]?.configurations ?? [];
      expect(configurations.length).toBe(2);
      for (const { variant } of configurations) await card.getByText(variant).first().waitFor();
      await card.getByRole('button', { name: 'Copy as LaTeX' }).click();
      await card
        .getByText(/copied/i)
        .first()
        .waitFor();
      const copied = await page.evaluate<string>('navigator.clipboard.readText()');
      expect(copied).toContain('\\begin{tabular}');
      await picture('experiment');
    },
    2 * minutes,
  );

  it(
    'shows the robustness table of the same trainings under attack, and what to do where none was asked for',
    async () => {
      const card = page.getByRole('region', { name: 'Robustness table' });
      await card.getByText('No attacks asked for').waitFor();
      const attacks = 'evaluate: { attackImages: 42, attacks: [{ fgsm: { epsilon: [2/255, 8/255] } }] }';
      const { id } = await stack.client.submit({ text: `${tinySpec(4)}${attacks}\n` }, 'attacked');
      const watched = await stack.watch(id);
      expect(watched.experiment.state).toBe('succeeded');
      await page.goto(`${stack.client.url}/experiments/view/?id=${id}`);
      await card.getByRole('img', { name: 'Accuracy against epsilon, FGSM' }).waitFor({ timeout: minutes });
      const { sections, suspect } = await stack.client.robustness(id);
      const [section] = sections;
      expect(section?.configurations.map(({ seeds }) => seeds)).toEqual([
        [0, 1],
        [0, 1],
      ]);
      const worst = section?.columns.findLast(({ kind }) => kind === 'worst-case');
      for (const { variant, cells } of section?.configurations ?? []) {
        const row = card.getByRole('row', { name: variant }).first();
        await row
          .getByText((cells[worst?.key ?? '']?.mean ?? NaN).toFixed(4))
          .first()
          .waitFor();
      }
      expect((await card.getByText('suspect', { exact: true }).count()) > 0).toBe(suspect);
      await card.getByText('fewer than 3 seeds', { exact: true }).waitFor();
      await card.getByRole('button', { name: 'Copy as LaTeX' }).click();
      await card.getByText(/copied/i).waitFor();
      const copied = await page.evaluate<string>('navigator.clipboard.readText()');
      expect(copied).toContain('worst case');
      const printed = await stack.ferment('table', 'robustness', id, '--format', 'latex');
      expect(printed.out).toBe(copied);
      await picture('robustness');
      await page.goto(`${stack.client.url}/experiments/view/?id=${experiment}`);
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
    },
    4 * minutes,
  );

  it(
    'downloads a student whose bytes are the recorded ones',
    async () => {
      const link = page.getByRole('link', { name: /^Download baseline seed 0 as ONNX,/ });
      const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
      const bytes = await readFile(await download.path());
      const trials = await stack.client.trials(experiment);
      const hashes = trials.map(({ downloads }) => downloads.onnx?.hash);
      expect(hashes).toContain(createHash('sha256').update(bytes).digest('hex'));
    },
    minutes,
  );

  it(
    'keeps to the dark, to a narrow window and to a reload',
    async () => {
      await page.getByRole('button', { name: 'Use the dark theme' }).click();
      await page.setViewportSize({ width: 420, height: 900 });
      await page.reload();
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
      await page
        .getByRole('img', { name: /Validation F1/ })
        .first()
        .waitFor();
      const overflow = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(overflow).toBeLessThanOrEqual(0);
      await picture('narrow-dark');
      expect(complaints).toEqual([]);
    },
    minutes,
  );
});
