/** Checks a schedule before anything is asked of a server: shape, spec, and that it ever fires. Used by SDK and CLI. */
import { InvalidInputError } from '../contract/errors.ts';
import type { ScheduleDefinition } from '../contract/schedule.ts';
import { parseSchedule } from '../contract/schemas.ts';
import { type CompiledSpec, compileSpec } from '../core/cron/spec.ts';

export interface CheckedSchedule {
  readonly definition: ScheduleDefinition;
  readonly spec: CompiledSpec;
}

/** @throws InvalidInputError naming every field at fault */
export function checkSchedule(subject: string, input: unknown, nowMs: number): CheckedSchedule {
  const parsed = parseSchedule(input, nowMs);
  if (!parsed.ok) throw new InvalidInputError(subject, parsed.issues);
  const result = compileSpec(parsed.definition.spec, { firesAfterMs: nowMs });
  if (!result.ok) {
    const issues = result.issues.map(({ path, message }) => ({ path: `spec.${path}`, message }));
    throw new InvalidInputError(subject, issues);
  }
  return { definition: parsed.definition, spec: result.compiled };
}
