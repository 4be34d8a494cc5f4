import {
  angleChoices,
  emotions,
  foldCount,
  nearestName,
  needsOutOfFold,
  oneOf,
  sourceLimits,
  splitSummaryOf,
  variantsOf,
  variantSpec,
  atPatch,
  type AblationSpec,
  type AngleChoice,
  type DataSpec,
  type ExperimentSpec,
  type Finding,
  type Patch,
  type PinnedData,
  type Protocol,
  type SpecProblem,
  type SplitSummary,
  type StageSpec,
} from '@ferment/contracts';
import { splitSizes } from './cost.js';
import { newestImported, versionsOf, type Known, type KnownVersion } from './known.js';

export interface Resolved {
  /** Every data set pinned to a version and a protocol, in patches too; complete only where `problems` is empty. */
  spec: ExperimentSpec;
  problems: SpecProblem[];
  /** What the data sets give reason to say; part of the plan's warnings. */
  warnings: string[];
}

/**
 * Pins a spec to what there is, so that it means the same for ever, and finds what cannot run: data sets, versions
 * and protocols that do not exist, subsets and batches larger than a split, in the baseline and in every variant.
 */
export function resolveSpec(spec: ExperimentSpec, known: Known): Resolved {
  const pinned = pinSpec(spec, known);
  const findings = [...pinned.findings];
  if (findings.length === 0) {
    findings.push(...runFindings(pinned.spec, known));
  }
  if (findings.length === 0) {
    for (const variant of variantsOf(pinned.spec.ablation).slice(1)) {
      const made = variantSpec(pinned.spec, variant);
      if (made.spec === null) findings.push(...made.findings);
      else {
        const found = refusalsOf(made.spec, known);
        findings.push(...found.map((finding) => atPatch(variant, finding)));
      }
      if (findings.length >= sourceLimits.problems) break;
    }
  }
  return {
    spec: pinned.spec,
    problems: findings.slice(0, sourceLimits.problems).map(({ path, message, suggestion }) => ({
      path: path.join('.'),
      message,
      line: null,
      suggestion,
    })),
    warnings: dataWarnings(pinned.spec, known),
  };
}

/** Why a configuration cannot run on the data that there is; none where it can. */
export function refusalsOf(spec: ExperimentSpec, known: Known): Finding[] {
  const { findings, spec: own } = pinSpec(spec, known);
  return findings.length > 0 ? findings : runFindings(own, known);
}

/** A data spec's open choices made, or why they cannot be. */
type Pin =
  { version: string; protocol: Protocol; angles?: AngleChoice; folds?: number[] } | { findings: Finding[] };

/** The part of a data spec that says which images. */
type Source = {
  dataset: string;
  version?: string | undefined;
  protocol?: Protocol | undefined;
  angles?: AngleChoice | undefined;
  folds?: number[] | undefined;
};

function pin(source: Source, known: Known, path: (string | number)[]): Pin {
  const fail = (key: string, message: string, suggestion: string | null = null): Pin => ({
    findings: [{ path: [...path, key], message, suggestion }],
  });
  const versions = versionsOf(known, source.dataset);
  const newest = newestImported(versions);
  if (!newest) {
    const names = Object.keys(known.datasets);
    const expected =
      names.length > 0
        ? `expected ${oneOf(names)}`
        : `none is imported yet: "ferment dataset import FILE --name ${source.dataset}" adds it`;
    return fail(
      'dataset',
      `no data set "${source.dataset}"; ${expected}`,
      nearestName(source.dataset, names),
    );
  }
  const chosen =
    source.version === undefined
      ? newest
      : versions.find((candidate) => candidate.version === source.version);
  if (!chosen) {
    const hashes = versions.map((candidate) => candidate.version);
    return fail('version', `"${source.dataset}" has no such version; expected ${oneOf(hashes)}`);
  }
  return pinProtocol(source, chosen, fail);
}

function pinProtocol(
  source: Source,
  { version, summary }: KnownVersion,
  fail: (key: string, message: string) => Pin,
): Pin {
  const { parent } = summary;
  const there = Object.keys(summary.protocols);
  const protocol = source.protocol ?? summary.defaultProtocol;
  if (protocol === null || there.length === 0) {
    return fail(
      'dataset',
      `"${source.dataset}" has no labelled training and test images to train and score with`,
    );
  }
  if (!there.includes(protocol)) {
    const why = parent ? 'is not the one that divided this refined version' : whyNot[protocol];
    return fail('protocol', `protocol "${protocol}" ${why}; expected ${oneOf(there)}`);
  }
  if (protocol === 'subject-folds' && parent) return pinFold(source, { version, parent }, fail);
  if (protocol === 'subject-folds') return { version, protocol, angles: source.angles ?? angleChoices[0] };
  for (const key of ['angles', 'folds'] as const) {
    if (source[key] === undefined) continue;
    const message = `"${source.dataset}" has no ${key} under protocol "${protocol}"; take this key away`;
    return fail(key, `${message} (only "subject-folds" has them)`);
  }
  return { version, protocol };
}

/** A refinement under `subject-folds` is of one fold: the version that it made has no other. */
function pinFold(
  source: Source,
  { version, parent }: { version: string; parent: Pick<PinnedData, 'protocol' | 'angles' | 'fold'> },
  fail: (key: string, message: string) => Pin,
): Pin {
  const { protocol, angles = angleChoices[0] } = parent;
  const folds = parent.fold === undefined ? [] : [parent.fold];
  if (source.angles !== undefined && source.angles !== angles)
    return fail('angles', `this refined version has angles "${angles}" alone; expected that, or nothing`);
  if (source.folds !== undefined && source.folds.join() !== folds.join())
    return fail(
      'folds',
      `this refined version has fold ${folds.join()} alone; expected [${folds.join()}], or nothing`,
    );
  return { version, protocol, angles, folds };
}

const whyNot: Readonly<Record<Protocol, string>> = {
  official: 'needs images marked PrivateTest, which this version lacks',
  carved: 'is not there',
  'subject-folds': 'needs pictures that say who is in them, as those of KDEF',
};

const allFolds = Array.from({ length: foldCount }, (_, fold) => fold);

/** Pins the data sets that a spec names; a data set of `evaluate.on` that is the spec's own follows it. */
export function pinSpec(spec: ExperimentSpec, known: Known): { spec: ExperimentSpec; findings: Finding[] } {
  const findings: Finding[] = [];
  const pinned = <T extends Source>(source: T, path: (string | number)[]): T => {
    const found = pin(source, known, path);
    if ('findings' in found) findings.push(...found.findings);
    return 'findings' in found ? source : { ...source, ...found };
  };
  const found = pinned(spec.data, ['data']);
  const data = found.protocol === 'subject-folds' ? { ...found, folds: found.folds ?? allFolds } : found;
  const on = spec.evaluate.on.map((entry, index) =>
    entry.dataset === data.dataset
      ? { ...entry, ...choicesOf(data) }
      : pinned(entry, ['evaluate', 'on', index]),
  );
  const ablation = spec.ablation && pinPatches(spec.ablation, spec.data.protocol, data, known);
  return { spec: { ...spec, data, evaluate: { ...spec.evaluate, on }, ablation }, findings };
}

function choicesOf({ version, protocol, angles }: DataSpec) {
  return {
    ...(version !== undefined && { version }),
    ...(protocol !== undefined && { protocol }),
    ...(angles !== undefined && { angles }),
  };
}

/**
 * Writes version and protocol into patches that change the data set, so that the stored spec needs no later look-up.
 * Angles and folds leave with a data set that has them. What cannot be pinned stays; the variant's own check names it.
 */
function pinPatches(
  ablation: AblationSpec,
  written: Protocol | undefined,
  data: DataSpec,
  known: Known,
): AblationSpec {
  const touchesProtocol = patchesOf(ablation).some((patch) => Object.hasOwn(patch, 'data.protocol'));
  const pinPatch = (patch: Patch): Patch => {
    const dataset = patch['data.dataset'];
    if (typeof dataset !== 'string') return patch;
    const version = patch['data.version'];
    const found = pin(
      { dataset, version: typeof version === 'string' ? version : undefined, protocol: written },
      known,
      [],
    );
    if ('findings' in found) return patch;
    const protocol = written === undefined && !touchesProtocol ? { 'data.protocol': found.protocol } : {};
    const leaves = data.folds !== undefined && found.protocol !== 'subject-folds';
    const without = leaves ? { 'data.angles': null, 'data.folds': null } : {};
    return { ...without, ...patch, 'data.version': found.version, ...protocol };
  };
  if (ablation.design === 'list') {
    return {
      ...ablation,
      variants: ablation.variants.map((variant) => ({ ...variant, patch: pinPatch(variant.patch) })),
    };
  }
  const factors = Object.entries(ablation.factors).map(([factor, levels]) => [
    factor,
    Object.fromEntries(Object.entries(levels).map(([level, patch]) => [level, pinPatch(patch)])),
  ]);
  return { ...ablation, factors: Object.fromEntries(factors) as typeof ablation.factors };
}

function patchesOf(ablation: AblationSpec): Patch[] {
  if (ablation.design === 'list') return ablation.variants.map((variant) => variant.patch);
  return Object.values(ablation.factors).flatMap((levels) => Object.values(levels));
}

/** What cannot run: on the experiment's data, in every fold where there are folds, and on what else is scored. */
function runFindings(spec: ExperimentSpec, known: Known): Finding[] {
  const folds = foldsOfData(spec);
  const lacking = folds.flatMap((fold) => (fold === null ? [] : classFindings(spec, fold, known)));
  if (lacking.length > 0) return lacking;
  const findings = folds.flatMap((fold) => foldRunFindings(spec, fold, known));
  // Folds are alike: what is wrong in several is said once.
  const first = [...new Map(findings.map((finding) => [finding.path.join('.'), finding])).values()];
  return [...first, ...scoredFindings(spec, known)];
}

/** Data sets that are only scored, and have no picture under the protocol and angles asked for. */
function scoredFindings({ data, evaluate }: ExperimentSpec, known: Known): Finding[] {
  return evaluate.on.flatMap((entry, index): Finding[] => {
    const { dataset, protocol, angles } = entry;
    if (dataset === data.dataset || protocol !== 'subject-folds') return [];
    const test = summaryOf(known, entry, { protocol, angles })?.counts.test ?? [];
    if (test.some((count) => count > 0)) return [];
    const refined = versionsOf(known, dataset).find(({ version }) => version === entry.version)?.summary
      .parent;
    if (refined) {
      const message = `this refined version of "${dataset}" is one fold; expected the version it was made from, ${refined.version}`;
      return [{ path: ['evaluate', 'on', index, 'version'], message, suggestion: null }];
    }
    const message = `"${dataset}" has no ${angles ?? angleChoices[0]} picture`;
    return [{ path: ['evaluate', 'on', index, 'angles'], message, suggestion: null }];
  });
}

/** Classes of which a split of one fold has no picture: nothing could be learned or said of them. */
function classFindings({ data }: ExperimentSpec, fold: number, known: Known): Finding[] {
  const counts = summaryOf(known, data, { protocol: data.protocol, angles: data.angles, fold })?.counts;
  if (!counts) throw new Error('classFindings is for a spec that is pinned');
  return (['train', 'validation', 'test'] as const).flatMap((split) => {
    const absent = emotions.filter((_, label) => (counts[split][label] ?? 0) === 0);
    if (absent.length === 0) return [];
    const message =
      `fold ${fold}: the ${split} split of "${data.dataset}" (angles ${data.angles}) has no picture of ` +
      `${absent.join(', ')}; leave the fold out of "folds", or import the missing pictures`;
    return [{ path: ['data', 'folds'], message, suggestion: null }];
  });
}

function summaryOf(
  known: Known,
  { dataset, version }: Source,
  {
    protocol,
    angles,
    fold,
  }: { protocol: Protocol | undefined; angles: AngleChoice | undefined; fold?: number },
): SplitSummary | undefined {
  const found = versionsOf(known, dataset).find((candidate) => candidate.version === version);
  if (!found || protocol === undefined) return undefined;
  return splitSummaryOf(found.summary, {
    protocol,
    ...(angles !== undefined && { angles }),
    ...(fold !== undefined && { fold }),
  });
}

/** What cannot run on this data: empty splits, subsets and batches larger than a split. */
function foldRunFindings(spec: ExperimentSpec, fold: number | null, known: Known): Finding[] {
  const data = pinnedDataOf(spec, fold);
  const all = splitSizes(known, { ...data, subset: null });
  const sizes = splitSizes(known, data);
  if (!all || !sizes) throw new Error('runFindings is for a spec that is pinned');
  const findings: Finding[] = [];
  for (const split of ['train', 'validation', 'test'] as const) {
    const wanted = data.subset?.[split];
    if (all[split] === 0) {
      const message = `the ${split} split of "${data.dataset}" is empty under protocol "${data.protocol}"`;
      findings.push({ path: ['data', 'dataset'], message, suggestion: null });
    } else if (wanted !== undefined && wanted > all[split]) {
      const message = `expected at most ${all[split]}, the images of the ${split} split, got ${wanted}`;
      findings.push({ path: ['data', 'subset', split], message, suggestion: null });
    }
  }
  if (findings.length > 0) return findings;
  for (const [name, stage] of Object.entries(spec.stages)) {
    for (const { path, batch } of batchesOf(name, stage)) {
      if (batch <= sizes.train) continue;
      const message = `expected at most ${sizes.train}, the images of the train split, got ${batch}`;
      findings.push({ path, message, suggestion: null });
    }
    for (const { path, folds } of foldsOf(name, stage)) {
      findings.push(...foldFindings(data, known, path, folds));
    }
  }
  return findings;
}

type Path = (string | number)[];

/** The batches of a stage's trainings, with their places. */
function batchesOf(name: string, stage: StageSpec): { path: Path; batch: number }[] {
  const path = ['stages', name];
  if (stage.kind === 'refine') {
    return stage.steps.flatMap(({ labelErrors }, index) =>
      labelErrors
        ? [
            {
              path: [...path, 'steps', index, 'labelErrors', 'train', 'batch'],
              batch: labelErrors.train.batch,
            },
          ]
        : [],
    );
  }
  const train = 'train' in stage ? stage.train : undefined;
  return train ? [{ path: [...path, 'train', 'batch'], batch: train.batch }] : [];
}

/** Into how many folds a stage divides the training images, with the places that say so. */
function foldsOf(name: string, stage: StageSpec): { path: Path; folds: number }[] {
  const path = ['stages', name];
  if (stage.kind === 'refine') {
    return stage.steps.flatMap(({ labelErrors }, index) =>
      labelErrors
        ? [{ path: [...path, 'steps', index, 'labelErrors', 'folds'], folds: labelErrors.folds }]
        : [],
    );
  }
  if (stage.kind !== 'distill' || stage.method.name !== 'eadd' || !needsOutOfFold(stage)) return [];
  return [{ path: [...path, 'method', 'outOfFold', 'folds'], folds: stage.method.outOfFold.folds }];
}

/** Classes with too few training images for every fold to have one. */
function foldFindings(data: PinnedData, known: Known, path: Path, folds: number): Finding[] {
  const version = versionsOf(known, data.dataset).find((candidate) => candidate.version === data.version);
  const counts = (version && splitSummaryOf(version.summary, data)?.counts.train) ?? [];
  const all = counts.reduce((sum, count) => sum + count, 0);
  const share = Math.min(1, (data.subset?.train ?? all) / Math.max(1, all));
  return counts.flatMap((count, label): Finding[] => {
    const images = Math.round(count * share);
    if (images === 0 || images >= folds) return [];
    const message = `${folds} folds of ${images} training images of class "${emotions[label]}" leave a fold without it; expected at most ${images}`;
    return [{ path, message, suggestion: null }];
  });
}

/** The folds that a pinned spec runs, each a trial; null stands for data that have none. */
export function foldsOfData({ data }: ExperimentSpec): (number | null)[] {
  return data.protocol === 'subject-folds' ? (data.folds ?? allFolds) : [null];
}

/**
 * The data of a pinned spec on one of its folds.
 *
 * @param fold null where the data have no folds, or every picture is to be test
 * @throws Error where it is not pinned
 */
export function pinnedDataOf(spec: ExperimentSpec, fold: number | null): PinnedData {
  const { version, protocol, angles, folds: _folds, ...data } = spec.data;
  if (version === undefined || protocol === undefined) {
    throw new Error(`the spec "${spec.name}" is not pinned: resolveSpec comes before plan`);
  }
  return {
    ...data,
    version,
    protocol,
    ...(angles !== undefined && { angles }),
    ...(fold !== null && { fold }),
  };
}

/** What a data set's version gives reason to say before anything runs. */
export function dataWarnings(spec: ExperimentSpec, known: Known): string[] {
  const sources: Source[] = [
    spec.data,
    ...spec.evaluate.on.filter((entry) => entry.dataset !== spec.data.dataset),
  ];
  return sources.flatMap(({ dataset, version }): string[] => {
    const summary = versionsOf(known, dataset).find((candidate) => candidate.version === version)?.summary;
    if (!summary) return [];
    const warnings: string[] = [];
    if (summary.synthetic)
      warnings.push(`"${dataset}" holds generated faces: its figures say nothing about real ones`);
    if (summary.skipped.length > 0) {
      const skipped = summary.skipped.length + (summary.skippedUnlisted ?? 0);
      warnings.push(`"${dataset}" was imported without ${skipped} bad rows`);
    }
    return warnings;
  });
}
