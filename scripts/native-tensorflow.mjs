// Makes @tensorflow/tfjs-node-gpu run on a current TensorFlow without its own download: the library comes from PyPI's
// wheel, the addon is compiled here. Library and addon are kept in a per-user cache, so a second clone only links.
// With --gpu it is the library that knows NVIDIA's graphics processors, with CUDA's own beside it.
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
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import {
  cudaRequirements,
  driverMissing,
  libraryWheel,
  spaceMissing,
  wantsGpu,
  wheelVersion,
} from './lib/native-wheels.mjs';

const run = promisify(execFile);
const require = createRequire(import.meta.url);

// Any interpreter can fetch any wheel: the C library inside is the same, so one Python version is asked for everywhere.
const wheelPython = '3.11';
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

/** Has pip download wheels as they are, and names the files. */
async function downloadWheels(folder, requirements) {
  await mkdir(folder, { recursive: true });
  const list = join(folder, 'requirements.txt');
  await writeFile(list, `${requirements.join('\n')}\n`);
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--python-version', wheelPython];
  try {
    await run('python3', [...args, '--disable-pip-version-check', '--dest', folder, '--requirement', list], {
      maxBuffer: 1 << 26,
    });
  } catch (error) {
    throw new Error(
      `pip could not download ${requirements.join(', ')} for ${platform}: ${String(error.stderr ?? error).trim()}\n` +
        'Check the network and `python3 -m pip config list`, then run set-up again.',
      { cause: error },
    );
  }
  const wheels = (await readdir(folder)).filter((name) => name.endsWith('.whl'));
  if (wheels.length < requirements.length)
    throw new Error(`pip reported success but left only ${wheels.join(', ') || 'no wheel'} in ${folder}`);
  return wheels.map((name) => join(folder, name));
}

const extraction = `
import sys, zipfile
wanted = ('tensorflow/include/tensorflow/', 'tensorflow/include/xla/', 'tensorflow/include/tsl/', 'tensorflow/include/absl/')
libraries = ('libtensorflow_cc.so.2', 'libtensorflow_framework.so.2')
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if name.rsplit('/', 1)[-1] in libraries or name.startswith(wanted) and name.endswith('.h'):
            wheel.extract(name, sys.argv[2])
        if name.endswith('.dist-info/METADATA'):
            print(wheel.read(name).decode())
`;

/** Libraries, and the compiler that XLA calls (its programs must stay executable); no headers. */
const cudaExtraction = `
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for entry in wheel.infolist():
        parts = entry.filename.split('/')
        if parts[0] == 'nvidia' and len(parts) > 3 and parts[2] in ('lib', 'bin', 'nvvm') and not entry.is_dir():
            path = wheel.extract(entry, sys.argv[2])
            os.chmod(path, 0o755)
`;

/** Loads every library of NVIDIA's. Those that want the driver's own libcuda.so.1 first are left to it. */
const cudaProof = `
import ctypes, glob, sys
failed = []
for path in sorted(glob.glob(sys.argv[1] + '/*/lib/*.so*')):
    try:
        ctypes.CDLL(path)
    except OSError as error:
        if 'libcuda.so.1:' not in str(error):
            failed.append(path + ': ' + str(error))
if failed:
    sys.exit('\\n'.join(failed))
`;

/** CUDA's libraries beside TensorFlow's own folder, which is where its run path looks: ../nvidia. */
async function addCuda(work, metadata, report) {
  const requirements = cudaRequirements(metadata);
  report(`downloading CUDA's libraries: ${requirements.length} wheels (about 2.8 GB, once per user)`);
  const folder = join(work, 'cuda');
  const wheels = await downloadWheels(folder, requirements);
  report("unpacking CUDA's libraries");
  for (const wheel of wheels) {
    await run('python3', ['-c', cudaExtraction, wheel, join(work, 'out')]);
    await rm(wheel);
  }
  await run('python3', ['-c', cudaProof, join(work, 'out', 'nvidia')]).catch((error) => {
    throw new Error(`CUDA's libraries do not load:\n${String(error.stderr ?? error).trim()}`, {
      cause: error,
    });
  });
  return wheels.map((wheel) => basename(wheel));
}

/** The folder with libtensorflow_cc, libtensorflow_framework and include/, made when the cache lacks it. */
async function ensureLibrary(cache, gpu, report) {
  const { name, version, hash: pinned, megabytes } = libraryWheel(platform, gpu);
  const target = join(
    cache,
    `${name}-${version}-${platform}-${pinned?.slice(0, 16) ?? 'index'}${gpu ? '-cuda' : ''}`,
  );
  // With CUDA the library is one folder deeper, so that NVIDIA's can stand beside it.
  const library = gpu ? join(target, 'tensorflow') : target;
  if (await exists(join(library, 'complete.json'))) return library;
  await mkdir(cache, { recursive: true });
  const { bavail, bsize } = await statfs(cache);
  const missing = spaceMissing(gpu, bavail * bsize, cache);
  if (missing) throw new MissingPrerequisite(missing);
  const work = await mkdtemp(join(cache, 'unpack-'));
  try {
    report(`downloading ${name} ${version} (about ${megabytes} MB, once per user)`);
    const requirement = `${name}==${version}${pinned ? ` --hash=sha256:${pinned}` : ''}`;
    const [wheel] = await downloadWheels(join(work, 'wheel'), [requirement]);
    const hash = await fileHash(wheel);
    report('unpacking the library and its headers');
    const { stdout } = await run('python3', ['-c', extraction, wheel, join(work, 'out')], {
      maxBuffer: 1 << 26,
    });
    await rm(wheel);
    const cuda = gpu ? await addCuda(work, stdout, report) : [];
    const unpacked = join(work, 'out', 'tensorflow');
    const wheels = Object.fromEntries([basename(wheel), ...cuda].map(wheelVersion));
    await writeFile(
      join(unpacked, 'complete.json'),
      JSON.stringify({ wheel: basename(wheel), hash, ...(gpu && { wheels }) }),
    );
    // Another process may have finished first; either copy is complete, so the loser only cleans up.
    await rename(gpu ? join(work, 'out') : unpacked, target).catch(async (error) => {
      if (!(await exists(join(library, 'complete.json')))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return library;
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
  const nvidia = join(packageFolder, 'deps', 'nvidia');
  await rm(deps, { recursive: true, force: true });
  await rm(nvidia, { force: true });
  await mkdir(deps, { recursive: true });
  for (const [name, file] of Object.entries(libraryLinks))
    await symlink(join(library, file), join(deps, name));
  // The libraries look for CUDA's at ../nvidia, from where they were opened or from where they lie.
  const cuda = join(dirname(library), 'nvidia');
  if (basename(library) === 'tensorflow' && (await exists(cuda))) await symlink(cuda, nvidia);
  await mkdir(dirname(place), { recursive: true });
  // Anew, not into a file that a running process has open or another checkout shares.
  await rm(place, { force: true });
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

async function stamped(packageFolder) {
  const text = await readFile(join(packageFolder, 'deps', 'installed.json'), 'utf8').catch(() => null);
  return text === null ? null : JSON.parse(text);
}

/**
 * Makes the native TensorFlow work for this checkout; does nothing but compare stamps when it already does.
 *
 * @param options.report  told what is being done, one line each
 * @param options.verify  run an op even when nothing changed
 * @param options.flags   `--gpu` or `--cpu`; else FERMENT_GPU, else as it was set up before
 * @returns the TensorFlow version, the cache folder the library lives in, and whether it knows graphics processors
 * @throws MissingPrerequisite naming everything that is missing and how to install it
 */
export async function ensureNativeTensorflow({ report = () => {}, verify = false, flags = [] } = {}) {
  const missing = await missingPrerequisites();
  if (missing.length > 0)
    throw new MissingPrerequisite(
      `The native TensorFlow needs:\n${missing.map((line) => `  - ${line}`).join('\n')}`,
    );
  const packageFolder = dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json'));
  const before = await stamped(packageFolder);
  const gpu = wantsGpu({ flags, environment: process.env, before: before?.gpu ?? false });
  const { version } = libraryWheel(platform, gpu);
  const cache = join(cacheRoot(), 'native');
  const library = await ensureLibrary(cache, gpu, report);
  const addon = await ensureAddon(cache, packageFolder, library, report);
  const { wheel, wheels } = JSON.parse(await readFile(join(library, 'complete.json'), 'utf8'));
  const wanted = { library, addon, gpu, wheels: wheels ?? Object.fromEntries([wheelVersion(wheel)]) };
  const intact =
    JSON.stringify(before) === JSON.stringify(wanted) && (await exists(addonPlace(packageFolder)));
  if (!intact || verify) {
    if (!intact) await install(packageFolder, library, addon);
    report('running an op');
    await verifyNativeTensorflow();
    const stamp = join(packageFolder, 'deps', 'installed.json');
    await rm(stamp, { force: true });
    await writeFile(stamp, JSON.stringify(wanted));
  }
  if (gpu) {
    const driver = driverMissing(await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => null));
    if (driver) report(driver);
  }
  return { version, library, gpu };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const flags = process.argv.slice(2);
    const result = await ensureNativeTensorflow({ report: (line) => console.log(line), verify: true, flags });
    console.log(`TensorFlow ${result.version} works (${result.library})`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
