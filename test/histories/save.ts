/** Writes one history into a file for `test/replay`. Used by the recorder; promises that nothing of the machine is left in it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

const folder = process.argv[2] ?? fileURLToPath(new URL('.', import.meta.url));

export async function save(
  { client }: { readonly client: Client },
  name: string,
  workflowId: string,
  runId?: string,
): Promise<void> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const json: unknown = JSON.parse(historyToJSON(history), scrubbed);
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(json, null, 1)}\n`);
  process.stdout.write(`${name}: ${history.events?.length} events\n`);
}

/** Names and paths of the machine are nobody's business. */
function scrubbed(key: string, value: unknown): unknown {
  if (key === 'identity') return 'worker';
  // The queue that a worker keeps to itself is named after it: `<pid>@<host>-<number>`.
  if (typeof value === 'string' && /^\d+@/.test(value)) return 'worker';
  if (key === 'stackTrace') return '';
  return value;
}
