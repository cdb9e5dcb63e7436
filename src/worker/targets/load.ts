/**
 * Reads a user's module of targets: `--targets ./targets.ts`. Called by the CLI.
 * A module's default export, or its export `targets`, is an object of name -> handler or a list of
 * `defineTarget` results; without either every exported function is a target of its export's name.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InvalidInputError } from '../../contract/errors.ts';
import { defineTarget, type Target, type TargetHandler } from './target.ts';

/**
 * Imports `path` (relative to the working directory; TypeScript too, by `tsx` where Node cannot).
 * @throws InvalidInputError where it cannot be imported or holds no targets
 */
export async function loadTargets(path: string): Promise<readonly Target[]> {
  const url = pathToFileURL(resolve(path)).href;
  let module: unknown;
  try {
    module = await importModule(url);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidInputError(path, [{ path: '', message: `cannot be imported: ${reason}` }], {
      cause: error,
    });
  }
  const targets = targetsOf(module, path);
  if (targets.length > 0) return targets;
  const message = 'holds no targets: export default { name: async (context) => ... }';
  throw new InvalidInputError(path, [{ path: '', message }]);
}

async function importModule(url: string): Promise<unknown> {
  try {
    return await import(url);
  } catch (error) {
    const unknownKind =
      error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_FILE_EXTENSION';
    if (!unknownKind) throw error;
    const { tsImport } = await import('tsx/esm/api').catch((cause: unknown) => {
      throw new Error('TypeScript needs the package "tsx": npm install tsx, or give a .js file', { cause });
    });
    return tsImport(url, import.meta.url);
  }
}

function targetsOf(module: unknown, path: string): readonly Target[] {
  if (!isRecord(module)) return [];
  const declared = module['default'] ?? module['targets'];
  if (Array.isArray(declared)) return declared.map((entry: unknown, index) => listed(entry, index, path));
  if (isRecord(declared)) {
    return Object.entries(declared).map(([name, handler]) => {
      if (isHandler(handler)) return defineTarget(name, handler);
      throw new InvalidInputError(path, [{ path: name, message: 'is no function' }]);
    });
  }
  return Object.entries(module).flatMap(([name, value]) =>
    name !== 'default' && isHandler(value) ? [defineTarget(name, value)] : [],
  );
}

function listed(entry: unknown, index: number, path: string): Target {
  if (isRecord(entry) && typeof entry['name'] === 'string' && isHandler(entry['run'])) {
    const { name, run } = { name: entry['name'], run: entry['run'] };
    return { name, run: async (context) => run(context) };
  }
  throw new InvalidInputError(path, [{ path: String(index), message: 'is no result of defineTarget' }]);
}

function isHandler(value: unknown): value is TargetHandler {
  return typeof value === 'function';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
