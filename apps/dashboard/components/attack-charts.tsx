'use client';
import type { RobustnessSection } from '@ferment/contracts';
import { useMemo } from 'react';
import { lineToken } from '../lib/palette';
import { accuracyReach, attackCharts, attackRows, type AttackLine } from '../lib/robustness';
import { FigureMenu } from './figure-menu';
import { LineChart } from './line-chart';
import { SvgLines } from './svg-lines';

const chartHeight = 210;
const xLabel = 'ε (255ths of the pixel range)';

/** Accuracy against epsilon, one chart for each attack, all on one scale. */
export function AttackCharts({ section }: { section: RobustnessSection }) {
  const charts = useMemo(() => attackCharts(section), [section]);
  const reach = accuracyReach(charts);
  const colour = (variant: string) =>
    lineToken(section.configurations.findIndex((configuration) => configuration.variant === variant));
  const lineOf = ({ variant, cells }: AttackLine) => ({
    key: variant,
    colour: colour(variant),
    values: cells.map((cell) => cell?.mean ?? null),
    band: cells.some((cell) => cell?.interval)
      ? {
          low: cells.map((cell) => cell?.interval?.low ?? cell?.mean ?? null),
          high: cells.map((cell) => cell?.interval?.high ?? cell?.mean ?? null),
        }
      : undefined,
  });
  if (charts.radii.length < 2) return null;
  const drawn = section.configurations.filter(({ seeds }) => seeds.length > 0);
  return (
    <div className="attack-charts-block">
      <div className="attack-charts">
        {charts.charts.map(({ key, title, lines }) => (
          <figure key={key}>
            <figcaption>{title}</figcaption>
            <LineChart
              xs={charts.radii}
              height={chartHeight}
              xLabel={xLabel}
              label={`Accuracy against epsilon, ${title}, of ${lines.map(({ variant }) => variant).join(', ')}`}
              range={[0, reach]}
              lines={lines.map((line) => ({ ...lineOf(line), width: 2, dots: true }))}
            />
          </figure>
        ))}
      </div>
      <ul className="legend legend-plain">
        {drawn.map(({ variant, seeds }) => (
          <li key={variant} className="legend-entry">
            <span className="swatch" style={{ background: `var(${colour(variant)})` }} aria-hidden="true" />
            {variant} <span className="muted">n = {seeds.length}</span>
          </li>
        ))}
        <li className="muted legend-where">accuracy on the same images; the band is the 95 % t-interval</li>
      </ul>
      <p className="figure-foot">
        <FigureMenu
          name={`accuracy against epsilon ${section.dataset}`}
          figure={() => (
            <SvgLines
              panels={charts.charts.map(({ title, lines }) => ({
                title,
                xs: charts.radii,
                lines: lines.map(lineOf),
              }))}
              xLabel={xLabel}
              yLabel="accuracy"
              range={[0, reach]}
              dots
              legend={drawn.map(({ variant }) => ({ key: variant, colour: colour(variant) }))}
            />
          )}
          rows={() => attackRows(charts)}
        />
      </p>
    </div>
  );
}
