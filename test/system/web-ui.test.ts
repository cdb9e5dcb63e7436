/** The Temporal Web UI as an operator sees it, in a real browser: cards that are true, and search that finds. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scheduler } from '../../src/client/scheduler.ts';
import { startSystem, type System } from '../../src/embedded/system.ts';
import { type Browser, openBrowser } from '../support/chromium.ts';
import { quietRuntime } from '../support/shared.ts';
import { temporalBinary } from '../support/temporal-binary.ts';

describe('the Temporal Web UI', () => {
  let folder: string;
  let system: System;
  let scheduler: Scheduler;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    await quietRuntime();
    process.env.ESCAPEMENT_TEMPORAL_CLI = await temporalBinary();
    folder = await mkdtemp(join(tmpdir(), 'escapement-web-ui-'));
    [system, browser] = await Promise.all([
      startSystem({ stateFolder: folder, onProgress: () => {} }),
      openBrowser(),
    ]);
    page = await browser.context.newPage();
    scheduler = await Scheduler.connect({
      address: system.temporalAddress,
      connection: system.connection,
      gatewayUrl: system.gateway.url,
      gatewayKey: system.gateway.key,
    });
  });

  afterAll(async () => {
    await browser?.close();
    await system?.close();
    await rm(folder, { recursive: true, force: true });
    delete process.env.ESCAPEMENT_TEMPORAL_CLI;
  });

  async function metadataOf(workflowId: string, card: string): Promise<string> {
    const { runId } = await system.client.workflow.getHandle(workflowId).describe();
    const id = encodeURIComponent(workflowId);
    await page.goto(`${system.webUiUrl}/namespaces/default/workflows/${id}/${runId}/user-metadata`);
    // Markdown is shown in frames of its own.
    const texts = async () => {
      const frames = await Promise.all(page.frames().map((frame) => frame.locator('body').innerText()));
      return frames.join('\n');
    };
    await expect.poll(texts, { timeout: 30_000 }).toContain(card);
    return await texts();
  }

  it('shows a paused schedule with who paused it, why, and what a message got wrong', async () => {
    const nightly = await scheduler.schedules.create('nightly', {
      spec: { expressions: '0 2 * * *', timeZone: 'Europe/Berlin' },
      target: 'command',
      input: { command: ['true'] },
      note: 'Builds the nightly report.',
    });
    await nightly.pause({ reason: 'data centre moves', actor: 'ops' });
    await system.client.workflow.getHandle('schedule/nightly').signal('bogus');

    const text = await metadataOf('schedule/nightly', 'nightly is paused, revision 1');

    expect(text).toContain('command: 0 2 * * *');
    expect(text).toContain('Builds the nightly report.');
    expect(text).toContain('by ops: data centre moves');
    expect(text).toMatch(/unknown signal .bogus./);
  });

  it('shows an invocation that waits, for how much of what, and why', async () => {
    await system.store.createPool('gpu');
    const training = await scheduler.schedules.create('training', {
      spec: 'triggered',
      target: 'train',
      pool: 'gpu',
      size: 2,
    });
    const { invocationId } = await training.trigger({ key: 'first' });

    const text = await metadataOf(invocationId, 'waiting for 2 of pool gpu: the pool has no workers');

    expect(text).toContain('train for training');
  });

  it('finds schedules by state and invocations by schedule', async () => {
    for (const [query, id] of [
      ['EscapementState="paused"', 'schedule/nightly'],
      ['EscapementSchedule="training" AND EscapementPool="gpu"', 'schedule/training/manual/first'],
    ] as const) {
      const search = new URLSearchParams({ query });
      await page.goto(`${system.webUiUrl}/namespaces/default/workflows?${search.toString()}`);
      await page.getByRole('link', { name: id, exact: true }).waitFor();
    }
  });
});
