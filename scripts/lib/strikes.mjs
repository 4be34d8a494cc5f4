// kill -9 at a chosen moment of a run: which process, during what, and the record of having hit it.
import { watch } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const trainingKinds = ['train', 'distill', 'adversarial'];
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** A job that trains, has begun and is not at its end. */
const training = ({ job, progress }) =>
  trainingKinds.includes(job.kind) && progress.done > 0 && progress.done < progress.total;

/** An evaluation that attacks its network, once the attacks have begun. */
const attack = ({ job, progress }) =>
  job.kind === 'evaluate' &&
  job.params.robustness !== null &&
  progress.done > 0 &&
  progress.done < progress.total;

/** The processes of a stack that `ferment up` runs on a folder. */
export class Processes {
  constructor(folder) {
    this.folder = folder;
  }

  async #recorded(name) {
    const text = await readFile(join(this.folder, 'processes.json'), 'utf8').catch(() => '{}');
    return JSON.parse(text)[name]?.pid;
  }

  worker() {
    return this.#recorded('worker');
  }

  api() {
    return this.#recorded('api');
  }

  async postgres() {
    const here = join(this.folder, 'postgres');
    // Root's database may stand elsewhere: then a file says where.
    const moved = await readFile(join(here, 'MOVED'), 'utf8').catch(() => here);
    const text = await readFile(join(moved.trim(), 'data/postmaster.pid'), 'utf8').catch(() => '');
    return Number(text.split('\n')[0]) || undefined;
  }

  /** The process that computes a job, as the worker's log names it. */
  async child(job) {
    const log = await readFile(join(this.folder, 'logs/worker.log'), 'utf8').catch(() => '');
    const started = log
      .split('\n')
      .filter((line) => line.includes(job.id) && line.includes('"child":'))
      .at(-1);
    return started && JSON.parse(started).child;
  }
}

/** Strikes each process once, when its moment comes, and none while another one recovers. */
export class Strikes {
  /**
   * @param jobs what is known of the run's jobs now, attempts included
   * @param say  is told of each kill
   */
  constructor(folder, jobs, say) {
    this.folder = folder;
    this.jobs = jobs;
    this.say = say;
    this.processes = new Processes(folder);
    this.hits = [];
    this.open = [
      { process: 'child', during: 'a training', when: training },
      { process: 'postgres', during: 'an attack', when: attack },
      { process: 'api', during: 'an attack', when: attack },
    ];
    this.uploads = { process: 'worker', during: 'an upload', hit: false };
    this.busy = false;
    /** The job that last told how far it is. */
    this.latest = [];
  }

  /** What was not struck: its moment never came. */
  get missed() {
    const left = this.open.map(({ process, during }) => `${process} during ${during}`);
    return this.uploads.hit ? left : [...left, 'worker during an upload'];
  }

  /** A running job has told how far it is. */
  async progress(moment) {
    this.latest = [moment.job];
    const at = this.open.findIndex(({ when }) => when(moment));
    if (at < 0 || this.busy) return;
    const [strike] = this.open.splice(at, 1);
    await this.#strike(strike, moment);
  }

  /**
   * Waits for a file that is being stored and kills the worker that stores it. What it leaves half written is the
   * evidence: the moment counts only where a temporary file stays behind.
   */
  watchUploads() {
    const folder = join(this.folder, 'artifacts/temporary');
    const stop = new AbortController();
    void (async () => {
      await mkdir(folder, { recursive: true });
      const watcher = watch(folder, { signal: stop.signal }, () => void this.#upload(folder));
      watcher.on('error', () => undefined);
    })();
    return () => stop.abort();
  }

  async #upload(folder) {
    // The first uploads belong to imports; a checkpoint's comes while something trains.
    if (this.uploads.hit || this.busy || this.hits.length === 0) return;
    this.busy = true;
    const pid = await this.processes.worker();
    if (pid === undefined) {
      this.busy = false;
      return;
    }
    kill(pid);
    const left = await readdir(folder).catch(() => []);
    if (left.length > 0) {
      this.uploads.hit = true;
      // What is known of the jobs is up to a second old.
      const known = this.jobs().filter(({ state }) => state === 'running');
      const running = known.length > 0 ? known : this.latest;
      this.#record({ process: 'worker', during: 'an upload' }, pid, running, `temporary file ${left[0]}`);
    }
    await this.#recovered('worker', pid);
    this.busy = false;
  }

  async #strike(strike, { job, progress }) {
    this.busy = true;
    const pid = await this.processes[strike.process](job);
    if (pid === undefined) {
      this.open.push(strike);
      this.busy = false;
      return;
    }
    const before = this.#attempts(job);
    kill(pid);
    this.#record(strike, pid, [job], `${progress.done} of ${progress.total} ${progress.unit}`);
    if (strike.process === 'child')
      await until(`${job.kind} ${job.id} is taken up again`, () => this.#attempts(job) > before);
    else await this.#recovered(strike.process, pid);
    this.busy = false;
  }

  #attempts({ id }) {
    return this.jobs().find((job) => job.id === id)?.attempts.length ?? 0;
  }

  #record({ process, during }, pid, jobs, where) {
    const hit = {
      time: new Date().toISOString(),
      process,
      pid,
      during,
      jobs: jobs.map(({ id, kind, stage }) => ({ id, kind, stage })),
      where,
    };
    this.hits.push(hit);
    const names = jobs.map(({ id, kind, stage }) => `${kind} ${stage ?? ''} ${id}`).join(' and ');
    this.say(`kill -9 ${process} (${pid}) during ${during}: ${names}, ${where}`);
  }

  async #recovered(name, before) {
    await until(`the ${name} runs again`, async () => {
      const now = await this.processes[name]();
      return now !== undefined && now !== before && alive(now);
    });
  }
}

/** Waits for a condition, two minutes at most. */
async function until(what, condition) {
  const limit = Date.now() + 120_000;
  while (!(await condition())) {
    if (Date.now() > limit) throw new Error(`two minutes after a kill it is not true that ${what}`);
    await pause(100);
  }
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself in this very moment.
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
