// Makes @tensorflow/tfjs-node-gpu run on a current TensorFlow without its own download: the library comes from PyPI's
// wheel, the addon is compiled here. Library and addon are kept in a per-user cache, so a second clone only links.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const require = createRequire(import.meta.url);

const version = '2.21.0';
// Any interpreter can fetch any wheel: the C library inside is the same, so one Python version is asked for everywhere.
const wheelPython = '3.11';
const requirement = { name: process.arch === 'x64' ? 'tensorflow-cpu' : 'tensorflow', version };
/** Hashes of the wheels that were tried; on other platforms pip's own check against the index has to do. */
const wheelHashes = {
  'linux-x64': '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
};
const platform = `${process.platform}-${process.arch}`;
const compilerFlags = [
  '-std=c++17',
  '-O2',
  '-fPIC',
  '-shared',
  '-DNAPI_VERSION=8',
  '-DBUILDING_NODE_EXTENSION',
];

/** A prerequisite that is missing, with the command that installs it. */
export class MissingPrerequisite extends Error {}

async function succeeds(command, args) {
  try {
    await run(command, args);
    return true;
  } catch {
    return false;
  }
}

async function exists(path) {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Names every missing prerequisite of the native library; an empty list when all are there. */
export async function missingPrerequisites() {
  const missing = [];
  if (Number(process.versions.node.split('.')[0]) < 20)
    missing.push(`Node.js 20 or later (this is ${process.versions.node}): https://nodejs.org`);
  if (process.platform !== 'linux')
    missing.push(`Linux (this is ${process.platform}): other systems are not built yet`);
  if (!(await succeeds('python3', ['--version'])))
    missing.push('python3: sudo apt-get install python3 python3-pip');
  else if (!(await succeeds('python3', ['-m', 'pip', '--version'])))
    missing.push("python3's pip: sudo apt-get install python3-pip");
  if (!(await succeeds('g++', ['--version']))) missing.push('g++: sudo apt-get install g++');
  return missing;
}

function cacheRoot() {
  return resolve(
    process.env.FERMENT_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'ferment'),
  );
}

async function fileHash(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

async function downloadWheel(folder, report) {
  const pinned = wheelHashes[platform];
  const requirements = join(folder, 'requirements.txt');
  await writeFile(
    requirements,
    `${requirement.name}==${requirement.version}${pinned ? ` --hash=sha256:${pinned}` : ''}\n`,
  );
  report(`downloading ${requirement.name} ${requirement.version} (about 270 MB, once per user)`);
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--python-version', wheelPython];
  try {
    await run(
      'python3',
      [...args, '--disable-pip-version-check', '--dest', folder, '--requirement', requirements],
      {
        maxBuffer: 1 << 26,
      },
    );
  } catch (error) {
    throw new Error(
      `pip could not download ${requirement.name} ${requirement.version} for ${platform}: ${String(error.stderr ?? error).trim()}\n` +
        'Check the network and `python3 -m pip config list`, then run `node scripts/native-tensorflow.mjs` again.',
      { cause: error },
    );
  }
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new Error(`pip reported success but left no wheel in ${folder}`);
  return join(folder, wheel);
}

const extraction = `
import shutil, sys, zipfile
wanted = ('tensorflow/include/tensorflow/', 'tensorflow/include/xla/', 'tensorflow/include/tsl/', 'tensorflow/include/absl/')
libraries = ('libtensorflow_cc.so.2', 'libtensorflow_framework.so.2')
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if name.rsplit('/', 1)[-1] in libraries or name.startswith(wanted) and name.endswith('.h'):
            wheel.extract(name, sys.argv[2])
`;

/** The folder with libtensorflow_cc, libtensorflow_framework and include/, made when the cache lacks it. */
async function ensureLibrary(cache, report) {
  const target = join(
    cache,
    `${requirement.name}-${version}-${platform}-${wheelHashes[platform]?.slice(0, 16) ?? 'index'}`,
  );
  if (await exists(join(target, 'complete.json'))) return target;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'unpack-'));
  try {
    const wheel = await downloadWheel(work, report);
    const hash = await fileHash(wheel);
    report('unpacking the library and its headers');
    await run('python3', ['-c', extraction, wheel, join(work, 'out')]);
    const unpacked = join(work, 'out', 'tensorflow');
    await writeFile(
      join(unpacked, 'complete.json'),
      JSON.stringify({ wheel: wheel.split('/').at(-1), hash }),
    );
    // Another process may have finished first; either copy is complete, so the loser only cleans up.
    await rename(unpacked, target).catch(async (error) => {
      if (!(await exists(join(target, 'complete.json')))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return target;
}

const bindingSources = ['tfjs_backend.cc', 'tfjs_binding.cc'];

async function addonKey(packageFolder, library) {
  const hash = createHash('sha256');
  const folder = join(packageFolder, 'binding');
  for (const name of (await readdir(folder)).sort())
    hash.update(name).update(await readFile(join(folder, name)));
  hash.update(await readFile(join(library, 'complete.json')));
  hash.update(compilerFlags.join(' ')).update(require('node-api-headers/package.json').version);
  return hash.digest('hex').slice(0, 16);
}

async function ensureAddon(cache, packageFolder, library, report) {
  const target = join(cache, `tfjs-binding-${platform}-${await addonKey(packageFolder, library)}.node`);
  if (await exists(target)) return target;
  report('compiling the TensorFlow addon');
  const work = await mkdtemp(join(cache, 'compile-'));
  try {
    const output = join(work, 'tfjs_binding.node');
    const headers = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
    const sources = bindingSources.map((name) => join(packageFolder, 'binding', name));
    const links = ['-L', library, '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'];
    await run(
      'g++',
      [
        ...compilerFlags,
        '-I',
        headers,
        '-I',
        join(library, 'include'),
        ...sources,
        '-o',
        output,
        ...links,
        '-Wl,-rpath,$ORIGIN/../../deps/lib',
      ],
      { maxBuffer: 1 << 26 },
    ).catch((error) => {
      throw new Error(`g++ could not compile the TensorFlow addon:\n${String(error.stderr ?? error)}`);
    });
    await rename(output, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return target;
}

const libraryLinks = {
  'libtensorflow_cc.so.2': 'libtensorflow_cc.so.2',
  'libtensorflow.so.2': 'libtensorflow_cc.so.2',
  'libtensorflow.so': 'libtensorflow_cc.so.2',
  'libtensorflow_framework.so.2': 'libtensorflow_framework.so.2',
  'libtensorflow_framework.so': 'libtensorflow_framework.so.2',
};

/** Where the package itself and the engine load the addon from: version 8 of Node's native interface. */
function addonPlace(packageFolder) {
  return join(packageFolder, 'lib', 'napi-v8', 'tfjs_binding.node');
}

async function install(packageFolder, library, addon) {
  const place = addonPlace(packageFolder);
  const deps = join(packageFolder, 'deps', 'lib');
  await rm(deps, { recursive: true, force: true });
  await mkdir(deps, { recursive: true });
  for (const [name, file] of Object.entries(libraryLinks))
    await symlink(join(library, file), join(deps, name));
  await mkdir(dirname(place), { recursive: true });
  await cp(addon, place);
}

const proof = `
  const util = require('node:util');
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
  const tf = require('@tensorflow/tfjs-node-gpu');
  const product = tf.matMul([[1, 2], [3, 4]], [[5], [6]]).dataSync();
  if (product[0] !== 17 || product[1] !== 39) throw new Error('a matrix product came out as ' + product);
  console.log(tf.backend().binding.TF_Version);
`;

/** Runs one op in a process of its own; returns TensorFlow's version. Throws with that process's words on failure. */
export async function verifyNativeTensorflow() {
  try {
    const { stdout } = await run(process.execPath, ['--no-deprecation', '-e', proof], {
      cwd: dirname(import.meta.dirname),
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' },
    });
    return stdout.trim().split('\n').at(-1);
  } catch (error) {
    throw new Error(`TensorFlow was installed but does not run an op:\n${String(error.stderr ?? error)}`, {
      cause: error,
    });
  }
}

/**
 * Makes the native TensorFlow work for this checkout; does nothing but compare stamps when it already does.
 *
 * @param options.report  told what is being done, one line each
 * @param options.verify  run an op even when nothing changed
 * @returns the TensorFlow version and the cache folder the library lives in
 * @throws MissingPrerequisite naming everything that is missing and how to install it
 */
export async function ensureNativeTensorflow({ report = () => {}, verify = false } = {}) {
  const missing = await missingPrerequisites();
  if (missing.length > 0)
    throw new MissingPrerequisite(
      `The native TensorFlow needs:\n${missing.map((line) => `  - ${line}`).join('\n')}`,
    );
  const packageFolder = dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json'));
  const cache = join(cacheRoot(), 'native');
  const library = await ensureLibrary(cache, report);
  const addon = await ensureAddon(cache, packageFolder, library, report);
  const stamp = join(packageFolder, 'deps', 'installed.json');
  const wanted = JSON.stringify({ library, addon });
  const intact =
    (await readFile(stamp, 'utf8').catch(() => '')) === wanted && (await exists(addonPlace(packageFolder)));
  if (!intact || verify) {
    if (!intact) await install(packageFolder, library, addon);
    report('running an op');
    await verifyNativeTensorflow();
    await writeFile(stamp, wanted);
  }
  return { version, library };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const result = await ensureNativeTensorflow({ report: (line) => console.log(line), verify: true });
    console.log(`TensorFlow ${result.version} works (${result.library})`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
