/**
 * The program as it is installed: this repository's sources as JavaScript in a folder of their own, the workflows bundled, so
 * that a process is up in less than a second. Made once for each run of the tests.
 * The types are not checked here; `npm run check` does.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PARTS = ['src', 'workflows', 'activities'];
const TARGETS = 'test/faults/targets.ts';
/** And what it imports. */
const FLAKY = ['test/faults/flaky.ts', 'test/faults/random.ts'];

/** Paths. */
export interface ProgramFiles {
  /** For `node <main> worker`. */
  readonly main: string;
  /** A module for `--targets`. */
  readonly targets: string;
  /** A worker or gateway whose store lies. */
  readonly flaky: string;
  /** Code of the workflows, for `Worker.create({ workflowBundle })`. */
  readonly workflowBundle: string;
}

export interface Program extends ProgramFiles {
  remove(): Promise<void>;
}

export async function makeProgram(): Promise<Program> {
  const folder = await mkdtemp(join(tmpdir(), 'escapement-program-'));
  const files = (await Promise.all(PARTS.map(sourcesIn))).flat();
  await Promise.all([...files, TARGETS, ...FLAKY].map((file) => compile(file, folder)));
  for (const shared of ['node_modules', 'package.json'])
    await symlink(join(ROOT, shared), join(folder, shared));
  await promisify(execFile)(process.execPath, [join(folder, 'src/worker/build-bundle.js')]);
  return {
    main: join(folder, 'src/cli/main.js'),
    targets: join(folder, TARGETS.replace(/\.ts$/, '.js')),
    flaky: join(folder, 'test/faults/flaky.js'),
    workflowBundle: join(folder, 'workflow-bundle.js'),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function sourcesIn(part: string): Promise<readonly string[]> {
  const found = await readdir(join(ROOT, part), { recursive: true });
  return found.filter((name) => name.endsWith('.ts')).map((name) => join(part, name));
}

async function compile(file: string, folder: string): Promise<void> {
  const { outputText } = ts.transpileModule(await readFile(join(ROOT, file), 'utf8'), {
    fileName: file,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
      verbatimModuleSyntax: true,
    },
  });
  const output = join(folder, file.replace(/\.ts$/, '.js'));
  await mkdir(dirname(output), { recursive: true });
  await writeFile(output, outputText);
}
