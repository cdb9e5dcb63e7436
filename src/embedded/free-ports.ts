/**
 * Free TCP ports on the loopback address, for servers that must be told their port beforehand.
 * Called by whoever starts such a server. Promise: the ports are distinct and were free a moment ago.
 * Imports nothing of the project.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/**
 * Below the ranges from which the systems take ports for outgoing connections (Linux from 32768, others from 49152):
 * a port from there could be taken by any connection between our look and the server's start.
 */
const PORT_FROM = 15_000;
const PORT_BELOW = 32_768;

const TRIES_MAX = 1_000;

/** `count` distinct ports that nobody listens on at 127.0.0.1. @throws Error where there seem to be none */
export async function freePorts(count: number): Promise<readonly number[]> {
  // All are held open until the last is known: that makes them distinct.
  const held = new Map<number, Server>();
  for (let tries = 0; held.size < count; tries++) {
    if (tries === TRIES_MAX) throw new Error(`no free port found from ${PORT_FROM} to ${PORT_BELOW - 1}`);
    const port = randomInt(PORT_FROM, PORT_BELOW);
    const server = createServer().listen(port, '127.0.0.1');
    const listening = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (listening) held.set(port, server);
  }
  await Promise.all([...held.values()].map((server) => once(server.close(), 'close')));
  return [...held.keys()];
}

/** The usual port, or a free one where it is taken. */
export async function preferredPort(usual: number): Promise<number> {
  const server = createServer().listen(usual, '127.0.0.1');
  const listening = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  if (listening) {
    await once(server.close(), 'close');
    return usual;
  }
  const [other = 0] = await freePorts(1);
  return other;
}
