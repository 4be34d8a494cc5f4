import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Suspense } from 'react';
import { Skeleton } from '../../components/states';
import { SubmitView } from '../../components/submit-view';
import { exampleOf, type Example } from '../../lib/examples';
import { meaningsOf } from '../../lib/spec-meanings';

export const metadata = { title: 'Submit an experiment' };

/** The repository's root, found when the pages are built. */
function repository(): string {
  let root = process.cwd();
  while (!readdirSync(root).includes('examples')) root = dirname(root);
  return root;
}

/** The specs in the folder `examples`; the quickstart's first. */
function examples(folder: string): Example[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const first = (name: string) => (name === 'quickstart.yaml' ? 0 : 1);
  return names
    .sort((a, b) => first(a) - first(b) || a.localeCompare(b))
    .map((name) => exampleOf(name.replace('.yaml', ''), readFileSync(join(folder, name), 'utf8')));
}

export default function Page() {
  const root = repository();
  const meanings = meaningsOf(readFileSync(join(root, 'docs/spec.md'), 'utf8'));
  return (
    <Suspense fallback={<Skeleton rows={2} height={300} />}>
      <SubmitView examples={examples(join(root, 'examples'))} meanings={meanings} />
    </Suspense>
  );
}
