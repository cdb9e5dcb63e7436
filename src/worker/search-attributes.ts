/**
 * Registers Escapement's search attributes in the namespace: idempotent, and not a must. Called once when an
 * orchestration worker starts; where the server will not have it (rights, for instance), the system works without them.
 */
import type { Connection } from '@temporalio/client';
import proto from '@temporalio/proto';

const { INDEXED_VALUE_TYPE_DATETIME, INDEXED_VALUE_TYPE_KEYWORD } =
  proto.temporal.api.enums.v1.IndexedValueType;

const ATTRIBUTES = {
  EscapementSchedule: INDEXED_VALUE_TYPE_KEYWORD,
  EscapementPool: INDEXED_VALUE_TYPE_KEYWORD,
  EscapementTarget: INDEXED_VALUE_TYPE_KEYWORD,
  EscapementState: INDEXED_VALUE_TYPE_KEYWORD,
  EscapementNominalTime: INDEXED_VALUE_TYPE_DATETIME,
} as const;

export type Registration =
  | { readonly registered: true }
  /** Says why, for the person who starts the worker. */
  | { readonly registered: false; readonly reason: string };

export async function registerSearchAttributes(
  connection: Connection,
  namespace: string,
): Promise<Registration> {
  try {
    const known = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = Object.entries(ATTRIBUTES).filter(([name]) => !(name in (known.customAttributes ?? {})));
    if (missing.length > 0) {
      await connection.operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(missing),
      });
    }
    return { registered: true };
  } catch (error) {
    if (await registeredMeanwhile(connection, namespace)) return { registered: true };
    const why = error instanceof Error ? error.message : String(error);
    return { registered: false, reason: `search attributes are not registered in "${namespace}": ${why}` };
  }
}

/** Two workers that start together may both try; the second is told that they exist. */
async function registeredMeanwhile(connection: Connection, namespace: string): Promise<boolean> {
  try {
    const known = await connection.operatorService.listSearchAttributes({ namespace });
    return Object.keys(ATTRIBUTES).every((name) => name in (known.customAttributes ?? {}));
  } catch {
    return false;
  }
}
