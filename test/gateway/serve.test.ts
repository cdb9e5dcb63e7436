/** The gateway on a port, and its key on disk. */
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayClient } from '../../src/client/gateway-client.ts';
import { UnavailableError } from '../../src/contract/errors.ts';
import { isLoopback } from '../../src/gateway/auth.ts';
import { loadOrCreateKey } from '../../src/gateway/key-file.ts';
import { serveGateway } from '../../src/gateway/serve.ts';
import { createEmbeddedStore } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';

const KEY = '0123456789abcdef0123456789abcdef';
const callbacks = { onGrants: () => {}, onWorkerRegistered: () => {} };
let store: Store;
beforeAll(async () => {
  store = await createEmbeddedStore({ dataDir: 'memory', schema: 'escapement' });
});
afterAll(() => store.close());

describe('a gateway on a port', () => {
  test('answers the client, and after it is closed the client says who is out of reach', async () => {
    const server = await serveGateway({ store, key: KEY, port: 0, ...callbacks });
    const client = new GatewayClient({ url: server.url, key: KEY });
    await client.createPool('served');
    expect(await client.getPool('served')).toMatchObject({ id: 'served' });
    await server.close();
    await server.close();
    await expect(client.listPools()).rejects.toThrow(`the gateway at ${server.url} is out of reach`);
  });

  test('answers the request under way before it closes', async () => {
    let entered = () => {};
    let answer = () => {};
    const underWay = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const slow: Store = {
      ...store,
      async listPools(page) {
        entered();
        await held;
        return store.listPools(page);
      },
    };
    const server = await serveGateway({ store: slow, key: KEY, port: 0, ...callbacks });
    const call = new GatewayClient({ url: server.url, key: KEY }).listPools();
    await underWay;
    const closed = server.close();
    answer();
    expect((await call).items).toBeInstanceOf(Array);
    await closed;
  });

  test('refuses a body that is too large without reading it to its end', async () => {
    const server = await serveGateway({ store, key: KEY, port: 0, ...callbacks });
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    const body = `{"id":"${'a'.repeat(300_000)}"}`;
    const response = await fetch(`${server.url}/v1/pools`, { method: 'POST', headers, body });
    expect(response.status).toBe(413);
    await response.text();
    await server.close();
  });

  test('gives its sign of life again and again, and when it cannot it says so once and serves on', async () => {
    let signs = 0;
    const broken: Store = {
      ...store,
      async gatewayAlive() {
        signs += 1;
        throw new UnavailableError('the database', 'start it');
      },
    };
    const warnings: string[] = [];
    const logger = new DefaultLogger('WARN', ({ message }) => void warnings.push(message));
    const server = await serveGateway({ store: broken, key: KEY, port: 0, logger, ...callbacks });
    await vi.waitFor(() => expect(signs).toBeGreaterThan(2), { timeout: 30_000, interval: 20 });
    expect(warnings).toEqual(['the gateway could not give its sign of life']);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    await server.close();
  });

  test('has the store remove what is past its time, batch after batch, until nothing is left', async () => {
    const asked: number[] = [];
    const full: Store = {
      ...store,
      async removeExpired(keptMs) {
        asked.push(keptMs);
        return { fires: 1_000, runs: 0, more: asked.length < 3 };
      },
    };
    const server = await serveGateway({
      store: full,
      key: KEY,
      port: 0,
      ledgerRetentionMs: 5_000,
      ...callbacks,
    });
    await vi.waitFor(() => expect(asked).toEqual([5_000, 5_000, 5_000]), { timeout: 30_000, interval: 20 });
    await server.close();
  });

  test('will not listen beyond this machine without a key', async () => {
    const open = serveGateway({ store, host: '0.0.0.0', port: 0, ...callbacks });
    await expect(open).rejects.toThrow(/will not listen on "0.0.0.0" without a key/);
  });

  test('names the address that is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    await expect(serveGateway({ store, key: KEY, port, ...callbacks })).rejects.toThrow(`127.0.0.1:${port}`);
    await new Promise((resolve) => other.close(resolve));
  });

  test.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['[::1]', true],
    ['LocalHost', true],
    ['0.0.0.0', false],
    ['::', false],
    ['127.0.0.1.evil.example', false],
    ['10.0.0.1', false],
  ])('%s is loopback: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });
});

describe('the key file', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'escapement-key-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is made once, for its owner only, and the same for all who start together', async () => {
    const path = join(folder, 'state', 'gateway.key');
    const keys = await Promise.all([1, 2, 3, 4].map(() => loadOrCreateKey(path)));
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^[0-9a-f]{64}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await loadOrCreateKey(path)).toBe(keys[0]);
  });

  test('that others may read is closed to them', async () => {
    const path = join(folder, 'gateway.key');
    await writeFile(path, `${KEY}\n`);
    await chmod(path, 0o644);
    expect(await loadOrCreateKey(path)).toBe(KEY);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('that holds no key is an error, not replaced', async () => {
    const path = join(folder, 'gateway.key');
    await writeFile(path, '');
    await expect(loadOrCreateKey(path)).rejects.toThrow(/holds no usable key/);
  });
});
