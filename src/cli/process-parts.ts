/**
 * What orchestration worker, gateway and pool worker stand on: Temporal and the database, opened from settings.
 * Used by the server commands. Promise: what is out of reach is an UnavailableError that says what to do.
 */
import type { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { connectTemporal } from '../client/connect.ts';
import type { Config } from '../config/config.ts';
import { InvalidInputError, UnavailableError } from '../contract/errors.ts';
import { createNames } from '../contract/ids.ts';
import type { DatabaseStore } from '../store/create-store.ts';
import { createPostgresStore } from '../store/postgres.ts';

/** @throws InvalidInputError where no database is named; UnavailableError */
export function openStore(role: string, config: Config): Promise<DatabaseStore> {
  const { databaseUrl: url, deployment } = config;
  if (url === undefined) {
    const message =
      'is missing: give it, or set ESCAPEMENT_DATABASE_URL, to postgres://user:password@host:5432/database ' +
      '(`escapement dev` brings its own database)';
    throw new InvalidInputError(role, [{ path: '--database-url', message }]);
  }
  return createPostgresStore({ url, schema: createNames(deployment).schema });
}

const NOT_FOUND = 5;

/** For clients. @throws UnavailableError where server or namespace are not there (yet) */
export async function openClientConnection(config: Config): Promise<Connection> {
  const connection = await connectTemporal(config.temporal);
  try {
    await connection.workflowService.describeNamespace({ namespace: config.namespace });
  } catch (error) {
    await refuseMissingNamespace(error, config, () => connection.close());
  }
  return connection;
}

/** For workers. @throws UnavailableError where server or namespace are not there (yet) */
export async function openNativeConnection(config: Config): Promise<NativeConnection> {
  const { address, tls, apiKey, metadata } = config.temporal;
  let connection: NativeConnection;
  try {
    connection = await NativeConnection.connect({
      address,
      ...(tls !== undefined && { tls }),
      ...(typeof apiKey === 'string' && { apiKey }),
      ...(metadata !== undefined && { metadata }),
    });
  } catch (cause) {
    const advice = 'start it, or give its address with --address or TEMPORAL_ADDRESS';
    throw new UnavailableError(`the Temporal server at ${address}`, advice, { cause });
  }
  try {
    await connection.workflowService.describeNamespace({ namespace: config.namespace });
  } catch (error) {
    await refuseMissingNamespace(error, config, () => connection.close());
  }
  return connection;
}

/** A new server makes its namespaces a while after it answers; any other refusal (rights) is not for us to judge. */
async function refuseMissingNamespace(
  error: unknown,
  { namespace, temporal }: Config,
  close: () => Promise<void>,
): Promise<void> {
  if (!(error instanceof Error) || !('code' in error) || error.code !== NOT_FOUND) return;
  await close();
  throw new UnavailableError(
    `the namespace "${namespace}" of the Temporal server at ${temporal.address}`,
    'create it, or give another with --namespace or TEMPORAL_NAMESPACE',
    { cause: error },
  );
}
