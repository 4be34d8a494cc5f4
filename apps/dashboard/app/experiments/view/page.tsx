import { Suspense } from 'react';
import { ExperimentView } from '../../../components/experiment-view';
import { Skeleton } from '../../../components/states';

export const metadata = { title: 'Experiment' };

export default function Page() {
  return (
    <Suspense fallback={<Skeleton rows={4} height={120} />}>
      <ExperimentView />
    </Suspense>
  );
}
