import { Suspense } from 'react';
import { ExperimentList } from '../components/experiment-list';
import { Skeleton } from '../components/states';

export default function Page() {
  return (
    <Suspense fallback={<Skeleton rows={6} height={58} />}>
      <ExperimentList />
    </Suspense>
  );
}
