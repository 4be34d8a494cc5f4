/** What a browser fetches before a page does anything: JavaScript, compressed. */
import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const mostBytes = 200_000;
const built = join(process.cwd(), 'apps/dashboard/out');

const pages = readdirSync(built, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('index.html') && !file.includes('_not-found'),
);

describe('the scripts of a page', () => {
  it('are looked at on every page', () => {
    expect(existsSync(join(built, 'index.html'))).toBe(true);
    expect(pages.length).toBeGreaterThanOrEqual(9);
  });

  it.each(pages)(`of %s come to less than ${mostBytes / 1000} kB`, (page) => {
    const html = readFileSync(join(built, page), 'utf8');
    // Browsers of today leave those marked "nomodule" alone.
    const scripts = [...html.matchAll(/<script[^>]*\ssrc="(\/_next\/static\/[^"]+)"[^>]*>/g)].filter(
      ([tag]) => !/nomodule/i.test(tag),
    );
    expect(scripts.length).toBeGreaterThan(0);
    const files = new Set(scripts.map(([, file]) => file ?? ''));
    const bytes = [...files].map((file) => gzipSync(readFileSync(join(built, file))).length);
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(mostBytes);
  });
});
