/**
 * What to complain about: tests that did not run and that no named skip stands for.
 *
 * @param {{ suite: string, missing: string[] }[]} named what `describeWith` reported (test/support/services.ts)
 * @param {{ file: string, ancestorTitles: string[], fullName: string }[]} pending Jest's tests without an outcome
 * @returns {string[]} one sentence each
 */
export function unnamedSkips(named, pending) {
  const titles = new Set(named.map(({ suite, missing }) => `${suite} (needs ${missing.join(', ')})`));
  return pending
    .filter(({ ancestorTitles }) => !ancestorTitles.some((title) => titles.has(title)))
    .map(({ file, fullName }) => `Skipped without a named reason: ${fullName} (${file})`);
}
