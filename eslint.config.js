// Lint rules: what the type checker cannot say. Formatting is Biome's. The import bans keep the arrows pointing one
// way: edges -> contract -> core, and nothing of Node, zod or the activities in what workflows load.
import tseslint from 'typescript-eslint';

const ban = (message, ...group) => ({ group, message });
const bans = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });
const EDGES = ['**/client/**', '**/store/**', '**/worker/**', '**/gateway/**', '**/cli/**', '**/embedded/**'];
const noNode = ban('pure code reads no clock and does no I/O: take it as an argument', 'node:*');

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '.escapement/**', 'test/histories/**', '*.config.*'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Interfaces of activities and stores are async whether or not one method awaits.
      '@typescript-eslint/require-await': 'off',
      // Our objects are closures, not classes: their methods have no `this` to lose.
      '@typescript-eslint/unbound-method': 'off',
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/core/**'],
    rules: bans(
      noNode,
      ban('the core knows no edge', ...EDGES, '**/config/**', '**/activities/**', '**/workflows/**'),
      ban('the core knows no Temporal', '@temporalio/*'),
    ),
  },
  {
    files: ['src/contract/**'],
    rules: bans(noNode, ban('the contract knows no edge', ...EDGES, '**/config/**')),
  },
  {
    files: ['workflows/**'],
    rules: bans(
      noNode,
      ban('workflows load no edge and no activity code', ...EDGES, '**/config/**', '**/activities/*.ts'),
      ban('zones and crons are read in activities', '**/cron/spec.ts', '**/schemas.ts', 'zod', 'croner'),
      ban('only the workflow package', '@temporalio/client', '@temporalio/worker', '@temporalio/activity'),
    ),
  },
  // Vitest's matchers (expect.any, expect.objectContaining) are typed as any.
  { files: ['test/**'], rules: { '@typescript-eslint/no-unsafe-assignment': 'off' } },
  // Scripts outside the TypeScript project.
  { files: ['tools/**/*.mjs'], ...tseslint.configs.disableTypeChecked },
  { files: ['src/store/**'], rules: bans(ban('the store knows no Temporal', '@temporalio/*')) },
);
