/**
 * How the tests run. Called by `npm test`. Shared servers come from the provisioner (test/support), lazily; test
 * files run side by side in processes of their own and stay apart by deployment prefixes and databases.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Servers of the tests need the other processors.
    maxWorkers: 2,
    globalSetup: ['test/support/provisioner.ts'],
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    testTimeout: 60_000,
    // The first hook that asks for a server waits while it is downloaded or built.
    hookTimeout: 600_000,
    teardownTimeout: 60_000,
  },
});
