/**
 * The gateway's bearer key on disk: made at first start, read by everyone on this machine who may.
 * Called by the CLI and by the one-machine mode. Promise: the file is never seen half-written, is
 * readable by its owner only, and two processes that start together end up with the same key.
 */
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EscapementError } from '../contract/errors.ts';
import { KEY_LENGTH_MIN } from './auth.ts';

/**
 * Reads the key in `path`, or makes one (64 hex characters, mode 0600).
 * @throws EscapementError (InvalidInput) where the file holds no usable key
 */
export async function loadOrCreateKey(path: string): Promise<string> {
  const existing = await readKey(path);
  if (existing !== undefined) return existing;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(temporary, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    // A link fails where the name is taken, a rename would replace a key that another has read already.
    await link(temporary, path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await unlink(temporary);
  }
  const key = await readKey(path);
  if (key === undefined) {
    throw new EscapementError('InvalidInput', `the key file ${path} vanished while it was made: start again`);
  }
  return key;
}

async function readKey(path: string): Promise<string | undefined> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  const key = content.trim();
  if (key.length < KEY_LENGTH_MIN || /\s/.test(key)) {
    throw new EscapementError(
      'InvalidInput',
      `the key file ${path} holds no usable key (one line of at least ${KEY_LENGTH_MIN} characters): ` +
        'write one into it, or delete the file and start again',
      { path },
    );
  }
  const { mode } = await stat(path);
  // Somebody may have copied it with a wide umask; a secret that all can read is none.
  if ((mode & 0o077) !== 0) await chmod(path, 0o600);
  return key;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
