/** The Dockerfile, without docker: what it copies is there and let through, and it runs what the package says it runs. */
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dockerfile, entryPoint, inRoot } from './deployment-files.ts';

const instructions = dockerfile();
const all = (keyword: string) =>
  instructions.filter((one) => one.keyword === keyword).map(({ rest }) => rest);
const readJson = (path: string) => JSON.parse(readFileSync(inRoot(path), 'utf8')) as Record<string, unknown>;

/** What is copied from the repository, without the place it goes to. */
const copied = all('COPY')
  .filter((rest) => !rest.startsWith('--from='))
  .flatMap((rest) => rest.split(' ').slice(0, -1))
  .map((path) => posix.normalize(path));

describe('the Dockerfile', () => {
  it('copies what is there', () => {
    expect(copied).toContain('src');
    for (const path of copied) expect(existsSync(inRoot(path)), path).toBe(true);
  });

  it('copies what .dockerignore lets through, which is nothing else', () => {
    const ignored = readFileSync(inRoot('.dockerignore'), 'utf8').split('\n');
    const letThrough = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect(ignored.filter((line) => line !== '' && !/^[#!]/.test(line))).toEqual(['*']);
    expect(new Set(letThrough)).toEqual(new Set(copied));
  });

  it('copies every folder that the build compiles', () => {
    const { include } = readJson('tsconfig.build.json') as { include: readonly string[] };
    expect(copied).toEqual(expect.arrayContaining([...include]));
  });

  it('runs the program of the package', () => {
    const { bin } = readJson('package.json') as { bin: { escapement: string } };
    expect(entryPoint()).toEqual(['node', `/app/${bin.escapement}`]);
  });

  it('stands on a pinned Node of Debian that the package takes', () => {
    const images = all('FROM').map((rest) => rest.split(' ')[0] ?? '');
    expect(new Set(images).size).toBe(1);
    const [, major, minor] = /^node:(\d+)\.(\d+)\.\d+-bookworm-slim$/.exec(images[0] ?? '') ?? [];
    expect(Number(major) * 100 + Number(minor)).toBeGreaterThanOrEqual(2019);
  });

  it('runs as nobody special and stops in order', () => {
    expect(all('USER')).toEqual(['node']);
    expect(all('STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  it('brings no secret along', () => {
    expect(copied.filter((path) => path.startsWith('.env'))).toEqual([]);
    expect(all('ARG')).toEqual([]);
    expect(all('ENV')).toEqual(['NODE_ENV=production']);
  });
});
