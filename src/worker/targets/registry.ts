/**
 * The targets of one worker: at most one handler for a name. Filled by the CLI from the user's module
 * and the built-in targets, read by the pool worker. Plain bookkeeping.
 */
import { InvalidInputError } from '../../contract/errors.ts';
import { TARGETS_PER_WORKER_MAX } from '../../core/limits.ts';
import { commandTarget } from './command.ts';
import { httpTarget } from './http.ts';
import type { Target } from './target.ts';
import { workflowTarget } from './workflow.ts';

export class TargetRegistry {
  readonly #targets = new Map<string, { readonly target: Target; readonly source: string }>();

  /**
   * Adds one.
   * @param source where it comes from, for the message about a second one
   * @throws InvalidInputError where the name is taken, or the worker has too many
   */
  add(target: Target, source: string): this {
    const taken = this.#targets.get(target.name);
    if (taken !== undefined) {
      throw refused(
        target.name,
        `has two handlers, one of ${taken.source} and one of ${source}: rename one of them`,
      );
    }
    if (this.#targets.size >= TARGETS_PER_WORKER_MAX) {
      throw refused(target.name, `is one too many: a worker has at most ${TARGETS_PER_WORKER_MAX} targets`);
    }
    this.#targets.set(target.name, { target, source });
    return this;
  }

  /** In the order in which they were added. */
  list(): readonly Target[] {
    return [...this.#targets.values()].map((entry) => entry.target);
  }
}

/** The targets that need no code: `command`, `http`, and `workflow`, which holds capacity for one that runs elsewhere. */
export function builtInTargets(): readonly Target[] {
  return [commandTarget, httpTarget, workflowTarget];
}

/**
 * The built-in targets and these.
 * @throws InvalidInputError where two have one name
 */
export function createTargets(...own: readonly Target[]): TargetRegistry {
  const registry = new TargetRegistry();
  for (const target of builtInTargets()) registry.add(target, 'the built-in targets');
  for (const target of own) registry.add(target, 'the given targets');
  return registry;
}

function refused(name: string, message: string): InvalidInputError {
  return new InvalidInputError('targets', [{ path: name, message: `target "${name}" ${message}` }]);
}
