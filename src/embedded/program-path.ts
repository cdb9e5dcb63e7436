/**
 * Finds programs as a shell would. Called by whatever looks for an installed program (temporal, go, java, mvn).
 * Promise: a path that is answered is a file this process may run. Imports nothing of the project.
 */
import { access, constants, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** The first `name` on `env.PATH` that can be run; undefined where there is none. */
export async function programOnPath(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, file);
    if (await isProgram(path)) return path;
  }
  return undefined;
}

/** Whether `path` is a file this process may run. */
export async function isProgram(path: string): Promise<boolean> {
  if (!(await isFile(path))) return false;
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Whether `path` is a file. */
export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}
