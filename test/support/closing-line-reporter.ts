/**
 * Makes `N passed, N failed` the last line of a test run, for people and programs that read only that.
 * Named in vitest.config.ts after the default reporter.
 * Promise: it counts tests; whatever else went wrong (a file that cannot be loaded, a failed hook, an unhandled
 * rejection, a failed setup) counts as a failure too, so a run that failed never says `0 failed`.
 */
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export default class ClosingLineReporter implements Reporter {
  #counts: Counts = { passed: 0, failed: 0, skipped: 0 };

  onInit(): void {
    // At the very end of the process: other reporters, coverage and teardown write after the run has ended.
    process.once('exit', (code) => {
      const failed = this.#counts.failed === 0 && code !== 0 ? 1 : this.#counts.failed;
      process.stdout.write(`${closingLine({ ...this.#counts, failed })}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    this.#counts = count(modules, unhandledErrors.length);
  }
}

function count(modules: readonly TestModule[], otherFailures: number): Counts {
  const counts = { passed: 0, failed: otherFailures, skipped: 0 };
  for (const module of modules) {
    // Errors of a module or suite are those outside its tests: loading, hooks.
    const outside = [module, ...module.children.allSuites()].filter((part) => part.errors().length > 0);
    counts.failed += outside.length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      counts[state === 'pending' ? 'skipped' : state]++;
    }
  }
  return counts;
}

function closingLine({ passed, failed, skipped }: Counts): string {
  const skippedPart = skipped === 0 ? '' : `, ${skipped} skipped`;
  return `${passed} passed, ${failed} failed${skippedPart}`;
}
