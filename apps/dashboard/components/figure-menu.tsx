'use client';
import { useState, type ReactElement } from 'react';
import { csvText, fileName, type CsvRows } from '../lib/csv';

interface Props {
  /** What the figure is, in a few words: begins the files' names. */
  name: string;
  /** Told to those who do not see the figure; defaults to `name`. */
  title?: string;
  /** The figure as an `<svg>` with width, height and viewBox; drawn only when it is saved. */
  figure: () => ReactElement;
  /** Its values: a row of names, then the figures. */
  rows: () => CsvRows;
}

const formats = [
  { format: 'svg', type: 'image/svg+xml', title: 'SVG' },
  { format: 'png', type: 'image/png', title: 'PNG' },
  { format: 'csv', type: 'text/csv', title: 'CSV' },
] as const;

/** Saves a figure for a paper: as it is drawn, in the light theme's colours, or its values. */
export function FigureMenu({ name, title = name, figure, rows }: Props) {
  const [failure, setFailure] = useState('');
  const save = async ({ format, type }: (typeof formats)[number]) => {
    try {
      const { pngOf, saveFile, svgOf } = await import('../lib/figure-export');
      const file = `${fileName(name)}.${format}`;
      if (format === 'csv') saveFile(csvText(rows()), file, type);
      else {
        const drawn = svgOf(figure(), title);
        saveFile(format === 'svg' ? drawn.text : await pngOf(drawn), file, type);
      }
      setFailure('');
    } catch (error) {
      setFailure(`Not saved: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return (
    <span className="figure-menu">
      <span className="muted copied" role="status">
        {failure === '' ? 'Save figure' : failure}
      </span>
      {formats.map((one) => (
        <button
          key={one.format}
          type="button"
          className="button small"
          aria-label={`Save ${name} as ${one.title}`}
          onClick={() => void save(one)}
        >
          {one.title}
        </button>
      ))}
    </span>
  );
}
