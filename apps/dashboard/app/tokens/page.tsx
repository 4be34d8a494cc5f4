import { TokensView } from '../../components/tokens-view';

export const metadata = { title: 'Tokens' };

export default function Page() {
  return <TokensView />;
}
