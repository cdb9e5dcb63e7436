/**
 * The Temporal CLI's path, for tests that start servers of their own whatever TEMPORAL_ADDRESS says.
 * Called in `beforeAll`: where no binary is cached it may take minutes, once.
 */
import { findTemporal } from '../../src/embedded/find-temporal.ts';

/** @throws UnavailableError where no binary can be had */
export async function temporalBinary(): Promise<string> {
  const onProgress = (line: string) => process.stderr.write(`${line}\n`);
  const found = await findTemporal({ ways: ['named', 'path', 'cache', 'download', 'build'], onProgress });
  if (found.kind === 'address') throw new Error('an address was answered though it was not asked for');
  return found.path;
}
