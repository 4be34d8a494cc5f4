import { runCommand } from '../src/index.js';

/** Runs a command line as a process without a terminal would: its exit code, and what it wrote. */
export async function runWith(args: readonly string[], env: Record<string, string>) {
  let [out, error] = ['', ''];
  const code = await runCommand(args, {
    streams: { out: (text) => (out += text), error: (text) => (error += text), columns: null },
    env,
    signal: new AbortController().signal,
  });
  return { code, out, error };
}
