import { stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import type { Settings } from '@ferment/platform';
import { SETTINGS } from '../tokens.js';

const forEver = { maxAge: 31_536_000_000, immutable: true };
const revalidate = { maxAge: 0, cacheControl: true };

/** The dashboard as Next exports it: files, `name.html` or `name/index.html`, and a 404 page. */
@Injectable()
export class Pages {
  private readonly folder: string;

  constructor(@Inject(SETTINGS) settings: Settings) {
    this.folder = resolve(settings.dashboardFolder);
  }

  async send(request: Request, response: Response, next: NextFunction): Promise<void> {
    const file = await this.find(request.path);
    if (file !== null) {
      const hashed = file.startsWith(join(this.folder, '_next', 'static') + sep);
      response.sendFile(
        file.slice(this.folder.length + 1),
        {
          root: this.folder,
          ...(hashed ? forEver : revalidate),
        },
        (error) => this.failed(error, response, next),
      );
      return;
    }
    response.status(404).setHeader('Cache-Control', 'no-store');
    const page = join(this.folder, '404.html');
    if (await isFile(page)) {
      response.sendFile(
        '404.html',
        { root: this.folder, cacheControl: false, etag: false, lastModified: false },
        (error) => this.failed(error, response, next),
      );
    } else {
      const built = await isFile(join(this.folder, 'index.html'));
      const advice = built ? 'There is no such page.' : 'The dashboard is not built: run "npm run build".';
      response.type('text/plain').send(`${advice}\n`);
    }
  }

  /** The file behind an address, never one outside the folder or a hidden one. */
  private async find(path: string): Promise<string | null> {
    let decoded: string;
    try {
      decoded = decodeURIComponent(path);
    } catch {
      return null;
    }
    if (decoded.includes('\0') || decoded.includes('\\')) return null;
    const parts = decoded.split('/').filter((part) => part !== '');
    if (parts.some((part) => part.startsWith('.'))) return null;
    const base = join(this.folder, ...parts);
    const candidates = parts.length === 0 ? [] : [base, `${base}.html`];
    for (const candidate of [...candidates, join(base, 'index.html')]) {
      if (await isFile(candidate)) return candidate;
    }
    return null;
  }

  private failed(error: unknown, response: Response, next: NextFunction): void {
    if (error !== undefined && error !== null && !response.headersSent) next(error);
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
