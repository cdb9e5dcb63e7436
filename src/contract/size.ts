/**
 * How large what people hand over is, and how much of it is shown where it is wrong. Used by the shape checks of messages and the
 * schemas; loads nothing, as workflows use it.
 */
import { INPUT_CHARS_MAX } from '../core/limits.ts';

/** What is said of an input that is too large. */
export function inputTooLarge(chars: number): string {
  return `has ${chars} characters as JSON, at most ${INPUT_CHARS_MAX} are allowed: hand on a path or a URL of what is larger`;
}

/** Characters of a value as JSON. */
export function charsOf(value: unknown): { readonly chars: number; readonly wrong?: string } {
  try {
    // Undefined where it has no JSON, as a function has none.
    const text = JSON.stringify(value) as string | undefined;
    return { chars: text?.length ?? 0 };
  } catch (error) {
    return { chars: 0, wrong: error instanceof Error ? error.message : String(error) };
  }
}

const SHOWN_CHARS = 100;

/** As JSON, cut where it is long. */
export function shown(value: unknown): string {
  const text = (JSON.stringify(value) as string | undefined) ?? String(value);
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
}
