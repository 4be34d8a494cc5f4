import {
  canonicalJson,
  plannedConfigurations,
  type AblationSpec,
  type ExperimentSpec,
  type ExtendExperiment,
  type SearchSpec,
} from '@ferment/contracts';
import { invalidField } from '../common/problem.js';

/**
 * The spec with more seeds, factors, levels or variants behind those it has, or a longer search.
 *
 * @throws Problem invalid where a level or variant that exists would get another patch, or the design has no such part
 */
export function extendedSpec(spec: ExperimentSpec, added: ExtendExperiment): ExperimentSpec {
  const { trials, ...rest } = added;
  if (spec.search) return { ...spec, search: longerSearch(spec.search, trials, rest) };
  if (trials !== undefined)
    throw invalidField('trials', 'the experiment is no search: expected "seeds", "factors" or "variants"');
  if (spec.earlyStop) {
    const [field = 'seeds'] = Object.keys(rest);
    throw invalidField(
      field,
      'early stopping has compared what the experiment has: submit the larger spec, what was finished is used again',
    );
  }
  const seeds = [...new Set([...spec.seeds, ...(added.seeds ?? [])])];
  return { ...spec, seeds, ablation: extendedAblation(spec.ablation, added) };
}

function longerSearch(
  search: SearchSpec,
  trials: number | undefined,
  rest: Omit<ExtendExperiment, 'trials'>,
): SearchSpec {
  const [field] = Object.keys(rest);
  if (field !== undefined || trials === undefined)
    throw invalidField(field ?? 'trials', 'a search is extended by configurations: expected "trials"');
  return { ...search, trials: plannedConfigurations(search) + trials };
}

function extendedAblation(ablation: AblationSpec | null, added: ExtendExperiment): AblationSpec | null {
  const { factors, variants } = added;
  if (factors && variants) throw invalidField('variants', 'expected either "factors" or "variants"');
  if (factors) {
    if (ablation?.design === 'list') {
      throw invalidField('factors', 'the experiment lists its variants: expected "variants"');
    }
    const { design, factors: present } = ablation ?? { design: 'one-at-a-time' as const, factors: {} };
    const merged = { ...present };
    for (const [factor, levels] of Object.entries(factors)) {
      merged[factor] = { ...merged[factor] };
      for (const [level, patch] of Object.entries(levels)) {
        refuseOther(`factors.${factor}.${level}`, merged[factor][level], patch);
        merged[factor][level] = patch;
      }
    }
    return { design, factors: merged };
  }
  if (variants) {
    if (ablation && ablation.design !== 'list') {
      throw invalidField('variants', `the experiment's design is ${ablation.design}: expected "factors"`);
    }
    const present = ablation?.variants ?? [];
    const fresh = variants.filter((variant, index) => {
      const same = present.find(({ name }) => name === variant.name);
      refuseOther(`variants.${index}`, same?.patch, variant.patch);
      return !same;
    });
    return { design: 'list', variants: [...present, ...fresh] };
  }
  return ablation;
}

function refuseOther(path: string, present: unknown, wanted: unknown): void {
  if (present === undefined || canonicalJson(present) === canonicalJson(wanted)) return;
  throw invalidField(path, 'the experiment has this name already, with another patch: expected a new name');
}
