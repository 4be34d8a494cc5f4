import { durationBounds, type DurationHistogram } from '@ferment/platform';

/**
 * Histograms of one figure in Prometheus's text format 0.0.4: prom-client writes only what its own process has observed,
 * and these are counted in the database.
 */
export function histogramText(
  { figure, name, help }: { figure: DurationHistogram['figure']; name: string; help: string },
  durations: readonly DurationHistogram[],
): string {
  const lines = durations
    .filter((histogram) => histogram.figure === figure)
    .flatMap(({ kind, outcome, upTo, count, sum }) => {
      const labels = `kind="${kind}"${outcome === '' ? '' : `,outcome="${outcome}"`}`;
      return [
        ...durationBounds.map((bound, at) => `${name}_bucket{${labels},le="${bound}"} ${upTo[at] ?? 0}`),
        `${name}_bucket{${labels},le="+Inf"} ${count}`,
        `${name}_sum{${labels}} ${sum}`,
        `${name}_count{${labels}} ${count}`,
      ];
    });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...lines, ''].join('\n');
}
