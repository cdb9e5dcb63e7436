/**
 * `attributesProblem`: whether the namespace takes these search attributes. A child workflow that names an unknown one
 * fails its parent's workflow task, again and again, so the invocation asks before it starts one.
 */
import type { Client } from '@temporalio/client';
import { Connection } from '@temporalio/client';
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
  const known = await knownAttributes(client);
  if (known === undefined) {
    return 'this server does not tell which search attributes it knows, so none can be given to a workflow';
  }
  for (const [name, { type }] of Object.entries(attributes)) {
    const registered = known[name];
    if (registered === undefined || registered === null)
      return `search attribute "${name}" is not registered in the namespace`;
    const registeredAs = (IndexedValueType[registered] ?? '').replace('INDEXED_VALUE_TYPE_', '');
    if (registeredAs !== SEARCH_ATTRIBUTE_TYPES[type]) {
      return `search attribute "${name}" is registered as ${registeredAs}, not as ${SEARCH_ATTRIBUTE_TYPES[type]}`;
    }
  }
  return undefined;
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
