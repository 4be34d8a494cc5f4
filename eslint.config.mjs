import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

const typescript = [
  'packages/*/{src,test}/**/*.ts',
  'apps/{api,worker,cli}/{src,test}/**/*.ts',
  'test/**/*.ts',
  'bench/**/*.ts',
];
const dashboard = ['apps/dashboard/**/*.{ts,tsx}'];
const scripts = ['**/*.{js,mjs}'];

const noEnvironment = {
  object: 'process',
  property: 'env',
  message: 'Configuration is read once per app, in its settings; pass values in.',
};

export default tseslint.config(
  {
    ignores: [
      '**/{dist,.next,out,node_modules,.cache,.ferment,coverage}/**',
      '**/next-env.d.ts',
      'packages/platform/src/generated/**',
      '**/fixtures/**',
    ],
  },
  // Nothing is switched off line by line: a rule that is wrong for a place is changed here, for all to see.
  { linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: [...typescript, ...dashboard],
    extends: [tseslint.configs.strict, tseslint.configs.stylistic],
    rules: {
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-expect-error': true }],
    },
  },
  {
    files: typescript,
    languageOptions: {
      parserOptions: {
        project: ['packages/*/tsconfig.json', 'apps/{api,worker,cli}/tsconfig.json', 'test/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    // Nest finds what to inject by the emitted parameter types, which a type-only import would erase.
    files: ['packages/**/*.ts', 'apps/cli/**/*.ts'],
    rules: { '@typescript-eslint/consistent-type-imports': 'error' },
  },
  {
    files: ['packages/**/src/**/*.ts'],
    // Programs that are started inherit the environment.
    ignores: ['packages/platform/src/postgres/**'],
    rules: { 'no-restricted-properties': ['error', noEnvironment], 'no-console': 'error' },
  },
  {
    files: ['**/test/**/*.ts'],
    rules: {
      'no-restricted-properties': 'off',
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'MemberExpression[object.name=/^(describe|it|test)$/][property.name=/^(skip|only|todo)$/]',
          message:
            'A suite that needs something absent goes through describeWith (test/support/services.ts).',
        },
      ],
    },
  },
  { files: ['test/support/services.ts'], rules: { 'no-restricted-syntax': 'off' } },
  { files: ['**/*.{ts,tsx}'], rules: { 'no-undef': 'off' } },
  {
    files: scripts,
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'fetch',
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'URL',
          'Buffer',
        ]
          .concat([
            'AbortController',
            'AbortSignal',
            'TextDecoder',
            'performance',
            'structuredClone',
            'WebAssembly',
          ])
          .map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    rules: {
      eqeqeq: ['error', 'always'],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'] }],
    },
  },
  prettier,
);
