import { Suspense } from 'react';
import { Skeleton } from '../../../components/states';
import { TrialView } from '../../../components/trial-view';

export const metadata = { title: 'Trial' };

export default function Page() {
  return (
    <Suspense fallback={<Skeleton rows={4} height={120} />}>
      <TrialView />
    </Suspense>
  );
}
