import { Suspense } from 'react';
import { DatasetsView } from '../../components/datasets-view';
import { Skeleton } from '../../components/states';

export const metadata = { title: 'Data sets' };

export default function Page() {
  return (
    <Suspense fallback={<Skeleton rows={4} height={120} />}>
      <DatasetsView />
    </Suspense>
  );
}
