import { ExperimentList } from '../components/experiment-list';

export default function Page() {
  return <ExperimentList />;
}
