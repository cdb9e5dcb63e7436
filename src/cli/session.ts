/**
 * The connections of one short command: opened from its flags, closed when it ends. Used by all commands that speak
 * to a system. Loads Temporal's client only for those that need it.
 */
import { userInfo } from 'node:os';
import type { GatewayClient, ListPage } from '../client/gateway-client.ts';
import type { Scheduler } from '../client/scheduler.ts';
import { type ConfigOptions, loadConfig } from '../config/config.ts';

export interface GlobalOptions extends ConfigOptions {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

export async function withScheduler<T>(
  options: GlobalOptions,
  work: (scheduler: Scheduler) => Promise<T>,
): Promise<T> {
  const { Scheduler } = await import('../client/scheduler.ts');
  const scheduler = await Scheduler.connect(options);
  try {
    return await work(scheduler);
  } finally {
    await scheduler.close();
  }
}

/** For commands that need no Temporal. */
export async function openGateway(options: GlobalOptions): Promise<GatewayClient> {
  const { GatewayClient } = await import('../client/gateway-client.ts');
  const config = loadConfig(options);
  return new GatewayClient({ url: config.gatewayUrl, key: config.gatewayKey ?? '' });
}

/** Items over all pages, at most `max`. */
export async function collect<T>(
  page: (request: { readonly limit: number; readonly cursor?: string }) => Promise<ListPage<T>>,
  max: number,
): Promise<readonly T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const limit = Math.min(max - items.length, 100);
    const answer = await page(cursor === undefined ? { limit } : { limit, cursor });
    items.push(...answer.items);
    cursor = answer.nextCursor;
  } while (cursor !== undefined && items.length < max);
  return items;
}

/** Who is recorded as having asked. */
export function defaultActor(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env['USER']) return env['USER'];
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return undefined;
  }
}
