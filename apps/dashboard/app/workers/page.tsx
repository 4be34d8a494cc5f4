import { WorkersView } from '../../components/workers-view';

export const metadata = { title: 'Workers and queue' };

export default function Page() {
  return <WorkersView />;
}
