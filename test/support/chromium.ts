/**
 * A real browser for pages: the system's Chromium, installed from Debian's packages where there is none and we may.
 * Used by browser tests. Promise: a fresh profile for each browser, no traffic of the browser's own.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BrowserContext, chromium } from 'playwright-core';
import { programOnPath } from '../../src/embedded/program-path.ts';

const run = promisify(execFile);
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

export async function openBrowser(): Promise<Browser> {
  const executablePath = await findChromium();
  const profile = await mkdtemp(join(tmpdir(), 'escapement-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: FLAGS,
    viewport: { width: 1400, height: 1000 },
  });
  return {
    context,
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

async function findChromium(): Promise<string> {
  const found = await installed();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || (await programOnPath('apt-get', process.env)) === undefined) {
    throw new Error('browser tests need Chromium: install the package "chromium", or set CHROMIUM_PATH');
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update'], { env });
  await run('apt-get', ['install', '-y', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'], {
    env,
  });
  const now = await installed();
  if (now === undefined)
    throw new Error('the package "chromium" was installed, but no program of its name is on PATH');
  return now;
}

async function installed(): Promise<string | undefined> {
  if (process.env.CHROMIUM_PATH !== undefined) return process.env.CHROMIUM_PATH;
  for (const name of NAMES) {
    const path = await programOnPath(name, process.env);
    if (path !== undefined) return path;
  }
  return undefined;
}
