/** A message that cannot be followed: said to whoever waits, and recorded among the problems. Nothing has changed. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  constructor(
    readonly type: 'InvalidInput' | 'RevisionConflict',
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** @throws Refusal that names the field of the message */
export function refuse(message: string, field: string, problem: string): never {
  throw new Refusal('InvalidInput', `${message}: field "${field}": ${problem}`, { field });
}
