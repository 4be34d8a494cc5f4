export function unnamedSkips(
  named: readonly { suite: string; missing: readonly string[] }[],
  pending: readonly { file: string; ancestorTitles: readonly string[]; fullName: string }[],
): string[];
