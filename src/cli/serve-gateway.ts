/** `escapement gateway`: the REST gateway as a process. */
import { Client } from '@temporalio/client';
import { DEFAULT_GATEWAY_PORT, loadConfig } from '../config/config.ts';
import { keyPath } from '../config/local-state.ts';
import { createNames } from '../contract/ids.ts';
import { loadOrCreateKey } from '../gateway/key-file.ts';
import { atLeastTemporals } from '../gateway/retention.ts';
import { serveGateway } from '../gateway/serve.ts';
import { temporalCallbacks } from '../gateway/temporal-callbacks.ts';
import { print } from './output.ts';
import { live, stopped, whenUp } from './process-life.ts';
import { createLog } from './process-log.ts';
import { openClientConnection, openStore } from './process-parts.ts';
import type { GlobalOptions } from './session.ts';

export type GatewayOptions = GlobalOptions & { readonly host?: string; readonly port?: number };

/** Runs until SIGTERM or SIGINT. Answers the exit code. @throws InvalidInputError; EscapementError where it cannot listen */
export function runGateway(options: GatewayOptions): Promise<number> {
  const config = loadConfig(options);
  const log = createLog();
  return live(async ({ stop, closing }) => {
    const given = options.gatewayKey ?? process.env['ESCAPEMENT_GATEWAY_KEY'];
    const key = given ?? (await loadOrCreateKey(keyPath(config.stateFolder)));
    const store = await whenUp(() => openStore('gateway', config), { stop, log });
    closing(() => store.close());
    const connection = await whenUp(() => openClientConnection(config), { stop, log });
    closing(() => connection.close());
    const client = new Client({ connection, namespace: config.namespace });
    const gateway = await serveGateway({
      store,
      key,
      logger: log,
      port: options.port ?? DEFAULT_GATEWAY_PORT,
      ...(options.host !== undefined && { host: options.host }),
      ledgerRetentionMs: await atLeastTemporals(client, config.namespace, config.ledgerRetentionMs),
      ...temporalCallbacks({ client, store, names: createNames(config.deployment) }),
    });
    closing(() => gateway.close());
    const keyFile = given === undefined ? keyPath(config.stateFolder) : undefined;
    const healthUrl = `${gateway.url}/healthz`;
    print(
      {
        json: { role: 'gateway', gatewayUrl: gateway.url, healthUrl, keyFile },
        text: [
          `gateway is up: ${gateway.url}`,
          `health: ${healthUrl}`,
          keyFile === undefined ? 'key: as given' : `key: in ${keyFile}`,
        ].join('\n'),
      },
      options,
    );
    await stopped(stop);
    await gateway.close();
    log.info('gateway has stopped');
  });
}
