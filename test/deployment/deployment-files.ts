/** Reads docker-compose.yml, the Dockerfile and .dockerignore for the tests beside it; the first as docker would merge it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export interface Service {
  readonly image?: string;
  readonly build?: unknown;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
  readonly stop_grace_period?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
}

/** A path of the repository. */
export function inRoot(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

export function composeFile() {
  const text = readFileSync(inRoot('docker-compose.yml'), 'utf8');
  const document = parse(text, { merge: true }) as { readonly services: Readonly<Record<string, Service>> };
  return { text, document };
}

/** `${NAME:-default}` and `${NAME:?message}` of a compose file; `rule` is what follows the name. */
export function variablesOf(text: string): readonly { readonly name: string; readonly rule: string }[] {
  return [...text.matchAll(/\$\{(\w+)([^}]*)\}/g)].map(([, name = '', rule = '']) => ({ name, rule }));
}

export interface Instruction {
  readonly keyword: string;
  readonly rest: string;
}

/** The Dockerfile's instructions, continued lines joined. */
export function dockerfile(): readonly Instruction[] {
  return readFileSync(inRoot('Dockerfile'), 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [keyword = '', ...rest] = line.split(' ');
      return { keyword, rest: rest.join(' ') };
    });
}

/** What the image runs, before the command. */
export function entryPoint(): readonly string[] {
  const found = dockerfile().findLast(({ keyword }) => keyword === 'ENTRYPOINT');
  return JSON.parse(found?.rest ?? '[]') as string[];
}
