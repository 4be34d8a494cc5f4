// npm test: set-up, then lint, types and every Jest suite. Suites that need Redis, an S3 server, Chromium or the real
// data run where those are installed; elsewhere they are named as skipped. With CI=true a skip that is not on
// test/allowed-skips.json is a failure. The last line is `N passed, N failed[, N skipped]`.
// Words after `--` go to Jest: npm test -- packages/planner
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { unnamedSkips } from './lib/skips.mjs';
import { quietly, reporter, repository, shown, tool } from './lib/steps.mjs';
import { setUp } from './lib/set-up.mjs';

const strict = /^(1|true)$/i.test(process.env.CI ?? '');
const chosen = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'ferment-test-run-'));
const count = { passed: 0, failed: 0, skipped: 0 };
const complaints = [];

async function check(report, name, title, programs) {
  try {
    await report.step(name, title, async () => {
      for (const [program, ...args] of programs) await quietly(process.execPath, [tool(program), ...args]);
    });
    count.passed += 1;
  } catch (error) {
    count.failed += 1;
    complaints.push(error.message);
  }
}

/** What `describeWith` reported: suites that were left out, and what each lacked. */
async function namedSkips(file) {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

async function runJest() {
  const [outcome, skips] = [join(folder, 'outcome.json'), join(folder, 'skips.jsonl')];
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', tool('jest')];
  await shown(process.execPath, [...flags, '--json', `--outputFile=${outcome}`, ...chosen], {
    env: { ...process.env, FERMENT_SKIPS: skips },
    // With --json Jest repeats everything on standard output; its words for people go to standard error.
    stdio: ['inherit', 'ignore', 'inherit'],
  });
  const result = await readFile(outcome, 'utf8').then(JSON.parse, () => null);
  if (result === null) {
    count.failed += 1;
    complaints.push('Jest ended without a result.');
    return;
  }
  count.passed += result.numPassedTests;
  count.failed += result.numFailedTests;
  count.skipped += result.numPendingTests + result.numTodoTests;
  for (const suite of result.testResults) {
    const tests = suite.assertionResults;
    if (suite.status === 'failed' && !tests.some(({ status }) => status === 'failed')) {
      count.failed += 1;
      complaints.push(`${relative(repository, suite.name)} did not run:\n${suite.message}`);
    }
  }
  const pending = result.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => !['passed', 'failed'].includes(status))
      .map((test) => ({ ...test, file: relative(repository, name) })),
  );
  await judgeSkips(await namedSkips(skips), pending);
}

async function judgeSkips(named, pending) {
  for (const { suite, missing, install } of named)
    console.log(`skipped: ${suite} (needs ${missing.join(', ')}: ${install.join('; ')})`);
  if (!strict) return;
  const allowed = JSON.parse(await readFile(join(repository, 'test/allowed-skips.json'), 'utf8'));
  const refused = named.filter(({ missing }) => missing.some((need) => !(need in allowed)));
  for (const { suite, missing } of refused)
    complaints.push(`Skipped in CI, and not allowed to be: ${suite} (${missing.join(', ')})`);
  complaints.push(...unnamedSkips(named, pending));
}

try {
  const report = reporter();
  console.log('Setting up');
  await setUp(report);
  if (chosen.length === 0) {
    console.log('Checking');
    await check(report, 'types', 'types', [
      ['tsc', '-b'],
      ['tsc', '--noEmit', '-p', 'apps/dashboard/tsconfig.check.json'],
    ]);
    await check(report, 'lint', 'lint', [['eslint', '.']]);
    await check(report, 'format', 'format', [['prettier', '--check', '.']]);
    await check(report, 'imports', 'imports', [
      ['depcruise', '--config', '.dependency-cruiser.mjs', 'packages', 'apps'],
    ]);
  }
  console.log('Testing');
  await runJest();
} catch (error) {
  count.failed += 1;
  complaints.push(error instanceof Error ? error.message : String(error));
} finally {
  await rm(folder, { recursive: true, force: true });
}
for (const complaint of complaints) console.error(`\n${complaint}`);
console.log(
  `\n${count.passed} passed, ${count.failed} failed${count.skipped ? `, ${count.skipped} skipped` : ''}`,
);
process.exitCode = count.failed > 0 || complaints.length > 0 ? 1 : 0;
