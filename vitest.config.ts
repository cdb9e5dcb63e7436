/**
 * How the tests run. Called by `npm test`. Shared servers come from the provisioner (test/support), lazily; test
 * files run side by side in processes of their own and stay apart by deployment prefixes and databases.
 */
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** They wait most of their time, so that others can run beside them. */
const FIRST = /\/test\/faults\/faults\.test\.ts$/;

class LongestWaitFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isFirst = ({ moduleId }: TestSpecification) => FIRST.test(moduleId);
    return [...sorted.filter(isFirst), ...sorted.filter((file) => !isFirst(file))];
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Servers of the tests need the other processors.
    maxWorkers: 2,
    sequence: { sequencer: LongestWaitFirst },
    globalSetup: ['test/support/provisioner.ts'],
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    testTimeout: 60_000,
    // The first hook that asks for a server waits while it is downloaded or built.
    hookTimeout: 600_000,
    teardownTimeout: 60_000,
  },
});
