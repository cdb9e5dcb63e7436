/**
 * The folder in which a one-machine system (`escapement dev`) keeps its state, and the note of its addresses that
 * lets the CLI and the SDK on the same machine find it without settings.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export const STATE_FOLDER = '.escapement';
const ADDRESSES = 'addresses.json';
const KEY = 'gateway-key';

const addressesSchema = z.object({
  pid: z.int(),
  temporalAddress: z.string(),
  namespace: z.string(),
  deployment: z.string(),
  webUiUrl: z.string().optional(),
  gatewayUrl: z.string(),
});

export type LocalAddresses = z.output<typeof addressesSchema>;

export function keyPath(folder: string): string {
  return join(folder, KEY);
}

export function writeAddresses(folder: string, addresses: LocalAddresses): void {
  writeFileSync(join(folder, ADDRESSES), `${JSON.stringify(addresses, null, 2)}\n`);
}

export function removeAddresses(folder: string): void {
  rmSync(join(folder, ADDRESSES), { force: true });
}

/** The addresses of the system that runs here; undefined where none runs (a note whose process is gone counts as none). */
export function readAddresses(folder: string): LocalAddresses | undefined {
  try {
    const parsed = addressesSchema.safeParse(JSON.parse(readFileSync(join(folder, ADDRESSES), 'utf8')));
    return parsed.success && isAlive(parsed.data.pid) ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** The gateway's key of the system that runs here, if it may be read. */
export function readKey(folder: string): string | undefined {
  try {
    return readFileSync(keyPath(folder), 'utf8').trim();
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
