import { Suspense } from 'react';
import { BestView } from '../../components/best-view';
import { Skeleton } from '../../components/states';

export const metadata = { title: 'Best students' };

export default function Page() {
  return (
    <Suspense fallback={<Skeleton rows={4} height={120} />}>
      <BestView />
    </Suspense>
  );
}
