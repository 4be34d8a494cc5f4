import { canonicalJson } from './canonical.js';
import {
  objectives,
  pathLabels,
  plannedConfigurations,
  parameterSize,
  spaceSize,
  valueAtPlace,
  valueText,
  type Objective,
  type SearchParameter,
  type SearchSpec,
  type SearchValues,
} from './search.js';
import { isTrainingKind, type ExperimentSpec } from './spec.js';
import type { Finding } from './spec-findings.js';
import { stageOf, stageTraining } from './stages.js';
import { mostTrials, variantSpec, type Variant } from './variants.js';

/** Combinations of choices that are tried out before anything runs; of more, the ones that fail are found when drawn. */
const mostTried = 256;

const finding = (path: (string | number)[], message: string): Finding => ({
  path,
  message,
  suggestion: null,
});

/** What a search, or early stopping, goes by where the spec does not say. */
export function searchMetric({ search, select }: ExperimentSpec): Objective {
  return search?.metric ?? select.metric;
}

export function earlyStopMetric(spec: ExperimentSpec): Objective {
  return spec.earlyStop?.metric ?? searchMetric(spec);
}

/** Whether its configurations are begun one after the other, as results come in. */
export function isStudy(spec: ExperimentSpec): boolean {
  return spec.search !== undefined || spec.earlyStop !== undefined;
}

/** The variant of a configuration that a search drew; its factors are its values, under short names. */
export function searchVariant(number: number, values: SearchValues): Variant {
  const labels = pathLabels(Object.keys(values));
  const factors = Object.entries(values).map(([path, value]) => [labels.get(path) ?? path, valueText(value)]);
  return {
    name: `search-${number}`,
    factors: Object.fromEntries(factors) as Record<string, string>,
    parts: [{ path: ['search', 'space'], patch: values }],
  };
}

/** What is wrong with a search or with early stopping, each at its place. */
export function searchFindings(spec: ExperimentSpec): Finding[] {
  const { search } = spec;
  const findings: Finding[] = [];
  if (search) {
    if (spec.ablation !== null)
      return [
        finding(
          ['search'],
          'expected either "search" or "ablation": a search draws its configurations itself',
        ),
      ];
    findings.push(...sizeFindings(spec, search), ...spaceFindings(search));
    if (findings.length === 0) findings.push(...valueFindings(spec, search));
  }
  if (findings.length === 0) findings.push(...earlyStopFindings(spec));
  return findings;
}

function sizeFindings(spec: ExperimentSpec, search: SearchSpec): Finding[] {
  const { trials, sampler, direction } = search;
  const findings: Finding[] = [];
  if (trials === undefined && sampler !== 'grid')
    findings.push(
      finding(['search', 'trials'], `missing; expected how many configurations "${sampler}" draws`),
    );
  const metric = searchMetric(spec);
  const better = objectives[metric].higherIsBetter ? 'maximize' : 'minimize';
  if (direction !== undefined && direction !== better) {
    const message = `expected "${better}" for ${metric}, of which ${better === 'maximize' ? 'more' : 'less'} is better`;
    findings.push(finding(['search', 'direction'], message));
  }
  if (
    sampler === 'grid' &&
    Number.isFinite(spaceSize(search.space)) &&
    spaceSize(search.space) > mostTrials
  ) {
    const message = `expected a grid of at most ${mostTrials} configurations, got ${spaceSize(search.space)}; "random" draws from more`;
    return [finding(['search', 'space'], message)];
  }
  const trialsOfAll = plannedConfigurations(search) * spec.seeds.length;
  if (Number.isFinite(trialsOfAll) && trialsOfAll > mostTrials) {
    const message = `expected at most ${mostTrials} trials (configurations times seeds), got ${trialsOfAll}`;
    findings.push(finding(['search', trials === undefined ? 'space' : 'trials'], message));
  }
  return findings;
}

function spaceFindings({ space, sampler }: SearchSpec): Finding[] {
  const findings: Finding[] = [];
  const paths = Object.keys(space);
  for (const [path, parameter] of Object.entries(space)) {
    const at = ['search', 'space', path];
    const [first = ''] = path.split('.');
    if (first !== 'stages' && path !== 'result')
      findings.push(finding(at, 'a search cannot change this; expected a path into "stages", or "result"'));
    const outer = paths.find((other) => path.startsWith(`${other}.`));
    if (outer !== undefined)
      findings.push(
        finding(at, `"${outer}" is searched as a whole; expected paths of which none is within another`),
      );
    findings.push(...parameterFindings(at, parameter));
    if (sampler === 'grid' && !Number.isFinite(parameterSize(parameter)))
      findings.push(
        finding(at, 'a grid needs counted values; expected "kind: choice", or "step" of a uniform one'),
      );
  }
  return findings;
}

function parameterFindings(at: string[], parameter: SearchParameter): Finding[] {
  if (parameter.kind === 'choice') {
    const texts = parameter.values.map((value) => canonicalJson(value));
    const twice = texts.findIndex((text, index) => texts.indexOf(text) !== index);
    return twice === -1 ? [] : [finding([...at, 'values', String(twice)], 'stands here twice')];
  }
  if (parameter.low > parameter.high)
    return [
      finding([...at, 'high'], `expected at least "low", which is ${parameter.low}, got ${parameter.high}`),
    ];
  return [];
}

/** Every end of every range, and every combination of choices, has to make a spec that can be run. */
function valueFindings(spec: ExperimentSpec, { space }: SearchSpec): Finding[] {
  const entries = Object.entries(space);
  const start = Object.fromEntries(entries.map(([path, parameter]) => [path, endsOf(parameter)[0] ?? null]));
  const tried = entries.flatMap(([path, parameter]) =>
    endsOf(parameter).map((value) => ({ ...start, [path]: value })),
  );
  const choices = entries.filter(([, { kind }]) => kind === 'choice');
  if (choices.reduce((product, [, parameter]) => product * parameterSize(parameter), 1) <= mostTried) {
    let cells: SearchValues[] = [start];
    for (const [path, parameter] of choices)
      cells = cells.flatMap((cell) => endsOf(parameter).map((value) => ({ ...cell, [path]: value })));
    tried.push(...cells);
  }
  const findings = tried.flatMap((values) => refusalsOf(spec, values));
  return [...new Map(findings.map((each) => [`${each.path.join('.')} ${each.message}`, each])).values()];
}

/** The smallest and the largest value; of choices all. */
function endsOf(parameter: SearchParameter): SearchValues[string][] {
  if (parameter.kind === 'choice') return parameter.values;
  const size = parameterSize(parameter);
  return [parameter.low, Number.isFinite(size) ? valueAtPlace(parameter, size - 1) : parameter.high];
}

function refusalsOf(spec: ExperimentSpec, values: SearchValues): Finding[] {
  return variantSpec(spec, { ...searchVariant(0, values), name: 'search' }).findings;
}

function earlyStopFindings(spec: ExperimentSpec): Finding[] {
  const { earlyStop } = spec;
  if (!earlyStop) return [];
  if (!spec.search && spec.ablation === null)
    return [
      finding(['earlyStop'], 'there is one configuration only; expected "search" or "ablation" beside it'),
    ];
  const result = stageOf(spec, spec.result);
  if (!result || !isTrainingKind(result.kind)) {
    const message = `"${spec.result}" trains nothing that could be stopped; expected a result that is trained`;
    return [finding(['earlyStop'], message)];
  }
  const { minEpochs, maxEpochs } =
    earlyStop.rule === 'asha' ? earlyStop : { minEpochs: 1, maxEpochs: undefined };
  if (maxEpochs !== undefined && maxEpochs < minEpochs)
    return [finding(['earlyStop', 'maxEpochs'], `expected at least "minEpochs", which is ${minEpochs}`)];
  const length = stageTraining(spec, spec.result)?.train.epochs;
  const [key, first] =
    earlyStop.rule === 'asha'
      ? (['minEpochs', minEpochs] as const)
      : (['afterEpochs', earlyStop.afterEpochs] as const);
  if (length === undefined || first < length) return [];
  const message = `"${spec.result}" is trained for ${length} epochs; expected fewer before the first decision, got ${first}`;
  return [finding(['earlyStop', key], message)];
}

/** What a person should know before a search or early stopping begins. */
export function searchWarnings({ search, earlyStop, ablation }: ExperimentSpec): string[] {
  const warnings: string[] = [];
  if (search?.trials !== undefined && spaceSize(search.space) < search.trials)
    warnings.push(`the space has ${spaceSize(search.space)} configurations: the search ends after them`);
  if (earlyStop && ablation)
    warnings.push(
      'early stopping beside an ablation: configurations that are stopped have no figures in its tables, and those ' +
        'that remain were chosen by validation; compare without earlyStop what is to be published',
    );
  return warnings;
}
