/** `escapement migrate`: brings the schema up to date with the rights of its owner, and grants a lesser role what it needs. */
import { loadConfig } from '../config/config.ts';
import { grantRunning } from '../store/rights.ts';
import { print } from './output.ts';
import { openStore } from './process-parts.ts';
import type { GlobalOptions } from './session.ts';

export type MigrateOptions = GlobalOptions & { readonly grantTo?: string };

/** @throws InvalidInputError; UnavailableError where the database is out of reach, or the role may not change it */
export async function runMigrate(options: MigrateOptions): Promise<void> {
  const { grantTo } = options;
  const store = await openStore('migrate', loadConfig(options));
  try {
    const { schema } = store.database;
    if (grantTo !== undefined && grantTo !== '') await grantRunning(store.database, grantTo);
    const granted = grantTo === undefined || grantTo === '' ? '' : `, and role "${grantTo}" may work with it`;
    print(
      { json: { schema, grantedTo: grantTo }, text: `schema "${schema}" is up to date${granted}` },
      options,
    );
  } finally {
    await store.close();
  }
}
