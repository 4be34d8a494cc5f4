'use client';
import { useEffect, useState } from 'react';
import { api, readText } from '../lib/client';
import { fileName } from '../lib/csv';

const formats = [
  { format: 'latex', title: 'LaTeX' },
  { format: 'md', title: 'Markdown' },
  { format: 'csv', title: 'CSV' },
] as const;

interface Props {
  /** Of the table under /api/v1. */
  path: string;
  /** Which part of it: what is looked at, and nothing else. */
  part: Readonly<Record<string, string | undefined>>;
  /** What that is, in a few words. */
  title: string;
}

/** Copies one table in the forms that papers and sheets take; CSV can be saved as well. */
export function CopyButtons({ path, part, title: what }: Props) {
  const address = (format: string) => {
    const query = new URLSearchParams({ format });
    for (const [name, value] of Object.entries(part)) if (value !== undefined) query.set(name, value);
    return `${path}?${query.toString()}`;
  };
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (said === '') return undefined;
    const timer = setTimeout(() => setSaid(''), 4000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (format: string, title: string) => {
    try {
      await toClipboard(await readText(address(format)));
      setSaid(`${title} copied`);
    } catch (error) {
      setSaid(`Not copied: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return (
    <span className="copy-buttons">
      <span className="muted copied" role="status">
        {said === '' ? 'Copy as' : said}
      </span>
      {formats.map(({ format, title }) => (
        <button
          key={format}
          type="button"
          className="button small"
          aria-label={`Copy ${what} as ${title}`}
          onClick={() => void copy(format, title)}
        >
          {title}
        </button>
      ))}
      <a
        className="button small"
        href={api(address('csv'))}
        aria-label={`Save CSV of ${what}`}
        download={`${fileName(what)}.csv`}
      >
        Save CSV
      </a>
    </span>
  );
}

/** Saves the whole of a table, whatever of it is looked at. */
export function SaveAll({ path }: { path: string }) {
  const name = `${path.split('/').at(-1) ?? 'table'}.csv`;
  return (
    <a className="button small copy-buttons" href={api(`${path}?format=csv`)} download={name}>
      Save all as CSV
    </a>
  );
}

/** The clipboard, or a selected text area where the page's origin may not use it (plain http on another host). */
async function toClipboard(text: string): Promise<void> {
  if (window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.style.position = 'fixed';
  area.style.opacity = '0';
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  if (!copied) throw new Error('this browser refused the clipboard; use Save CSV');
}
