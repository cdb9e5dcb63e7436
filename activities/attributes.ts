/**
 * Which search attributes the namespace takes. A child workflow that names an unknown one fails its parent's workflow task,
 * again and again, so the invocation asks before it starts one (`attributesProblem`); the SDK asks when a schedule
 * or job is created.
 */
import { type Client, Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { SearchAttributesInput } from '../src/contract/schedule.ts';
import { SEARCH_ATTRIBUTE_TYPES } from '../src/contract/search-attributes.ts';

const { IndexedValueType } = proto.temporal.api.enums.v1;
/** gRPC statuses of a server that does not tell: UNIMPLEMENTED, PERMISSION_DENIED. */
const SILENT: readonly unknown[] = [12, 7];

/** One sentence; undefined where all of them are known by their names and types. @throws where Temporal is out of reach */
export async function attributesProblem(
  client: Client,
  attributes: SearchAttributesInput,
): Promise<string | undefined> {
  const misfits = await misfitAttributes(client, attributes);
  if (misfits === undefined) {
    return 'this server does not tell which search attributes it knows, so none can be given to a workflow';
  }
  const [first] = misfits;
  return first === undefined ? undefined : `search attribute "${first.name}" ${first.message}`;
}

export interface Misfit {
  readonly name: string;
  readonly message: string;
}

/** Those that the namespace does not take; undefined where the server does not tell. */
export async function misfitAttributes(
  client: Client,
  attributes: SearchAttributesInput,
): Promise<readonly Misfit[] | undefined> {
  const known = await knownAttributes(client);
  if (known === undefined) return undefined;
  return Object.entries(attributes).flatMap(([name, { type }]) => {
    const message = misfit(known[name], SEARCH_ATTRIBUTE_TYPES[type]);
    return message === undefined ? [] : [{ name, message }];
  });
}

function misfit(registered: number | undefined, wanted: string): string | undefined {
  if (registered === undefined) {
    return 'is not registered in the namespace: `temporal operator search-attribute create` does that';
  }
  const registeredAs = (IndexedValueType[registered] ?? '').replace('INDEXED_VALUE_TYPE_', '');
  return registeredAs === wanted ? undefined : `is registered as ${registeredAs}, not as ${wanted}`;
}

async function knownAttributes(client: Client): Promise<Record<string, number> | undefined> {
  const { connection } = client;
  if (!(connection instanceof Connection)) return undefined;
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace: client.options.namespace,
    });
    return customAttributes ?? {};
  } catch (error) {
    if (error instanceof Error && 'code' in error && SILENT.includes(error.code)) return undefined;
    throw error;
  }
}
