'use client';
import { emotions, type EvaluationResult, type SplitMetrics } from '@ferment/contracts';
import { classFigures, commonMistakes, rowShares, shadeOf } from '../lib/class-figures';
import { count, figure, plural } from '../lib/format';
import { emotionTokens, heatGround } from '../lib/palette';
import { useQueryState } from '../lib/use-query-state';
import { Segmented } from './controls';
import { EmotionHeads } from './emotion-heads';
import { FigureMenu } from './figure-menu';
import { ReliabilityPart } from './reliability-part';
import { ClassFigure, classRows, ConfusionFigure, confusionRows } from './result-figures';
import { ScrollBox } from './scroll-box';
import { Empty } from './states';

/** What a trial's result gets right and wrong, class by class, on one split of one data set. */
export function ClassCard({ evaluation, trialId }: { evaluation: EvaluationResult; trialId: string }) {
  const [chosen, setSplit] = useQueryState(`split-${evaluation.dataset}`, 'test');
  const { validation, test } = evaluation.splits;
  const split = chosen === 'validation' && validation ? validation : test;
  const name = split === validation ? 'validation' : 'test';
  const title = `classes-${evaluation.dataset}`;
  return (
    <section className="card" aria-labelledby={title}>
      <div className="card-head">
        <h2 id={title}>Classes on {evaluation.dataset}</h2>
        {evaluation.synthetic ? <span className="badge">generated faces</span> : null}
        <div className="controls">
          {validation ? (
            <Segmented
              label="Split"
              value={name}
              onChange={setSplit}
              options={[
                { value: 'validation', title: 'Validation' },
                { value: 'test', title: 'Test' },
              ]}
            />
          ) : null}
        </div>
      </div>
      <SplitFacts split={split} />
      {split.images === 0 ? (
        <Empty title="This split has no pictures" />
      ) : (
        <>
          <div className="class-parts">
            <div>
              <ClassBars split={split} />
              <p className="figure-foot">
                <FigureMenu
                  name={`classes ${evaluation.dataset} ${name}`}
                  title={`F1, precision and recall of each emotion on ${evaluation.dataset}, ${name}`}
                  figure={() => <ClassFigure split={split} />}
                  rows={() => classRows(split)}
                />
              </p>
            </div>
            <div>
              <ConfusionMatrix split={split} />
              <p className="figure-foot">
                <FigureMenu
                  name={`confusion ${evaluation.dataset} ${name}`}
                  title={`Confusion matrix on ${evaluation.dataset}, ${name}: rows are given, columns predicted`}
                  figure={() => <ConfusionFigure split={split} />}
                  rows={() => confusionRows(split)}
                />
              </p>
            </div>
          </div>
          <ReliabilityPart trialId={trialId} dataset={evaluation.dataset} split={name} />
        </>
      )}
    </section>
  );
}

function SplitFacts({ split }: { split: SplitMetrics }) {
  const mistakes = commonMistakes(split.confusion);
  return (
    <div className="split-facts">
      <dl className="facts">
        {(
          [
            ['Accuracy', figure(split.accuracy)],
            ['Macro-F1', figure(split.macroF1)],
            ['NLL', `${figure(split.nll)} nats`],
            ['ECE', figure(split.ece)],
            ['Pictures', count(split.images)],
          ] as const
        ).map(([term, value]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd className="number">{value}</dd>
          </div>
        ))}
      </dl>
      {mistakes.length > 0 ? (
        <p className="muted">
          Most frequent mistakes:{' '}
          {mistakes
            .map(
              ({ given, predicted, images, share }) =>
                `${given} taken for ${predicted} (${plural(images, 'picture')}, ${Math.round(100 * share)} % of ${given})`,
            )
            .join('; ')}
          .
        </p>
      ) : null}
    </div>
  );
}

function ClassBars({ split }: { split: SplitMetrics }) {
  return (
    <ScrollBox>
      <table className="table class-table">
        <caption>F1, precision and recall of each emotion</caption>
        <thead>
          <tr>
            <th scope="col">Emotion</th>
            <th scope="col" className="number">
              Pictures
            </th>
            <th scope="col">F1</th>
            <th scope="col" className="number">
              Precision
            </th>
            <th scope="col" className="number">
              Recall
            </th>
          </tr>
        </thead>
        <tbody>
          {classFigures(split.confusion).map(({ emotion, images, f1, precision, recall }) => (
            <tr key={emotion}>
              <th scope="row">
                <span
                  className="swatch"
                  style={{ background: `var(${emotionTokens[emotion]})` }}
                  aria-hidden="true"
                />{' '}
                {emotion}
              </th>
              <td className="number">{count(images)}</td>
              <td>
                <span className="bar-cell">
                  <span className="bar" aria-hidden="true">
                    <span
                      style={{
                        width: `${100 * (f1 ?? 0)}%`,
                        background: `var(${emotionTokens[emotion]})`,
                      }}
                    />
                  </span>
                  <span className="number">{figure(f1, 3)}</span>
                </span>
              </td>
              <td className="number">{figure(precision, 3)}</td>
              <td className="number">{figure(recall, 3)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}

function ConfusionMatrix({ split }: { split: SplitMetrics }) {
  const shares = rowShares(split.confusion);
  return (
    <ScrollBox>
      <table className="table confusion">
        <caption>
          Confusion matrix: rows are given, columns predicted; the stronger the colour, the larger the share
          of the row (by its square root)
        </caption>
        <thead>
          <tr>
            <th scope="col">given \ predicted</th>
            <EmotionHeads />
          </tr>
        </thead>
        <tbody>
          {emotions.map((given, row) => (
            <tr key={given}>
              <th scope="row">{given}</th>
              {emotions.map((predicted, column) => {
                const share = shares[row]?.[column] ?? 0;
                return (
                  <td
                    key={predicted}
                    className={`number ${row === column ? 'diagonal' : ''}`}
                    title={`${given} called ${predicted}: ${(100 * share).toFixed(1)} %`}
                    style={{ background: heatGround(shadeOf(share)) }}
                  >
                    {count(split.confusion[row]?.[column] ?? 0)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}
