/**
 * A TCP line between a process and its server that can be cut, slowed, and made to lose one chosen reply. It tells when a
 * request passes, so that a fault strikes at that very moment and the product needs no hook for it.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { happening } from '../workflows/eventually.ts';

/** What becomes of the request that is waited for. */
export type Fate =
  /** It does not reach the server. */
  | 'held'
  /** It does, and its reply does not come back. */
  | 'unanswered'
  /** Both pass. */
  | 'answered';

export interface Trap {
  readonly fate: Fate;
  /**
   * Texts that come together, with no reply in between, then others, in one connection; with the last of them it is the
   * request that is meant. Capital and small letters are the same.
   */
  readonly pieces: readonly (readonly string[])[];
  /** Tells its reply from others on the same connection. Default: whatever comes next. */
  readonly reply?: RegExp;
}

export interface Caught {
  /** Ends the connection it was caught on. */
  cut(): void;
}

export interface Line {
  readonly port: number;
  /** Ends all connections and takes no new one. */
  cut(): void;
  mend(): void;
  /** Each piece of a reply comes so much later; 0: as fast as it can. */
  slow(ms: number): void;
  /** Settles when the next such request has met its fate; its connection stands still from then on. */
  catch(trap: Trap): Promise<Caught>;
  close(): Promise<void>;
}

interface Armed {
  readonly trap: Trap;
  settle(caught: Caught): void;
}

export async function openLine(target: { readonly host: string; readonly port: number }): Promise<Line> {
  const open = new Set<Socket>();
  const state: LineState = { traps: new Set(), delayMs: 0 };
  let whole = true;
  const server = createServer({ noDelay: true }, (near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = connect({ ...target, noDelay: true });
    for (const socket of [near, far]) open.add(socket);
    join(near, far, state, (socket) => open.delete(socket));
  });
  const cut = (): void => {
    whole = false;
    for (const socket of open) socket.destroy();
  };
  return {
    port: await listen(server),
    cut,
    mend: () => {
      whole = true;
    },
    slow: (ms) => {
      state.delayMs = ms;
    },
    catch: (trap) => {
      const { promise, resolve } = happening<Caught>();
      const armed: Armed = { trap, settle: resolve };
      state.traps.add(armed);
      return promise;
    },
    close: () => {
      cut();
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

interface LineState {
  readonly traps: Set<Armed>;
  delayMs: number;
}

/** One connection through the line. */
function join(near: Socket, far: Socket, state: LineState, forget: (socket: Socket) => void): void {
  const seen = new Map<Armed, number>();
  let sinceReply = '';
  let still = false;
  let awaited: Armed | undefined;
  const spring = (armed: Armed): void => {
    still = armed.trap.fate !== 'answered';
    armed.settle({ cut: () => near.destroy() });
  };
  near.on('data', (chunk: Buffer) => {
    sinceReply = (sinceReply + chunk.toString('latin1').toLowerCase()).slice(-TOGETHER_CHARS_MAX);
    const { armed, left } = caughtBy(state.traps, seen, sinceReply);
    sinceReply = left;
    if (armed?.trap.fate === 'held') spring(armed);
    else if (armed !== undefined) awaited = armed;
    if (!still) far.write(chunk);
  });
  far.on('data', (chunk: Buffer) => {
    sinceReply = '';
    const armed = awaited?.trap.reply?.test(chunk.toString('latin1')) === false ? undefined : awaited;
    if (armed !== undefined) awaited = undefined;
    if (armed?.trap.fate === 'unanswered') spring(armed);
    if (still) return;
    pass(near, chunk, state.delayMs);
    if (armed !== undefined) spring(armed);
  });
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => {
      forget(one);
      other.destroy();
    });
    one.on('end', () => other.end());
  }
}

/** What is kept of a request that comes bit by bit. */
const TOGETHER_CHARS_MAX = 1_000_000;

/**
 * The trap whose last piece has come now; the first connection that has all of them takes it away. A piece uses up the text that
 * it was found in.
 */
function caughtBy(
  traps: Set<Armed>,
  seen: Map<Armed, number>,
  text: string,
): { readonly armed?: Armed; readonly left: string } {
  let left = text;
  for (const armed of traps) {
    const { pieces } = armed.trap;
    for (let known = seen.get(armed) ?? 0; known < pieces.length; known += 1) {
      const ends = pieces[known]?.map((part) => endOf(left, part)) ?? [];
      if (ends.includes(0)) break;
      left = left.slice(Math.max(...ends));
      seen.set(armed, known + 1);
    }
    if (seen.get(armed) !== pieces.length) continue;
    traps.delete(armed);
    return { armed, left };
  }
  return { left };
}

/** Where it ends in a text; 0 where it is not there. */
function endOf(text: string, part: string): number {
  const from = text.indexOf(part.toLowerCase());
  return from < 0 ? 0 : from + part.length;
}

function pass(near: Socket, chunk: Buffer, delayMs: number): void {
  if (delayMs === 0) near.write(chunk);
  else setTimeout(() => near.destroyed || near.write(chunk), delayMs);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
