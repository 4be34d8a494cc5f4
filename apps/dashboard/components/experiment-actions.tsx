'use client';
import { sessionInfo, type ExperimentDetail } from '@ferment/contracts';
import { useState } from 'react';
import { send } from '../lib/client';
import { useAction } from '../lib/use-action';
import { useResource } from '../lib/use-resource';
import { ExperimentSettings } from './experiment-settings';
import { SureButton } from './sure-button';

type Action = 'pause' | 'resume' | 'cancel';

const about: Readonly<Record<Action, { title: string; does: string }>> = {
  pause: { title: 'Pause', does: 'What only this experiment wants saves its state and stops' },
  resume: { title: 'Resume', does: 'Goes on from what was saved' },
  cancel: { title: 'Cancel', does: 'Stops for good what only this experiment wants; what is finished stays' },
};

/** What can be done about an experiment in this state. */
function actionsFor({ state }: ExperimentDetail): Action[] {
  switch (state) {
    case 'waiting':
    case 'running':
      return ['pause', 'cancel'];
    case 'pausing':
    case 'paused':
      return ['resume', 'cancel'];
    case 'succeeded':
    case 'failed':
    case 'cancelled':
      return [];
  }
}

/** Pauses, resumes, cancels and changes an experiment, for those who may. */
export function ExperimentActions({
  experiment,
  renew,
}: {
  experiment: ExperimentDetail;
  renew: () => void;
}) {
  const session = useResource('session', sessionInfo);
  const [chosen, setChosen] = useState<Action | null>(null);
  const act = async (action: Action) => {
    setChosen(action);
    await send('POST', `experiments/${experiment.id}/${action}`).finally(() => setChosen(null));
    renew();
  };
  const pause = useAction(() => act('pause'));
  const resume = useAction(() => act('resume'));
  const cancel = useAction(() => act('cancel'));
  if (session.data === null || session.data.role === 'viewer') return null;
  const run = { pause: pause.run, resume: resume.run, cancel: cancel.run };
  const said = pause.said || resume.said || cancel.said;
  return (
    <span className="head-actions">
      {actionsFor(experiment).map((action) => {
        const { title, does } = about[action];
        const disabled = chosen !== null;
        if (action === 'cancel')
          return (
            <SureButton
              key={action}
              title={title}
              sureTitle="Really cancel?"
              hint={does}
              disabled={disabled}
              onSure={run.cancel}
            />
          );
        return (
          <button
            key={action}
            type="button"
            className="button small"
            title={does}
            disabled={disabled}
            onClick={run[action]}
          >
            {title}
          </button>
        );
      })}
      <ExperimentSettings experiment={experiment} renew={renew} />
      {said ? <span role="alert">{said}</span> : null}
    </span>
  );
}
