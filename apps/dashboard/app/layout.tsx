import type { Metadata, Viewport } from 'next';
import type { ReactNode } from 'react';
import 'uplot/dist/uPlot.min.css';
import { TopBar } from '../components/top-bar';
import { themeScript } from '../lib/theme';
import './tokens.css';
import './base.css';
import './components.css';
import './experiment.css';
import './trial.css';
import './submit.css';
import './pages.css';

export const metadata: Metadata = {
  title: { default: 'Ferment', template: '%s · Ferment' },
  description: 'Experiments on facial emotion recognition: ablations, live curves, downloads.',
};

export const viewport: Viewport = {
  colorScheme: 'light dark',
  width: 'device-width',
  initialScale: 1,
};

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en" suppressHydrationWarning>
      <head>
        <script dangerouslySetInnerHTML={{ __html: themeScript }} />
      </head>
      <body>
        <a className="skip" href="#content">
          Skip to content
        </a>
        <TopBar />
        <main id="content" className="page">
          {children}
        </main>
      </body>
    </html>
  );
}
