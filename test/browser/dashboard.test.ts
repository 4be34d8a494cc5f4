/** The dashboard in a real browser against a real stack: signing in, watching live, reading the table, downloading. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { Client } from '@ferment/cli';
import { jobMetrics, loginAddress } from '@ferment/contracts';
import { runOnnx } from '../../packages/engine/test/support/onnx.js';
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

  /** No violation that axe knows of; what it found is told. */
  async function accessible(name: string): Promise<void> {
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate<{
      violations: { id: string; help: string; nodes: { html: string }[] }[];
    }>('axe.run()');
    const told = violations.map(({ id, help, nodes }) => `${name}: ${id}: ${help}: ${nodes[0]?.html ?? ''}`);
    expect(told).toEqual([]);
  }

  /** What a press of a button or link hands to the browser's downloads. */
  async function saved(role: 'button' | 'link', name: string | RegExp): Promise<Buffer> {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole(role, { name }).click(),
    ]);
    return readFile(await download.path());
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
    'submits what is written, says what is wrong with it, shows curves live, and goes on when the API was killed',
    async () => {
      await page.getByRole('link', { name: 'Submit' }).click();
      const editor = page.getByLabel('Experiment spec (YAML)');
      const submit = page.getByRole('button', { name: /^Submit/ });
      await editor.fill(tinySpec(4).replace('width: 0.25', 'widht: 0.25'));
      await page.getByText(/stages\.teacher\.model\.widht/).waitFor();
      await page.getByText('Did you mean').waitFor();
      expect(await submit.isDisabled()).toBe(true);
      await picture('submit-problem');
      await editor.fill(tinySpec(4));
      await page.getByRole('button', { name: 'Submit 4 trials' }).waitFor();
      await picture('submit');
      await accessible('submit');
      await submit.click();
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
      experiment = new URL(page.url()).searchParams.get('id') ?? '';
      expect((await stack.client.experiment(experiment)).name).toBe('tiny');
      // Whoever looks at the list sees it come.
      await page.getByRole('link', { name: 'Experiments' }).first().click();
      await page.getByRole('link', { name: 'tiny' }).click();
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
      await page
        .getByRole('application', { name: /validation/i })
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
    'shows a stretch of a curve, marks a place on both charts, and saves what is drawn',
    async () => {
      const card = page.getByRole('region', { name: 'Curves' });
      const chart = card.getByRole('application', { name: /^Validation macro-F1 against/i });
      const all = /^16 points$/;
      await card.getByText(all).waitFor();
      const box = await chart.boundingBox();
      if (!box) throw new Error('the chart has no place');
      const middle = box.y + box.height / 2;
      await page.mouse.move(box.x + box.width * 0.5, middle);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.9, middle, { steps: 5 });
      await page.mouse.up();
      await card.getByText(/; epoch 2\.\d+ to epoch 3\.\d+$/).waitFor();
      // Kept in the address once it lies still.
      await page.waitForURL(/zoom=2\.\d+(~|%7E)3\.\d+/);
      await page.reload();
      await card.getByRole('button', { name: 'Show all' }).click();
      await card.getByText(all).waitFor();
      // By keys: to the second place, marked; around it nearer, and all of it again.
      await chart.focus();
      for (const key of ['Home', 'ArrowRight', 'Enter', '+']) await page.keyboard.press(key);
      await card.getByRole('button', { name: 'Unpin epoch 2' }).waitFor();
      await card.getByText('pinned').first().waitFor();
      await page.waitForURL(/zoom=/);
      await picture('curves-zoomed');
      await page.keyboard.press('Escape');
      await card.getByText(all).waitFor();
      for (const [scale, smoothing] of [
        ['log x, y', '0.6'],
        ['linear', '0'],
      ]) {
        await card.getByRole('combobox', { name: 'Scale' }).selectOption(scale ?? '');
        await card.getByRole('combobox', { name: 'Smoothing' }).selectOption(smoothing ?? '');
      }
      await card.getByText('Time', { exact: true }).click();
      await card
        .getByRole('application', { name: /against minutes since the first point/ })
        .first()
        .waitFor();
      await card.getByText('Epoch', { exact: true }).click();
      const save = card.getByRole('button', { name: /^Save validation macro-F1 curves as CSV/i });
      const [download] = await Promise.all([page.waitForEvent('download'), save.click()]);
      const lines = (await readFile(await download.path(), 'utf8')).trim().split('\r\n');
      expect([lines.length, lines[0]]).toEqual([1 + 16, 'epoch,group,run,value']);
    },
    2 * minutes,
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
      await card.getByRole('button', { name: 'Copy test figures on faces as LaTeX' }).click();
      await card
        .getByText(/copied/i)
        .first()
        .waitFor();
      const copied = await page.evaluate<string>('navigator.clipboard.readText()');
      // The one table that the buttons stand below.
      expect(copied.match(/\\begin\{tabular\}/g)).toHaveLength(1);
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
      await card.getByRole('button', { name: /^Copy accuracy at epsilon .* on faces as LaTeX/ }).click();
      await card.getByText(/copied/i).waitFor();
      const copied = await page.evaluate<string>('navigator.clipboard.readText()');
      expect(copied).toContain('worst case');
      const part = ['--dataset', 'faces', '--part', 'attacks', '--epsilon', String(worst?.epsilon)];
      const printed = await stack.ferment('table', 'robustness', id, '--format', 'latex', ...part);
      expect(printed.out).toBe(copied);
      const clean = section?.columns.find(({ kind }) => kind === 'clean-attacked');
      const points = (await saved('button', 'Save accuracy against epsilon faces as CSV')).toString();
      const mean = section?.configurations[0]?.cells[clean?.key ?? '']?.mean;
      expect(points).toContain(`,${section?.configurations[0]?.variant},0,${mean},`);
      await picture('robustness');
      await page.goto(`${stack.client.url}/experiments/view/?id=${experiment}`);
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
    },
    4 * minutes,
  );

  it(
    'shows how the jobs hang together, leads to them, and what each emotion was worth at each epoch',
    async () => {
      const graph = page.getByRole('region', { name: 'Job graph' });
      const trials = await stack.client.trials(experiment);
      await graph.getByRole('link', { name: /^teacher train, used 2 times 1 of 1 done/ }).waitFor();
      await graph.getByRole('link', { name: /^result on faces evaluate 4 of 4 done/ }).press('Enter');
      for (const { id, variant, seed } of trials) {
        const link = graph.getByRole('link', { name: `${variant}, seed ${seed}`, exact: true });
        expect(await link.getAttribute('href')).toContain(id);
      }
      const heat = page.getByRole('region', { name: 'Emotions, teacher by teacher' });
      await heat.getByRole('img', { name: 'validation F1 of each emotion over epochs' }).waitFor();
      await heat.getByText('One epoch', { exact: true }).click();
      const slider = heat.getByRole('slider', { name: 'Epoch' });
      expect(await slider.getAttribute('aria-valuetext')).toBe('epoch 4');
      await slider.press('Home');
      const row = heat.getByRole('row', { name: /^teacher / });
      const teacher = trials.flatMap(({ jobs }) => jobs['teacher'] ?? [])[0] ?? '';
      const { rows } = jobMetrics.parse(await (await stack.client.fetch(`jobs/${teacher}/metrics`)).json());
      const first = rows.find(({ values }) => values['validation.f1.happy'] !== undefined);
      await row
        .getByText((first?.values['validation.f1.happy'] ?? NaN).toFixed(3), { exact: true })
        .first()
        .waitFor();
      expect(new URL(page.url()).searchParams.get('epoch')).toBe('1');
      await picture('graph');
      await accessible('graph');
    },
    minutes,
  );

  it(
    'compares robustness across data sets: each with its own table, and trials side by side on the one chosen',
    async () => {
      const portraits = join(folder.path, 'portraits.tar');
      await promisify(execFile)(process.execPath, [
        ...['scripts/synthetic-kdef.mjs', portraits, '--sessions', '1', '--people', '8'],
      ]);
      await stack.ferment('dataset', 'import', portraits, '--name', 'portraits', '--synthetic');
      const text = `${tinySpec(2).replace('name: tiny', 'name: across')}evaluate:
  on: [{ dataset: faces }, { dataset: portraits, protocol: subject-folds }]
  attackImages: 42
  attacks: [{ fgsm: { epsilon: [2/255, 8/255] } }]
`;
      const { id } = await stack.client.submit({ text }, 'across');
      const watched = await stack.watch(id);
      expect(watched.experiment.state).toBe('succeeded');
      await page.goto(`${stack.client.url}/experiments/view/?id=${id}`);
      const card = page.getByRole('region', { name: 'Robustness table' });
      const { sections } = await stack.client.robustness(id);
      expect(sections.map(({ dataset }) => dataset).sort()).toEqual(['faces', 'portraits']);
      for (const { dataset, columns, configurations } of sections) {
        await card.getByRole('heading', { name: new RegExp(`(^|tested on )${dataset} `) }).waitFor();
        const worst = columns.findLast(({ kind }) => kind === 'worst-case')?.key ?? '';
        for (const { variant, cells } of configurations)
          await card
            .getByRole('row', { name: variant })
            .filter({ hasText: (cells[worst]?.mean ?? NaN).toFixed(4) })
            .first()
            .waitFor();
      }
      await picture('across');
      const trials = page.getByRole('region', { name: 'Trials' });
      await trials.getByRole('combobox', { name: 'Data' }).selectOption('portraits');
      const [trial] = await stack.client.trials(id);
      await trials
        .getByText((trial?.summary['portraits']?.test.accuracy ?? NaN).toFixed(4))
        .first()
        .waitFor();
      await page.goto(`${stack.client.url}/experiments/view/?id=${experiment}`);
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
    },
    4 * minutes,
  );

  it(
    'pauses, resumes, changes and cancels what was submitted',
    async () => {
      const seeds = Array.from({ length: 60 }, (_, seed) => seed).join(', ');
      const text = tinySpec(200).replace('name: tiny', 'name: long').replace('[0, 1]', `[${seeds}]`);
      const { id } = await stack.client.submit({ text }, 'long');
      await page.goto(`${stack.client.url}/experiments/view/?id=${id}`);
      const head = page.locator('.head');
      await head.getByRole('button', { name: 'Pause' }).click();
      await head.getByText('Paused', { exact: true }).waitFor({ timeout: minutes });
      expect((await stack.client.experiment(id)).state).toBe('paused');
      // Of 120 trials those in sight are drawn; the last ones when it is scrolled to them. Columns are left out by choice.
      const trials = page.getByRole('region', { name: 'Trials' });
      await trials.getByText('120 trials').waitFor();
      expect(await trials.getByRole('row').count()).toBeLessThan(60);
      await page.evaluate("document.querySelector('.table-window').scrollTo(0, 1e6)");
      await trials.locator('[aria-rowindex="121"]').waitFor();
      expect(await trials.locator('[aria-rowindex="2"]').count()).toBe(0);
      await trials.getByText('Columns', { exact: true }).click();
      await trials.getByRole('checkbox', { name: 'Test NLL' }).uncheck();
      await trials.getByRole('columnheader', { name: 'Test NLL' }).waitFor({ state: 'detached' });
      await page.waitForURL(/columns=test\.nll/);
      await picture('many-trials');
      await accessible('many-trials');
      await head.getByText('Settings', { exact: true }).click();
      await head.getByRole('spinbutton', { name: /^Priority/ }).fill('9');
      await head.getByRole('textbox', { name: /^Tags/ }).fill('many, slow');
      await head.getByRole('button', { name: 'Save', exact: true }).click();
      await head.getByRole('button', { name: 'Saved' }).waitFor();
      expect(await stack.client.experiment(id)).toMatchObject({
        ...{ run: { priority: 9 }, tags: ['many', 'slow'], archivedAt: null },
      });
      await accessible('settings');
      // By its tag it is found, and nothing else.
      await page.goto(stack.client.url);
      await page.getByRole('link', { name: 'across', exact: true }).waitFor();
      await page.getByRole('button', { name: 'slow', exact: true }).click();
      await page.waitForURL(/tag=slow/);
      await page.getByRole('link', { name: 'across', exact: true }).waitFor({ state: 'detached' });
      await page.getByRole('link', { name: 'long', exact: true }).click();
      await head.getByRole('button', { name: 'Resume' }).click();
      await head.getByRole('button', { name: 'Pause' }).waitFor();
      await head.getByRole('button', { name: 'Cancel' }).click();
      await head.getByRole('button', { name: 'Really cancel?' }).click();
      await head.getByText('Cancelled', { exact: true }).waitFor({ timeout: minutes });
      expect((await stack.client.experiment(id)).state).toBe('cancelled');
      await page.goto(`${stack.client.url}/experiments/view/?id=${experiment}`);
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
    },
    3 * minutes,
  );

  it(
    'downloads a student whose bytes are the recorded ones',
    async () => {
      const link = page.getByRole('link', { name: /^Download baseline seed 0 as ONNX,/ });
      const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
      const bytes = await readFile(await download.path());
      const trials = await stack.client.trials(experiment);
      const hashes = trials.map(({ downloads }) => downloads.onnx?.hash);
      const hash = createHash('sha256').update(bytes).digest('hex');
      expect(hashes).toContain(hash);
      // What was downloaded classifies the test pictures in onnxruntime as well as the table says.
      const pictures = (await readFile(join(folder.path, 'faces.csv'), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => line.split(','))
        .filter(([, , usage]) => usage?.trim() === 'PrivateTest')
        .map(([label, pixels]) => ({ label: Number(label), pixels: (pixels ?? '').split(' ').map(Number) }));
      const pixels = Uint8Array.from(pictures.flatMap((picture) => picture.pixels));
      const { logits, shape } = await runOnnx(bytes, pixels, [pictures.length, 1, 48, 48]);
      const classes = shape[1] ?? 0;
      const correct = pictures.filter(({ label }, index) => {
        const own = logits.slice(index * classes, (index + 1) * classes);
        return own.indexOf(Math.max(...own)) === label;
      });
      const trial = trials.find(({ downloads }) => downloads.onnx?.hash === hash);
      expect(trial?.summary['faces']?.test.images).toBe(pictures.length);
      expect(correct.length / pictures.length).toBeCloseTo(trial?.summary['faces']?.test.accuracy ?? NaN, 10);
    },
    minutes,
  );

  it(
    'shows a trial: curves, classes, confusion, and what its jobs wrote',
    async () => {
      const trials = await stack.client.trials(experiment);
      await page.getByRole('link', { name: 'baseline', exact: true }).first().click();
      await page.getByRole('heading', { name: /^baseline, seed \d$/ }).waitFor();
      const id = new URL(page.url()).searchParams.get('id');
      const trial = trials.find((each) => each.id === id);
      const classes = page.getByRole('region', { name: 'Classes on faces' });
      await classes.getByText((trial?.summary['faces']?.test.accuracy ?? NaN).toFixed(4)).waitFor();
      // The diagonal and the rest of the confusion matrix are all test pictures.
      const cells = classes.getByRole('table', { name: /Confusion matrix/ }).getByRole('cell');
      const counts = (await cells.allInnerTexts()).map(Number);
      expect(counts).toHaveLength(49);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(trial?.summary['faces']?.test.images);
      const confusion = (await saved('button', 'Save confusion faces test as CSV')).toString();
      const sums = confusion
        .trim()
        .split('\r\n')
        .slice(1)
        .flatMap((line) => line.split(',').slice(1).map(Number));
      expect(sums).toEqual(counts);
      // A figure for a paper stands alone: in the colours of paper, with nothing that only this page knows.
      const drawn = (await saved('button', 'Save confusion faces test as SVG')).toString();
      expect(drawn).toMatch(
        /^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"[^>]*><title>Confusion matrix on faces/,
      );
      expect(drawn).toContain('<rect width="536" height="296" fill="#ffffff"');
      expect(drawn).not.toMatch(/var\(|class=|style=/);
      expect(drawn.match(/<text/g)).toHaveLength(49 + 14 + 2);
      const png = await saved('button', 'Save confusion faces test as PNG');
      expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([2 * 536, 2 * 296]);
      const reliability = page.getByRole('region', { name: 'Reliability on faces, test' });
      const ece = trial?.summary['faces']?.test.ece ?? NaN;
      await reliability.getByRole('img', { name: new RegExp(`^ECE ${ece.toFixed(4)} over `) }).waitFor();
      const bins = reliability.getByRole('table', { name: /^The bins/ }).getByRole('row');
      const scored = (await bins.allInnerTexts()).slice(1).map((text) => Number(text.split('\t')[1]));
      expect(scored.reduce((sum, images) => sum + images, 0)).toBe(trial?.summary['faces']?.test.images);
      const card = (await saved('link', 'Model card')).toString();
      expect(card).toMatch(/^# tiny: baseline, seed \d\n/);
      expect(card).toContain(trial?.summary['faces']?.test.accuracy.toFixed(4));
      const jobs = page.getByRole('region', { name: 'Jobs, attempts and logs' });
      await jobs.getByText('student', { exact: true }).click();
      await jobs
        .getByLabel(/^Log of attempt/)
        .getByText('computed')
        .waitFor();
      await picture('trial');
      await accessible('trial');
    },
    2 * minutes,
  );

  it(
    'compares trials of two experiments: figures, curves, and what was asked for differently',
    async () => {
      await page.goto(`${stack.client.url}/experiments/view/?id=${experiment}`);
      await page.getByRole('link', { name: 'baseline', exact: true }).first().waitFor();
      await page.getByRole('link', { name: 'Compare', exact: true }).last().click();
      await page.getByRole('heading', { name: 'Compare trials' }).waitFor();
      const differences = page.getByRole('region', { name: 'What differs in what was asked for' });
      const remove = page.getByRole('button', { name: /^Remove/ });
      await remove.nth(3).waitFor();
      // Seeds of one variant share a column; what the spec names stands first, the settings of each stage unfold.
      await differences.getByRole('columnheader', { name: /baseline, seed 0\s*;\s*seed 1/ }).waitFor();
      const teacher = differences.getByRole('button', { name: 'teacher', exact: true });
      expect(await teacher.getAttribute('aria-expanded')).toBe('false');
      await teacher.press('Enter');
      await differences.getByTitle('teacher.train.epochs').waitFor();
      await teacher.press('Enter');
      await differences.getByTitle('teacher.train.epochs').waitFor({ state: 'detached' });
      const costs = page.getByRole('region', { name: 'Test figures' });
      await costs.getByText(/Latency: of one picture/).waitFor();
      const [first] = await stack.client.trials(experiment);
      expect(first?.cost?.latency?.median).toBeGreaterThan(0);
      await costs
        .getByText(`${first?.cost?.latency?.median.toFixed(2)} ms`)
        .first()
        .waitFor();
      await page.getByRole('application', { name: /validation macro-F1 of .*seed 0/ }).waitFor();
      expect(await remove.count()).toBe(4);
      const tradeOffs = page.getByRole('region', { name: 'Trade-offs' });
      await tradeOffs.getByRole('combobox', { name: 'Across' }).selectOption({ label: 'test ECE' });
      await tradeOffs
        .getByRole('img', { name: /^test accuracy \(higher is better\) against test ECE/ })
        .waitFor();
      const most = Math.max(
        ...(await stack.client.trials(experiment)).map(({ summary }) => summary['faces']?.test.accuracy ?? 0),
      );
      // Whatever is the most accurate, nothing outdoes in accuracy.
      const frontier = tradeOffs.getByRole('row', { name: new RegExp(`${most.toFixed(4)} .* on it$`) });
      await frontier.first().waitFor();
      const parallel = tradeOffs.getByRole('img', {
        name: /^Parallel coordinates of 4 trials over variant, /,
      });
      await parallel.waitFor();
      await tradeOffs.getByRole('checkbox', { name: 'seed', exact: true }).uncheck();
      await tradeOffs
        .getByRole('button', { name: /seed 1$/ })
        .first()
        .click();
      await page.reload();
      await parallel.waitFor();
      await tradeOffs.getByRole('button', { pressed: true }).first().waitFor();
      expect(await parallel.getAttribute('aria-label')).not.toMatch(/, seed/);
      expect(await tradeOffs.getByRole('button', { pressed: true }).count()).toBe(1);
      await remove.first().click();
      const other = (await stack.client.experiments()).find(
        ({ id, name }) => id !== experiment && name === 'tiny',
      );
      await page.getByRole('combobox', { name: /^Add trials of/ }).selectOption(other?.id ?? '');
      const list = page.getByRole('region', { name: 'Trials of tiny' });
      await list.getByRole('checkbox', { name: 'baseline, seed 0' }).press('Space');
      await list.getByText('4 of at most 20 are compared').waitFor();
      await list.getByPlaceholder('Variant, seed or state').fill('baseline seed 1');
      await list.getByRole('button', { name: /^Add all/ }).click();
      await remove.nth(4).waitFor();
      await list.getByRole('button', { name: 'Add the best', exact: true }).waitFor();
      await accessible('compare-picker');
      await list.getByRole('checkbox', { name: 'baseline, seed 1' }).press('Space');
      await remove.nth(4).waitFor({ state: 'detached' });
      await list.getByRole('button', { name: 'Close the list' }).click();
      // Trials of several experiments are told apart by their names.
      await page
        .getByRole('row', { name: /^tiny: baseline, seed 0/ })
        .first()
        .waitFor();
      await page.reload();
      await page
        .getByRole('button', { name: /^Remove/ })
        .nth(3)
        .waitFor();
      await page.getByRole('application', { name: /validation macro-F1 of / }).waitFor();
      await parallel.waitFor();
      await picture('compare');
      await accessible('compare');
    },
    2 * minutes,
  );

  it(
    'ranks the best students of all experiments by validation, and compares them',
    async () => {
      await page.getByRole('link', { name: 'Best', exact: true }).click();
      const card = page.getByRole('region', { name: 'Best students' });
      const ranks = card.getByRole('row', { name: /^1 / });
      await ranks.waitFor();
      await page.getByRole('combobox', { name: /^Best by/ }).selectOption('validation.nll');
      await page.waitForURL(/metric=validation\.nll/);
      await page.reload();
      await card.getByRole('columnheader', { name: 'Validation NLL' }).waitFor();
      const values = await card.locator('tbody tr td:nth-of-type(3)').allInnerTexts();
      expect(values.length).toBeGreaterThan(3);
      expect(values.map(Number)).toEqual(values.map(Number).sort((a, b) => a - b));
      expect(await card.getByRole('link', { name: /^Download .* as ONNX,/ }).count()).toBeGreaterThan(3);
      await picture('best');
      await accessible('best');
      await page.getByRole('link', { name: 'Compare', exact: true }).last().click();
      await page.getByRole('heading', { name: 'Compare trials' }).waitFor();
      await page
        .getByRole('button', { name: /^Remove/ })
        .nth(3)
        .waitFor();
    },
    2 * minutes,
  );

  it(
    'shows data sets, workers and the queue, and makes and revokes tokens',
    async () => {
      await page.getByRole('link', { name: 'Data sets' }).click();
      const faces = page.getByRole('region', { name: 'faces' });
      const [dataset] = await stack.client.datasets();
      const train = dataset?.versions[0]?.summary.protocols.official?.counts.train ?? [];
      const all = train.reduce((sum, count) => sum + count, 0);
      await faces
        .getByRole('row', { name: new RegExp(`^train .* ${all.toLocaleString('en-GB')}$`) })
        .first()
        .waitFor();
      await picture('datasets');
      await accessible('datasets');
      await page.getByRole('link', { name: 'Workers' }).click();
      const workers = page.getByRole('region', { name: 'Workers', exact: true });
      await workers.getByText('active').first().waitFor();
      await page.getByRole('region', { name: 'Queue' }).getByRole('row', { name: /^cpu/ }).waitFor();
      await picture('workers');
      await accessible('workers');
      await page.getByRole('link', { name: 'Tokens' }).click();
      await page.getByLabel('For whom or what').fill('a notebook');
      await page.getByRole('combobox', { name: /^Role/ }).selectOption('viewer');
      await page.getByRole('button', { name: 'Make' }).click();
      const secret = await page.getByRole('status').locator('.secret').innerText();
      const notebook = new Client(stack.client.url, secret);
      expect((await notebook.experiment(experiment)).name).toBe('tiny');
      await page.getByRole('button', { name: 'Revoke a notebook' }).click();
      await page.getByRole('button', { name: 'Really revoke a notebook' }).click();
      await page.getByRole('row', { name: /^a notebook viewer .* revoked/ }).waitFor();
      await expect(notebook.experiment(experiment)).rejects.toThrow();
      await picture('tokens');
      await accessible('tokens');
      await page.goto(`${stack.client.url}/experiments/view/?id=${experiment}`);
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
      await accessible('experiment');
    },
    2 * minutes,
  );

  it(
    'keeps to the dark, to a narrow window and to a reload',
    async () => {
      await page.getByRole('button', { name: 'Use the dark theme' }).click();
      await page.setViewportSize({ width: 420, height: 900 });
      await page.reload();
      await page.getByRole('heading', { name: 'tiny' }).waitFor();
      await page
        .getByRole('application', { name: /Validation F1/ })
        .first()
        .waitFor();
      const overflow = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(overflow).toBeLessThanOrEqual(0);
      await picture('narrow-dark');
      await accessible('narrow-dark');
      expect(complaints).toEqual([]);
    },
    minutes,
  );
});
