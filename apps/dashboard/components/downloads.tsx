import { drawName, exportCatalog, exportFormats, type TrialItem } from '@ferment/contracts';
import { api } from '../lib/client';
import { bytes } from '../lib/format';

/** A result's files in every format that there is. */
export function Downloads({ trial }: { trial: TrialItem }) {
  const files = exportFormats.map((format) => {
    const { title, purpose } = exportCatalog[format];
    return { format, title, purpose, file: trial.downloads[format] };
  });
  if (files.every(({ file }) => file === null)) return <span className="muted">–</span>;
  return (
    <span className="downloads">
      {files.map(({ format, title, purpose, file }) =>
        file ? (
          <a
            key={format}
            href={api(`trials/${trial.id}/download?format=${format}`)}
            download
            title={`For ${purpose}; ${bytes(file.bytes)}, SHA-256 ${file.hash}`}
            aria-label={`Download ${trial.variant} ${drawName(trial)} as ${title}, ${bytes(file.bytes)}`}
          >
            {title}
          </a>
        ) : null,
      )}
    </span>
  );
}
