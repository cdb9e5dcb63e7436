/**
 * Who is asking, and what that one may do. Used by the gateway's middleware.
 * Promise: keys are compared in constant time, and a route names a permission, never a role, so that
 * more keys with narrower roles change nothing but the authenticator.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { EscapementError } from '../contract/errors.ts';

/** What a route needs. `read`: look at everything. `work`: the worker protocol. */
export type Permission = 'read' | 'operate' | 'work' | 'administer';

const GRANTED = {
  viewer: ['read'],
  operator: ['read', 'operate'],
  worker: ['work'],
  admin: ['read', 'operate', 'work', 'administer'],
} as const satisfies Record<string, readonly Permission[]>;

export type Role = keyof typeof GRANTED;

/** Somebody who has proved who they are. */
export interface Principal {
  /** Shown in logs and, later, as the actor of a change. */
  readonly name: string;
  readonly role: Role;
}

/** Answers who sent this `Authorization` header; undefined for nobody we know. */
export type Authenticator = (authorization: string | undefined) => Principal | undefined;

/** Shortest key that is taken: 16 characters of hex are 64 bits, beyond guessing over a network. */
export const KEY_LENGTH_MIN = 16;

/**
 * Knows one key with full rights.
 * @throws EscapementError (InvalidInput) where the key is shorter than `KEY_LENGTH_MIN`
 */
export function authenticateByKey(key: string): Authenticator {
  if (key.length < KEY_LENGTH_MIN) {
    throw new EscapementError(
      'InvalidInput',
      `the gateway's key has ${key.length} characters, at least ${KEY_LENGTH_MIN} are needed: ` +
        'make one with "openssl rand -hex 32"',
    );
  }
  const expected = digest(key);
  return (authorization) => {
    const match = /^Bearer +(\S+)$/i.exec(authorization ?? '');
    const given = match?.[1];
    // Digests have one length whatever was sent, so the comparison tells nothing of the key's length.
    if (given === undefined || !timingSafeEqual(digest(given), expected)) return undefined;
    return { name: 'key', role: 'admin' };
  };
}

/** Everybody may do everything: only for a gateway that nobody beyond this machine can reach. */
export const authenticateAnybody: Authenticator = () => ({ name: 'anybody on this machine', role: 'admin' });

export function may(principal: Principal, permission: Permission): boolean {
  const granted: readonly Permission[] = GRANTED[principal.role];
  return granted.includes(permission);
}

/** `127.0.0.0/8`, `::1` and `localhost`, as a host name or as in a Host header without its port. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
