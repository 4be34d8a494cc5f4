'use client';
import { needsOf, runnableFirst, type Example } from '../lib/examples';
import { Select } from './controls';
import { Skeleton } from './states';

interface Props {
  examples: readonly Example[];
  /** Names of the data sets that are imported; null while that is not known. */
  imported: readonly string[] | null;
  onChoose: (text: string) => void;
}

const needs = (example: Example, imported: Props['imported']) => (imported ? needsOf(example, imported) : '');

/** The examples as a short choice, those that can run here first. */
export function ExampleSelect({ examples, imported, onChoose }: Props) {
  const options = runnableFirst(examples, imported ?? []).map((example) => {
    const missing = needs(example, imported);
    return { value: example.name, title: missing ? `${example.name} (${missing})` : example.name };
  });
  const choose = (name: string) => {
    const example = examples.find((each) => each.name === name);
    if (example) onChoose(example.text);
  };
  return (
    <Select
      label="Begin from"
      value=""
      onChange={choose}
      options={[{ value: '', title: 'an example …' }, ...options]}
    />
  );
}

/** The examples with what each is for, for who has written nothing yet. They keep their places once they are shown. */
export function ExampleList({ examples, imported, onChoose }: Props) {
  if (!imported) return <Skeleton rows={3} height={48} />;
  return (
    <ul className="examples">
      {runnableFirst(examples, imported).map((example) => (
        <li key={example.name}>
          <button type="button" className="link-button" onClick={() => onChoose(example.text)}>
            {example.name}
          </button>
          <p>
            {example.description}{' '}
            <span className="muted">{needsOf(example, imported).replace(/^n/, 'N')}</span>
          </p>
        </li>
      ))}
    </ul>
  );
}

/** How an installation gets a data set: its own, or faces to try things out. */
export function DataAdvice() {
  return (
    <div className="data-advice">
      <p>
        In a terminal, on a machine with this checkout: import your own file, or make faces to try things out.
      </p>
      <pre>
        <code>{`npx ferment dataset import fer2013.csv --name fer2013

node scripts/synthetic-faces.mjs faces.csv
npx ferment dataset import faces.csv --name synthetic-faces --synthetic`}</code>
      </pre>
    </div>
  );
}
