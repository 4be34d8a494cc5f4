'use client';
import type { ChangeExperiment, ExperimentDetail } from '@ferment/contracts';
import { useState } from 'react';
import { send } from '../lib/client';
import { useAction } from '../lib/use-action';

interface Props {
  experiment: ExperimentDetail;
  renew: () => void;
}

const limits = [
  { key: 'parallel', title: 'Most jobs at once', unit: 'jobs', step: '1' },
  { key: 'timeout', title: 'Longest attempt', unit: 'minutes', step: 'any' },
  { key: 'memory', title: 'Memory of a training', unit: 'GiB', step: 'any' },
] as const;

/** What may be changed of an experiment at any time: its share of the workers, its limits, its tags, its place in lists. */
export function ExperimentSettings({ experiment, renew }: Props) {
  const [saved, setSaved] = useState(false);
  const [form, setForm] = useState<FormData | null>(null);
  const { run: save, said } = useAction(async () => {
    if (form === null) return;
    await send('PATCH', `experiments/${experiment.id}`, changeOf(form));
    setSaved(true);
    renew();
  });
  const { run } = experiment;
  return (
    <details className="columns">
      <summary className="button small">Settings</summary>
      <form
        className="columns-list settings"
        // What was typed is known before the press that submits it.
        onInput={({ currentTarget }) => {
          setForm(new FormData(currentTarget));
          setSaved(false);
        }}
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <label>
          <span>Priority</span>
          <input name="priority" type="number" min={1} max={10} required defaultValue={run.priority} />
          <span className="muted">1 to 10: its share of the workers</span>
        </label>
        {limits.map(({ key, title, unit, step }) => (
          <label key={key}>
            <span>{title}</span>
            <input name={key} type="number" min={0} step={step} defaultValue={run[key] ?? ''} />
            <span className="muted">{unit}; empty is without</span>
          </label>
        ))}
        <label>
          <span>Tags</span>
          <input name="tags" defaultValue={experiment.tags.join(', ')} />
          <span className="muted">with commas between</span>
        </label>
        <label>
          <span>Archived</span>
          <input name="archived" type="checkbox" defaultChecked={experiment.archivedAt !== null} />
          <span className="muted">left out of the list</span>
        </label>
        <span>
          <button type="submit" className="button small" disabled={form === null || saved}>
            {saved ? 'Saved' : 'Save'}
          </button>
          {said ? <span role="alert"> {said}</span> : null}
        </span>
      </form>
    </details>
  );
}

/** What does not fit is the API's to refuse, with its reason. */
function changeOf(form: FormData): ChangeExperiment {
  const text = (name: string) => String(form.get(name) ?? '').trim();
  const limit = (name: (typeof limits)[number]['key']) => (text(name) === '' ? null : Number(text(name)));
  return {
    priority: Number(text('priority')),
    ...{ parallel: limit('parallel'), timeout: limit('timeout'), memory: limit('memory') },
    tags: text('tags')
      .split(',')
      .map((tag) => tag.trim())
      .filter((tag) => tag !== ''),
    archived: form.has('archived'),
  };
}
