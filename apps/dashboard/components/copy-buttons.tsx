'use client';
import { useEffect, useState } from 'react';
import { api, readText } from '../lib/client';

const formats = [
  { format: 'latex', title: 'LaTeX' },
  { format: 'md', title: 'Markdown' },
  { format: 'csv', title: 'CSV' },
] as const;

/** Copies a table in the forms that papers and sheets take; CSV can be saved as well. */
export function CopyButtons({ path }: { path: string }) {
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (said === '') return undefined;
    const timer = setTimeout(() => setSaid(''), 4000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (format: string, title: string) => {
    try {
      await toClipboard(await readText(`${path}?format=${format}`));
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
          aria-label={`Copy as ${title}`}
          onClick={() => void copy(format, title)}
        >
          {title}
        </button>
      ))}
      <a
        className="button small"
        href={api(`${path}?format=csv`)}
        download={`${path.split('/').at(-1) ?? 'table'}.csv`}
      >
        Save CSV
      </a>
    </span>
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
