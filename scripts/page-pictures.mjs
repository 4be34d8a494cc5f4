// Pictures of every page, light and dark, on a desk and on a phone, for docs/images/pages.
// npm run pictures -- LOGIN_ADDRESS [--experiment NAME] [--to FOLDER]: an installation that runs, and its one-time login.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { repository } from './lib/steps.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    experiment: { type: 'string' },
    to: { type: 'string', default: join(repository, 'docs/images/pages') },
  },
});
const [login] = positionals;
if (login === undefined) throw new Error('expected the address that "ferment token login" prints');
const { origin } = new URL(login);

const devices = {
  wide: { viewport: { width: 1440, height: 900 } },
  phone: { viewport: { width: 400, height: 860 }, deviceScaleFactor: 2 },
};
/** Pictures are no higher than this, in pixels of the page. */
const highest = 3200;

const browser = await chromium.launch({
  executablePath: process.env.FERMENT_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  const first = await browser.newContext();
  const page = await first.newPage();
  await page.goto(login);
  await page.getByRole('navigation').waitFor();
  const storageState = await first.storageState();
  const read = async (path) => (await first.request.get(`${origin}/api/v1/${path}`)).json();
  const { items } = await read('experiments?limit=50');
  const experiment = items.find(({ name }) => name === values.experiment) ?? items[0];
  const trials = await read(`experiments/${experiment.id}/trials`);
  const compared = trials.slice(0, 4).map(({ id }) => id);
  const pages = {
    experiments: '/',
    experiment: `/experiments/view/?id=${experiment.id}`,
    trial: `/trials/view/?id=${trials[0].id}`,
    compare: `/compare/?trials=${compared.join(',')}`,
    best: '/best/',
    submit: `/submit/?from=${experiment.id}`,
    datasets: '/datasets/',
    workers: '/workers/',
    tokens: '/tokens/',
  };
  await mkdir(values.to, { recursive: true });
  for (const [device, shape] of Object.entries(devices))
    for (const colorScheme of ['light', 'dark']) {
      const context = await browser.newContext({ ...shape, colorScheme, storageState });
      for (const [name, path] of Object.entries(pages)) {
        const looked = await context.newPage();
        await looked.goto(`${origin}${path}`);
        await looked.locator('h1').first().waitFor();
        // Live pages hold a stream open: what else they ask for has come when this has been quiet.
        await looked.waitForTimeout(2500);
        const height = await looked.evaluate('document.documentElement.scrollHeight');
        const clip = { x: 0, y: 0, width: shape.viewport.width, height: Math.min(height, highest) };
        const taken = await looked.screenshot({ fullPage: true, clip });
        const file = join(values.to, `${name}-${device}-${colorScheme}.webp`);
        await sharp(taken)
          .resize({ width: 900, withoutEnlargement: true })
          .webp({ quality: 60 })
          .toFile(file);
        console.log(file);
        await looked.close();
      }
      await context.close();
    }
} finally {
  await browser.close();
}
