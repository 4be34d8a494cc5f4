import { canonicalJson } from './canonical.js';
import { modelCatalog } from './models.js';
import { nearestName } from './nearest.js';
import type { ExperimentSpec, StageSpec } from './spec.js';
import { oneOf, type Finding } from './spec-findings.js';

/** A stage that another stage reads, and where the spec says so. */
interface Reference {
  stage: string;
  path: (string | number)[];
}

/** Far above any graph a person writes; keeps the walk below shallow. */
const mostStages = 500;

/** Stages whose checkpoints a stage reads: its teachers, and where it starts from. */
export function stageReferences(name: string, stage: StageSpec): Reference[] {
  if (stage.kind === 'train') return [];
  const teachers = stage.teachers.map((teacher, index) => ({
    stage: teacher,
    path: ['stages', name, 'teachers', index],
  }));
  if (stage.start === undefined) return teachers;
  return [...teachers, { stage: stage.start, path: ['stages', name, 'start'] }];
}

/** A stage by name; undefined where the spec has none of that name. */
export function stageOf(spec: ExperimentSpec, name: string): StageSpec | undefined {
  return Object.hasOwn(spec.stages, name) ? spec.stages[name] : undefined;
}

/**
 * What a schema cannot say: references that lead nowhere or in a circle, inputs too small for a model, a start
 * whose weights do not fit. All stages must have the data's label space, which one `data` gives them by construction.
 */
export function referenceFindings(spec: ExperimentSpec): Finding[] {
  const findings: Finding[] = [];
  const names = Object.keys(spec.stages);
  if (names.length > mostStages) {
    return [
      {
        path: ['stages'],
        message: `expected at most ${mostStages} stages, got ${names.length}`,
        suggestion: null,
      },
    ];
  }
  const noStage = (path: (string | number)[], name: string) =>
    findings.push({
      path,
      message: `no stage "${name}"; expected ${oneOf(names)}`,
      suggestion: nearestName(name, names),
    });

  if (stageOf(spec, 'export')) {
    findings.push({
      path: ['stages', 'export'],
      message: `"export" names another job of a trial`,
      suggestion: null,
    });
  }
  if (!stageOf(spec, spec.result)) noStage(['result'], spec.result);
  for (const [name, stage] of Object.entries(spec.stages)) {
    const seen = new Set<string>();
    for (const reference of stageReferences(name, stage)) {
      const isTeacher = reference.path.includes('teachers');
      if (!stageOf(spec, reference.stage)) noStage(reference.path, reference.stage);
      else if (isTeacher && seen.has(reference.stage)) {
        findings.push({
          path: reference.path,
          message: `"${reference.stage}" stands here twice`,
          suggestion: null,
        });
      }
      if (isTeacher) seen.add(reference.stage);
    }
    findings.push(...modelFindings(spec, name, stage));
  }
  findings.push(...cycleFindings(spec), ...evaluationFindings(spec));
  return findings;
}

function modelFindings(spec: ExperimentSpec, name: string, stage: StageSpec): Finding[] {
  const findings: Finding[] = [];
  const { minimumSize } = modelCatalog[stage.model.name];
  if (spec.data.preprocess.size < minimumSize) {
    findings.push({
      path: ['data', 'preprocess', 'size'],
      message: `expected at least ${minimumSize} for ${stage.model.name} of stage "${name}", got ${spec.data.preprocess.size}`,
      suggestion: null,
    });
  }
  const start =
    stage.kind === 'distill' && stage.start !== undefined ? stageOf(spec, stage.start) : undefined;
  if (start && canonicalJson(start.model) !== canonicalJson(stage.model)) {
    findings.push({
      path: ['stages', name, 'start'],
      message: 'expected a stage with the same model, whose weights this stage can start from',
      suggestion: null,
    });
  }
  return findings;
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
        findings.push({ path: reference.path, message: `stages in a circle: ${circle}`, suggestion: null });
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
    if (seen.has(entry.dataset)) {
      return [{ path, message: `"${entry.dataset}" stands here twice`, suggestion: null }];
    }
    seen.add(entry.dataset);
    const { dataset, version, protocol } = spec.data;
    const differs =
      (entry.version !== undefined && entry.version !== version) ||
      (entry.protocol !== undefined && entry.protocol !== protocol);
    if (entry.dataset === dataset && differs) {
      const message = `"${dataset}" is the experiment's own data and is scored under its version and protocol`;
      return [{ path, message, suggestion: null }];
    }
    return [];
  });
}
