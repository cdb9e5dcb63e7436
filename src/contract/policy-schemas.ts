/**
 * The zod schemas of catch-up and triggering: of each kind the settings that it uses, with their defaults filled in; those of
 * other kinds are refused rather than ignored. Used by schemas.ts, and by who lays settings over others.
 */
import { z } from 'zod';
import { assertNever } from '../core/assert.ts';
import {
  CATCH_UP_PER_SECOND_DEFAULT,
  CATCH_UP_PER_SECOND_MAX,
  CATCH_UP_WINDOW_MS_DEFAULT,
  CATCH_UP_WINDOW_MS_MIN,
  LOGARITHMIC_BASE_MIN,
  MAX_BATCH_DEFAULT,
  MAX_CONCURRENT_MAX,
  PENDING_TIMEOUT_MS_DEFAULT,
} from '../core/limits.ts';
import { durationSchema } from './fields.ts';
import type { CatchUp, TriggeringPolicy } from './schedule.ts';

/** Settings that not every kind uses, and the kinds that do. */
type Uses = Readonly<Record<string, readonly string[]>>;

const CATCH_UP_USES: Uses = { window: ['latest', 'all'], perSecond: ['all'] };
const TRIGGERING_USES: Uses = {
  maxBatch: ['greedy', 'logarithmic'],
  base: ['logarithmic'],
  pendingTimeout: ['newestFirst'],
};

const CATCH_UP_MODES = z.enum(['none', 'latest', 'all']);
const CATCH_UP_MODE_DEFAULT = 'latest';
const catchUpFields = z.strictObject({
  mode: CATCH_UP_MODES.default(CATCH_UP_MODE_DEFAULT),
  window: durationSchema(CATCH_UP_WINDOW_MS_MIN).optional(),
  perSecond: z.number().min(0.01).max(CATCH_UP_PER_SECOND_MAX).optional(),
});

/** Read as the `CatchUp` that is kept. */
export const catchUpSchema = z.union([
  CATCH_UP_MODES.transform((mode) => catchUpOf({ mode })),
  catchUpFields
    .superRefine(({ mode, ...settings }, context) => refuseUnused(CATCH_UP_USES, mode, settings, context))
    .transform(catchUpOf),
]);

function catchUpOf({
  mode,
  window: windowMs = CATCH_UP_WINDOW_MS_DEFAULT,
  perSecond = CATCH_UP_PER_SECOND_DEFAULT,
}: z.output<typeof catchUpFields>): CatchUp {
  switch (mode) {
    case 'none':
      return { mode };
    case 'latest':
      return { mode, windowMs };
    case 'all':
      return { mode, windowMs, perSecond };
    default:
      return assertNever(mode);
  }
}

const TRIGGERING_KINDS = z.enum(['greedy', 'logarithmic', 'newestFirst']);
const triggeringFields = z.strictObject({
  kind: TRIGGERING_KINDS,
  maxConcurrent: z.int().min(1).max(MAX_CONCURRENT_MAX).default(1),
  maxBatch: z.int().min(1).max(MAX_BATCH_DEFAULT).optional(),
  base: z.number().min(LOGARITHMIC_BASE_MIN).max(1_000_000).optional(),
  pendingTimeout: durationSchema(1).optional(),
});

/** Read as the `TriggeringPolicy` that is kept. */
export const triggeringSchema = z.union([
  TRIGGERING_KINDS.transform((kind) => triggeringOf({ kind, maxConcurrent: 1 })),
  triggeringFields
    .superRefine(({ kind, ...settings }, context) => refuseUnused(TRIGGERING_USES, kind, settings, context))
    .transform(triggeringOf),
]);

function triggeringOf({
  kind,
  maxConcurrent,
  maxBatch = MAX_BATCH_DEFAULT,
  base = 2,
  pendingTimeout: pendingTimeoutMs = PENDING_TIMEOUT_MS_DEFAULT,
}: z.output<typeof triggeringFields>): TriggeringPolicy {
  switch (kind) {
    case 'greedy':
      return { kind, maxConcurrent, maxBatch };
    case 'logarithmic':
      return { kind, maxConcurrent, maxBatch, base };
    case 'newestFirst':
      return { kind, maxConcurrent, pendingTimeoutMs };
    default:
      return assertNever(kind);
  }
}

function refuseUnused(
  uses: Uses,
  kind: string,
  settings: Readonly<Record<string, unknown>>,
  context: z.RefinementCtx,
): void {
  for (const [name, kinds] of Object.entries(uses)) {
    if (settings[name] === undefined || kinds.includes(kind)) continue;
    const others = kinds.map((one) => `"${one}"`).join(' and ');
    const message = `is for ${others}, not for "${kind}": leave it out, or choose ${kinds.length > 1 ? 'one of those' : 'that'}`;
    context.addIssue({ code: 'custom', path: [name], message });
  }
}

/** Of a catch-up's settings those that go on to count with this mode, default `latest`. */
export function settingsOfCatchUp<T extends object>(
  settings: T,
  mode: string = CATCH_UP_MODE_DEFAULT,
): Partial<T> {
  return used(CATCH_UP_USES, mode, settings);
}

/** Of a triggering policy's settings those that go on to count with this kind. */
export function settingsOfTriggering<T extends object>(settings: T, kind: string): Partial<T> {
  return used(TRIGGERING_USES, kind, settings);
}

function used<T extends object>(uses: Uses, kind: string, settings: T): Partial<T> {
  const entries = Object.entries(settings).filter(([name]) => uses[name]?.includes(kind) ?? true);
  return Object.fromEntries(entries) as Partial<T>;
}
