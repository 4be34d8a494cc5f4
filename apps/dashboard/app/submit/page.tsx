import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Suspense } from 'react';
import { Skeleton } from '../../components/states';
import { SubmitView, type Example } from '../../components/submit-view';

export const metadata = { title: 'Submit an experiment' };

/** The specs in the repository's folder `examples`, read when the pages are built; the quickstart's first. */
function examples(): Example[] {
  let root = process.cwd();
  while (!readdirSync(root).includes('examples')) root = dirname(root);
  const folder = join(root, 'examples');
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const first = (name: string) => (name === 'quickstart.yaml' ? 0 : 1);
  return names
    .sort((a, b) => first(a) - first(b) || a.localeCompare(b))
    .map((name) => ({ name: name.replace('.yaml', ''), text: readFileSync(join(folder, name), 'utf8') }));
}

export default function Page() {
  return (
    <Suspense fallback={<Skeleton rows={2} height={300} />}>
      <SubmitView examples={examples()} />
    </Suspense>
  );
}
