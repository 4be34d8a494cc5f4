'use client';
import dynamic from 'next/dynamic';
import type { EmotionProps } from './emotion-plot';

/** Its script comes after that of the curves, which are looked at first. */
export const EmotionChart = dynamic<EmotionProps>(
  () => import('./emotion-plot').then((part) => part.EmotionPlot),
  { ssr: false, loading: () => <div className="chart-side" /> },
);
