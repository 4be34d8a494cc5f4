'use client';
import { datasetItem, experimentDetail, experimentText } from '@ferment/contracts';
import dynamic from 'next/dynamic';
import { useRouter, useSearchParams } from 'next/navigation';
import { useEffect, useMemo, useState } from 'react';
import { z } from 'zod';
import { post } from '../lib/client';
import { plural } from '../lib/format';
import type { Example } from '../lib/examples';
import type { SpecMeanings } from '../lib/spec-meanings';
import { usePreview } from '../lib/use-preview';
import { useResource } from '../lib/use-resource';
import { ExampleList, ExampleSelect } from './example-choice';
import { PreviewPanel } from './preview-panel';
import { Failure, Skeleton } from './states';

const SpecEditor = dynamic(() => import('./spec-editor'), {
  ssr: false,
  loading: () => <Skeleton rows={1} height={520} />,
});

export interface SubmitViewProps {
  examples: readonly Example[];
  /** Of the spec's keys and words, by the guide. */
  meanings: SpecMeanings;
}

const datasetList = z.array(datasetItem);
const draftKey = 'ferment-draft';

/** Writing a spec with what it would run beside it, from an example, an experiment or the last draft. */
export function SubmitView({ examples, meanings }: SubmitViewProps) {
  const query = useSearchParams();
  const from = z.uuid().safeParse(query.get('from'));
  const source = useResource(from.success ? `experiments/${from.data}/text` : null, experimentText);
  const datasets = useResource('datasets', datasetList);
  const [begun, setBegun] = useState<string | null>(null);
  const [text, setText] = useState('');
  const begin = (beginning: string) => {
    setBegun(beginning);
    setText(beginning);
  };
  const given = source.data?.text;
  useEffect(() => {
    if (given !== undefined) begin(given);
    else if (!from.success) begin(window.localStorage.getItem(draftKey) ?? '');
    // Once, when it is known where the text comes from.
  }, [given, from.success]);
  useEffect(() => {
    if (begun !== null) window.localStorage.setItem(draftKey, text);
  }, [begun, text]);

  const previewed = usePreview(text);
  const imported = useMemo(() => datasets.data?.map(({ name }) => name) ?? null, [datasets.data]);
  const names = useMemo(() => ({ datasets: imported ?? [] }), [imported]);
  const problems = previewed.error?.problems ?? [];
  if (source.error && !source.data) return <Failure error={source.error} retry={source.refresh} />;
  return (
    <>
      <div className="page-head">
        <h1>Submit an experiment</h1>
        <div className="controls">
          <ExampleSelect examples={examples} imported={imported} onChoose={begin} />
        </div>
      </div>
      <div className="submit">
        <section className="card" aria-label="Spec">
          {begun === null ? (
            <Skeleton rows={1} height={520} />
          ) : (
            <SpecEditor
              initial={begun}
              onChange={setText}
              problems={problems}
              names={names}
              meanings={meanings}
            />
          )}
        </section>
        <section className="card submit-side" aria-labelledby="preview-title" aria-live="polite">
          <div className="card-head">
            <h2 id="preview-title">What it would run</h2>
          </div>
          <div className="submit-body">
            <PreviewPanel {...previewed}>
              <ExampleList examples={examples} imported={imported} onChoose={begin} />
            </PreviewPanel>
            <SubmitButton
              text={text}
              ready={previewed.preview !== null && !previewed.asking}
              trials={previewed.preview?.trials ?? 0}
            />
          </div>
        </section>
      </div>
    </>
  );
}

function SubmitButton({ text, ready, trials }: { text: string; ready: boolean; trials: number }) {
  const router = useRouter();
  const [fresh, setFresh] = useState(false);
  const [said, setSaid] = useState('');
  const [sending, setSending] = useState(false);
  // The same text sent twice, by a second click or after an answer was lost, is one experiment.
  const [key, setKey] = useState('');
  useEffect(() => setKey(window.crypto.randomUUID()), [text, fresh]);
  const submit = async () => {
    setSending(true);
    setSaid('');
    try {
      const headers = { 'Idempotency-Key': key };
      const { id } = await post('experiments', { text, fresh }, experimentDetail, { headers });
      window.localStorage.removeItem(draftKey);
      router.push(`/experiments/view/?id=${id}`);
    } catch (error) {
      setSaid(error instanceof Error ? error.message : String(error));
      setSending(false);
    }
  };
  return (
    <div className="submit-actions">
      <label className="check">
        <input type="checkbox" checked={fresh} onChange={({ target }) => setFresh(target.checked)} /> Compute
        everything anew
      </label>
      <button
        type="button"
        className="button primary"
        disabled={!ready || sending}
        onClick={() => void submit()}
      >
        {sending ? 'Submitting …' : ready ? `Submit ${plural(trials, 'trial')}` : 'Submit'}
      </button>
      {said ? (
        <p className="problems" role="alert">
          {said}
        </p>
      ) : null}
    </div>
  );
}
