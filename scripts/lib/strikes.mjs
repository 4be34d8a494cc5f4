// kill -9 at a chosen moment of a run: which process, during what, and the record of having hit it.
import { readdirSync, readFileSync, watch } from 'node:fs';
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

  /** One of the processes that compute, which the worker started. */
  async child() {
    const parent = await this.worker();
    for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, of] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (state !== 'Z' && Number(of) === parent) return Number(name);
      } catch {
        // It ended meanwhile.
      }
    }
    return undefined;
  }
}

/** Strikes each process once, when its moment comes, and none while another one recovers. */
export class Strikes {
  constructor(folder, say) {
    this.folder = folder;
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
  }

  /** What was not struck: its moment never came. */
  get missed() {
    const left = this.open.map(({ process, during }) => `${process} during ${during}`);
    return this.uploads.hit ? left : [...left, 'worker during an upload'];
  }

  /** A running job has told how far it is. */
  async progress(moment) {
    const at = this.open.findIndex(({ when }) => when(moment));
    if (at < 0 || this.busy) return;
    const [strike] = this.open.splice(at, 1);
    await this.#strike(strike, moment);
  }

  /**
   * Waits for a file that is being stored and kills the worker that stores it. What it leaves half written is the
   * evidence: the moment counts only where a temporary file stays behind.
   */
  watchUploads(jobs) {
    const folder = join(this.folder, 'artifacts/temporary');
    const stop = new AbortController();
    void (async () => {
      await mkdir(folder, { recursive: true });
      const watcher = watch(folder, { signal: stop.signal }, () => void this.#upload(folder, jobs));
      watcher.on('error', () => undefined);
    })();
    return () => stop.abort();
  }

  async #upload(folder, jobs) {
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
      const running = jobs().filter(({ state }) => state === 'running');
      const [job] = running;
      this.#record({ process: 'worker', during: 'an upload' }, pid, job, `temporary file ${left[0]}`);
    }
    await this.#recovered('worker', pid);
    this.busy = false;
  }

  async #strike(strike, { job, progress }) {
    this.busy = true;
    const pid = await this.processes[strike.process]();
    if (pid === undefined) {
      this.open.push(strike);
      this.busy = false;
      return;
    }
    kill(pid);
    this.#record(strike, pid, job, `${progress.done} of ${progress.total} ${progress.unit}`);
    if (strike.process !== 'child') await this.#recovered(strike.process, pid);
    else await pause(2000);
    this.busy = false;
  }

  #record({ process, during }, pid, job, where) {
    const hit = {
      time: new Date().toISOString(),
      process,
      pid,
      during,
      job: job?.id ?? null,
      kind: job?.kind ?? null,
      stage: job?.stage ?? null,
      where,
    };
    this.hits.push(hit);
    this.say(
      `kill -9 ${process} (${pid}) during ${during}: ${hit.kind} ${hit.stage ?? ''} ${hit.job}, ${where}`,
    );
  }

  async #recovered(name, before) {
    const limit = Date.now() + 120_000;
    for (;;) {
      const now = await this.processes[name]();
      if (now !== undefined && now !== before && alive(now)) return;
      if (Date.now() > limit) throw new Error(`no ${name} runs two minutes after it was killed`);
      await pause(100);
    }
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
