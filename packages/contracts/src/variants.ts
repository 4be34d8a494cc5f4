import { referenceFindings } from './spec-references.js';
import { applyPatch, configurationOf } from './patches.js';
import { parseSpec } from './parse-spec.js';
import type { Finding } from './spec-findings.js';
import type { AblationSpec, ExperimentSpec, Patch } from './spec.js';

/** What the spec as written is called among its variants. */
export const baselineName = 'baseline';

/** Trials (variants times seeds) that one experiment may plan. */
export const mostTrials = 20_000;

const longestName = 64;

/** A configuration of an experiment: which levels it has, what they change, where the spec says so. */
export interface Variant {
  name: string;
  /** Factor to level; a factor that stands as written is left out. */
  factors: Record<string, string>;
  /** Patches with the place of each in the spec: `ablation.factors.<factor>.<level>` or `ablation.variants.<n>.patch`. */
  parts: { path: (string | number)[]; patch: Patch }[];
}

interface Level extends Variant {
  factor: string;
  level: string;
}

/**
 * The variants that an ablation plans, the baseline first. Names: `factor` where its only level is `off`, else
 * `factor-level`; cells of a factorial are joined by "_".
 */
export function variantsOf(ablation: AblationSpec | null): Variant[] {
  const baseline: Variant = { name: baselineName, factors: {}, parts: [] };
  if (ablation === null) return [baseline];
  if (ablation.design === 'list') {
    const listed = ablation.variants.map((variant, index) => ({
      name: variant.name,
      factors: {},
      parts: [{ path: ['ablation', 'variants', index, 'patch'], patch: variant.patch }],
    }));
    return [baseline, ...listed];
  }
  const factors = levelsOf(ablation.factors);
  if (ablation.design === 'one-at-a-time') return [baseline, ...factors.flat()];
  let cells: Level[][] = [[]];
  for (const levels of factors) {
    cells = cells.flatMap((cell) => [cell, ...levels.map((level) => [...cell, level])]);
  }
  return cells.map(cellOf);
}

/** How many variants an ablation plans, counted without making them. */
export function countVariants(ablation: AblationSpec | null): number {
  if (ablation === null) return 1;
  if (ablation.design === 'list') return 1 + ablation.variants.length;
  const levels = Object.values(ablation.factors).map((factor) => Object.keys(factor).length);
  return ablation.design === 'one-at-a-time'
    ? levels.reduce((sum, count) => sum + count, 1)
    : levels.reduce((product, count) => product * (count + 1), 1);
}

/** Whether any variant is put through attacks or corruptions: by the spec as written, or by a patch of it. */
export function asksForRobustness({ evaluate, ablation }: ExperimentSpec): boolean {
  if (evaluate.attacks.length > 0 || evaluate.corruptions !== null) return true;
  const patched = variantsOf(ablation).flatMap(({ parts }) =>
    parts.flatMap(({ patch }) => Object.keys(patch)),
  );
  return patched.some((path) => /^evaluate(\.attacks|\.corruptions|$)/.test(path));
}

function levelsOf(factors: Record<string, Record<string, Patch>>): Level[][] {
  return Object.entries(factors).map(([factor, levels]) => {
    const names = Object.keys(levels);
    const onlyOff = names.length === 1 && names[0] === 'off';
    return Object.entries(levels).map(([level, patch]) => ({
      factor,
      level,
      name: shortened(onlyOff ? factor : `${factor}-${level}`),
      factors: { [factor]: level },
      parts: [{ path: ['ablation', 'factors', factor, level], patch }],
    }));
  });
}

function cellOf(levels: Level[]): Variant {
  if (levels.length === 0) return { name: baselineName, factors: {}, parts: [] };
  return {
    name: shortened(levels.map((level) => level.name).join('_')),
    factors: Object.fromEntries(levels.map(({ factor, level }) => [factor, level])),
    parts: levels.flatMap((level) => level.parts),
  };
}

/** A name that fits: the end of a long one becomes a number made of the whole (FNV-1a, 32 bits). */
function shortened(name: string): string {
  if (name.length <= longestName) return name;
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0;
  return `${name.slice(0, longestName - 9)}-${hash.toString(16).padStart(8, '0')}`;
}

export type VariantSpec = { spec: ExperimentSpec; findings: [] } | { spec: null; findings: Finding[] };

/**
 * The spec of one variant: patches applied, defaults written out, references checked. Findings stand at the
 * patch's place in the spec as written and name the variant.
 */
export function variantSpec(spec: ExperimentSpec, variant: Variant): VariantSpec {
  if (variant.parts.length === 0) return { spec: configurationOf(spec), findings: [] };
  const patch: Patch = Object.fromEntries(variant.parts.flatMap((part) => Object.entries(part.patch)));
  const patched = applyPatch(spec, patch);
  const refuse = (findings: Finding[]): VariantSpec => ({
    spec: null,
    findings: findings.map((finding) => atPatch(variant, finding)),
  });
  if (patched.findings.length > 0) return refuse(patched.findings);
  const parsed = parseSpec(patched.value);
  if (parsed.spec === null) return refuse(parsed.findings);
  const references = referenceFindings(parsed.spec);
  return references.length > 0 ? refuse(references) : parsed;
}

/** Moves a finding to the patch that caused it, or to the variant where no patch names its path. */
export function atPatch(variant: Variant, finding: Finding): Finding {
  const where = finding.path.join('.');
  for (const part of variant.parts) {
    for (const key of Object.keys(part.patch)) {
      if (where !== key && !where.startsWith(`${key}.`)) continue;
      const rest = where === key ? [] : where.slice(key.length + 1).split('.');
      return {
        ...finding,
        path: [...part.path, key, ...rest],
        message: `${finding.message} (variant "${variant.name}")`,
      };
    }
  }
  const place = variant.parts.length === 1 ? variant.parts[0]?.path : undefined;
  return {
    ...finding,
    path: place ?? ['ablation'],
    message: `variant "${variant.name}": ${where}: ${finding.message}`,
  };
}

/** What is wrong with an ablation's design: empty factors, equal names, levels that change the same path. */
export function designFindings(ablation: AblationSpec): Finding[] {
  if (ablation.design === 'list') {
    const seen = new Set([baselineName]);
    return ablation.variants.flatMap((variant, index): Finding[] => {
      const path = ['ablation', 'variants', index, 'name'];
      const taken = seen.has(variant.name);
      seen.add(variant.name);
      if (!taken) return [];
      const message =
        variant.name === baselineName
          ? `"${baselineName}" is the spec as written; expected another name`
          : `two variants are named "${variant.name}"`;
      return [{ path, message, suggestion: null }];
    });
  }
  const findings: Finding[] = [];
  const path = ['ablation', 'factors'];
  const factors = levelsOf(ablation.factors);
  if (factors.length === 0)
    findings.push({ path, message: 'expected at least one factor', suggestion: null });
  for (const [factor, levels] of Object.entries(ablation.factors)) {
    if (Object.keys(levels).length === 0) {
      findings.push({ path: [...path, factor], message: 'expected at least one level', suggestion: null });
    }
  }
  const names = new Set([baselineName]);
  for (const { factor, level, name } of factors.flat()) {
    if (names.has(name)) {
      const message = `the variant's name "${name}" is taken; expected another name of the factor or level`;
      findings.push({ path: [...path, factor, level], message, suggestion: null });
    }
    names.add(name);
    if (level === baselineName) {
      const message = `"${baselineName}" is the spec as written; expected another name of the level`;
      findings.push({ path: [...path, factor, level], message, suggestion: null });
    }
  }
  if (ablation.design === 'full-factorial') findings.push(...conflictFindings(factors));
  return findings;
}

/** Two factors of a factorial may not change the same path, nor one a part of what the other replaces. */
function conflictFindings(factors: Level[][]): Finding[] {
  const findings: Finding[] = [];
  const owners = new Map<string, string>();
  const parts = factors
    .flat()
    .flatMap((level) =>
      level.parts.flatMap(({ path, patch }) =>
        Object.keys(patch).map((key) => ({ factor: level.factor, key, path: [...path, key] })),
      ),
    );
  for (const { factor, key } of parts) if (!owners.has(key)) owners.set(key, factor);
  const replaced = new Map<string, Set<string>>();
  for (const { factor, key } of parts) {
    const segments = key.split('.');
    for (let length = 1; length <= segments.length; length += 1) {
      const prefix = segments.slice(0, length).join('.');
      const users = replaced.get(prefix) ?? new Set();
      replaced.set(prefix, users.add(factor));
    }
  }
  for (const { factor, key, path } of parts) {
    const others = [...(replaced.get(key) ?? [])].filter((other) => other !== factor);
    if (others.length === 0) continue;
    const message = `the factors "${factor}" and "${others.join('", "')}" both change "${key}"; a full factorial has each path in one factor`;
    findings.push({ path, message, suggestion: null });
  }
  return findings;
}
