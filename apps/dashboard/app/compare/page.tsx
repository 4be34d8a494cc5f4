import { Suspense } from 'react';
import { CompareView } from '../../components/compare-view';
import { Skeleton } from '../../components/states';

export const metadata = { title: 'Compare trials' };

export default function Page() {
  return (
    <Suspense fallback={<Skeleton rows={4} height={120} />}>
      <CompareView />
    </Suspense>
  );
}
