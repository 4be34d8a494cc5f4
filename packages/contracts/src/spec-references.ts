import { canonicalJson } from './canonical.js';
import { mixingProblem, type MixedTraining } from './mixing.js';
import { modelCatalog } from './models.js';
import { nearestName } from './nearest.js';
import { attackRunName, attackRuns } from './robustness.js';
import { isTrainingKind, type ExperimentSpec, type StageOf, type StageSpec } from './spec.js';
import { oneOf, type Finding } from './spec-findings.js';
import { memberStages, referable, stageOf, stageReferences, stageTraining, startModel } from './stages.js';

/** Far above any graph a person writes; keeps the walk below shallow. */
const mostStages = 500;

/**
 * What a schema cannot say: references that lead nowhere, to a stage of the wrong kind or in a circle, inputs too
 * small for a model, a start whose weights do not fit. All stages have the data's label space, which one `data` gives
 * them by construction.
 */
export function referenceFindings(spec: ExperimentSpec): Finding[] {
  const names = Object.keys(spec.stages);
  if (names.length > mostStages) {
    return [finding(['stages'], `expected at most ${mostStages} stages, got ${names.length}`)];
  }
  const findings: Finding[] = [];
  if (stageOf(spec, 'export')) {
    findings.push(finding(['stages', 'export'], '"export" names another job of a trial'));
  }
  const result = stageOf(spec, spec.result);
  if (!result) findings.push(noStage(spec, ['result'], spec.result));
  else if (result.kind === 'refine' || result.kind === 'weights') {
    const what = result.kind === 'refine' ? 'refines data' : 'reads weights and trains nothing';
    findings.push(finding(['result'], `"${spec.result}" ${what}; expected a stage with a network`));
  }
  for (const [name, stage] of Object.entries(spec.stages)) {
    const own = ownFindings(spec, name, stage);
    findings.push(...own);
    if (own.length === 0) findings.push(...stageFindings(spec, name, stage));
  }
  findings.push(...cycleFindings(spec), ...evaluationFindings(spec), ...attackFindings(spec));
  return findings;
}

const finding = (path: (string | number)[], message: string, suggestion: string | null = null): Finding => ({
  path,
  message,
  suggestion,
});

function noStage(spec: ExperimentSpec, path: (string | number)[], name: string): Finding {
  const names = Object.keys(spec.stages);
  return finding(path, `no stage "${name}"; expected ${oneOf(names)}`, nearestName(name, names));
}

/** References of one stage that lead nowhere, to the wrong kind, or to the same stage twice. */
function ownFindings(spec: ExperimentSpec, name: string, stage: StageSpec): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const { stage: target, role, path } of stageReferences(name, stage)) {
    const found = stageOf(spec, target);
    const key = `${role} ${target}`;
    if (!found) findings.push(noStage(spec, path, target));
    else if (!referable[role].includes(found.kind)) {
      const kinds = oneOf(referable[role]);
      findings.push(finding(path, `"${target}" is a stage of kind "${found.kind}"; expected ${kinds}`));
    } else if (seen.has(key)) findings.push(finding(path, `"${target}" stands here twice`));
    seen.add(key);
  }
  return findings;
}

function stageFindings(spec: ExperimentSpec, name: string, stage: StageSpec): Finding[] {
  switch (stage.kind) {
    case 'refine':
      return refineFindings(spec, name, stage);
    case 'train':
      return [
        ...sizeFindings(spec, name, stage),
        ...startFindings(spec, name, stage),
        ...mixFindings(spec, name, null),
      ];
    case 'distill':
      return [
        ...sizeFindings(spec, name, stage),
        ...startFindings(spec, name, stage),
        ...teacherFindings(spec, name, stage),
        ...mixFindings(spec, name, stage.method),
      ];
    case 'ensemble': {
      const { weights } = stage.fusion;
      if (weights === undefined) return [];
      const path = ['stages', name, 'fusion', 'weights'];
      const sum = weights.reduce((total, weight) => total + weight, 0);
      if (weights.length !== stage.members.length) {
        const message = `expected one weight for each of the ${stage.members.length} members, got ${weights.length}`;
        return [finding(path, message)];
      }
      return Math.abs(sum - 1) < 1e-6 ? [] : [finding(path, `expected weights whose sum is 1, got ${sum}`)];
    }
    case 'weights':
      return tooSmall(spec, name, stage.model);
    case 'adversarial':
      if (stage.train === undefined && stageOf(spec, stage.start)?.kind === 'weights') {
        const message = `missing; "${stage.start}" was not trained here and has none to take over`;
        return [finding(['stages', name, 'train'], message)];
      }
      return mixFindings(spec, name, stage.method);
    case 'calibrate':
      return [];
  }
}

function mixFindings(spec: ExperimentSpec, name: string, method: MixedTraining['method']): Finding[] {
  const training = stageTraining(spec, name);
  const problem = training && mixingProblem({ ...training, method });
  if (problem === null) return [];
  const key = training?.train.mixup === 0 ? 'cutmix' : 'mixup';
  return [finding(['stages', name, 'train', key], problem)];
}

function tooSmall(spec: ExperimentSpec, name: string, model: StageOf<'train'>['model']): Finding[] {
  const { minimumSize } = modelCatalog[model.name];
  const { size } = spec.data.preprocess;
  if (size >= minimumSize) return [];
  const message = `expected at least ${minimumSize} for ${model.name} of stage "${name}", got ${size}`;
  return [finding(['data', 'preprocess', 'size'], message)];
}

const sizeFindings = (spec: ExperimentSpec, name: string, { model }: StageOf<'train'> | StageOf<'distill'>) =>
  tooSmall(spec, name, model);

function refineFindings(spec: ExperimentSpec, name: string, { steps }: StageOf<'refine'>): Finding[] {
  const withErrors = steps.flatMap((step, index) => (step.labelErrors ? [{ step, index }] : []));
  return withErrors.flatMap(({ step, index }, at) => {
    const path = ['stages', name, 'steps', index, 'labelErrors'];
    if (at > 0) return [finding(path, 'expected one labelErrors step: its predictions are made once')];
    return step.labelErrors ? tooSmall(spec, name, step.labelErrors.model) : [];
  });
}

function startFindings(
  spec: ExperimentSpec,
  name: string,
  stage: StageOf<'train'> | StageOf<'distill'>,
): Finding[] {
  const model = stage.start === undefined ? null : startModel(spec, stage.start);
  if (model === null || canonicalJson(model) === canonicalJson(stage.model)) return [];
  const message = 'expected a stage with the same model, whose weights this stage can start from';
  return [finding(['stages', name, 'start'], message)];
}

/** Whether a method weighs its teachers by predictions of images that they were not trained on. */
export function needsOutOfFold({ method }: StageOf<'distill'>): boolean {
  return method.name === 'eadd' && (method.classStrength || (method.reliability && !method.labelFree));
}

function teacherFindings(spec: ExperimentSpec, name: string, stage: StageOf<'distill'>): Finding[] {
  if (!needsOutOfFold(stage)) return [];
  return stage.teachers.flatMap((teacher, index) => {
    const found = stageOf(spec, teacher);
    const apart = found?.kind === 'train' && found.start === undefined;
    if (apart) return [];
    // What a network has seen before is not known fold by fold.
    const what =
      found?.kind === 'train' ? 'starts from another stage' : `is a stage of kind "${found?.kind}"`;
    const message =
      `"${teacher}" ${what}, which has no out-of-fold predictions; expected "train" from scratch, ` +
      'or a method with classStrength and reliability false';
    return [finding(['stages', name, 'teachers', index], message)];
  });
}

function cycleFindings(spec: ExperimentSpec): Finding[] {
  const findings: Finding[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (name: string): void => {
    const stage = stageOf(spec, name);
    if (!stage || done.has(name)) return;
    trail.push(name);
    for (const reference of stageReferences(name, stage)) {
      const from = trail.indexOf(reference.stage);
      if (from === -1) visit(reference.stage);
      else {
        const circle = [...trail.slice(from), reference.stage].join(' -> ');
        findings.push(finding(reference.path, `stages in a circle: ${circle}`));
      }
    }
    trail.pop();
    done.add(name);
  };
  for (const name of Object.keys(spec.stages)) visit(name);
  return findings;
}

function evaluationFindings(spec: ExperimentSpec): Finding[] {
  const seen = new Set<string>();
  return spec.evaluate.on.flatMap((entry, index): Finding[] => {
    const path = ['evaluate', 'on', index, 'dataset'];
    if (seen.has(entry.dataset)) return [finding(path, `"${entry.dataset}" stands here twice`)];
    seen.add(entry.dataset);
    const { dataset, version, protocol } = spec.data;
    const differs =
      (entry.version !== undefined && entry.version !== version) ||
      (entry.protocol !== undefined && entry.protocol !== protocol);
    if (entry.dataset === dataset && differs) {
      return [
        finding(
          path,
          `"${dataset}" is the experiment's own data and is scored under its version and protocol`,
        ),
      ];
    }
    return [];
  });
}

function attackFindings({ evaluate }: ExperimentSpec): Finding[] {
  const names = attackRuns(evaluate.attacks).map(attackRunName);
  if (new Set(names).size === names.length) return [];
  return [finding(['evaluate', 'attacks'], 'the same attack stands twice at one epsilon')];
}

/** Whether a stage's network was trained against attacks. */
function isRobust(spec: ExperimentSpec, name: string): boolean {
  return memberStages(spec, name).every((member) => {
    const stage = stageOf(spec, member);
    if (stage?.kind === 'adversarial') return true;
    if (stage?.kind !== 'distill' || stage.method.name !== 'eadd') return false;
    return stage.method.adversarial !== null && stage.method.adversarial.weight > 0;
  });
}

function robustTeacherWarnings(spec: ExperimentSpec): string[] {
  return Object.entries(spec.stages).flatMap(([name, stage]) => {
    if (stage.kind !== 'distill' || stage.method.name !== 'eadd') return [];
    if (stage.method.adversarial?.term !== 'rslad') return [];
    const standard = stage.teachers.filter((teacher) => !isRobust(spec, teacher));
    if (standard.length === 0) return [];
    return [
      `stage "${name}" learns robustness from teachers that were not trained adversarially: ` +
        `${standard.join(', ')}; expected stages of kind "adversarial", or adversarial.term "trades"`,
    ];
  });
}

function foreignWarnings(spec: ExperimentSpec): string[] {
  return Object.entries(spec.stages).flatMap(([name, stage]) =>
    stage.kind === 'weights'
      ? [`the weights of "${name}" come from a file: no check can tell whether they have seen test images`]
      : [],
  );
}

/** What a spec does that a reader should know of; none of it stops the spec. */
export function specWarnings(spec: ExperimentSpec): string[] {
  const warnings = [...robustTeacherWarnings(spec), ...foreignWarnings(spec)];
  const result = stageOf(spec, spec.result);
  if (!result || isTrainingKind(result.kind)) return warnings;
  const members = memberStages(spec, spec.result).join(', ');
  return [
    ...warnings,
    `the result "${spec.result}" is made of ${members}: it is scored, but not exported as one file`,
  ];
}
