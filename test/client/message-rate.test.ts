/** The pace of messages to a schedule: a burst goes at once, more waits for its turn, and nothing is refused. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMessageRate } from '../../src/client/message-rate.ts';

/** Time that stands still unless it is moved; what a call waits for is kept instead of waited. */
function paced(perSecond: number, burst: number) {
  let nowMs = 0;
  const waits: number[] = [];
  const rate = createMessageRate({
    perSecond,
    burst,
    monotonicMs: () => nowMs,
    wait: async (ms) => void waits.push(ms),
  });
  return {
    pass: (ms: number) => {
      nowMs += ms;
    },
    /** When the call goes on, on the same clock. */
    async sentAtMs(scheduleId = 'nightly'): Promise<number> {
      waits.length = 0;
      await rate.turn(scheduleId);
      return nowMs + (waits[0] ?? 0);
    },
  };
}

test('a burst goes at once, and what follows goes one after the other', async () => {
  const { sentAtMs } = paced(100, 3);
  const sent = [];
  for (let i = 0; i < 6; i += 1) sent.push(await sentAtMs());
  expect(sent).toEqual([0, 0, 0, 10, 20, 30]);
});

test('a schedule that was left in peace takes a burst again', async () => {
  const { sentAtMs, pass } = paced(100, 2);
  for (let i = 0; i < 4; i += 1) await sentAtMs();
  pass(1_000);
  expect([await sentAtMs(), await sentAtMs(), await sentAtMs()]).toEqual([1_000, 1_000, 1_010]);
});

test('schedules do not wait for one another', async () => {
  const { sentAtMs } = paced(1, 1);
  expect(await sentAtMs('busy')).toBe(0);
  expect(await sentAtMs('busy')).toBe(1_000);
  expect(await sentAtMs('other')).toBe(0);
});

test('schedules that are still busy are remembered, however many there are', async () => {
  const { sentAtMs, pass } = paced(1, 1);
  await sentAtMs('quiet');
  pass(1_000);
  for (let i = 0; i < 1_500; i += 1) await sentAtMs(`busy-${i}`);
  expect(await sentAtMs('busy-0')).toBe(2_000);
  expect(await sentAtMs('quiet')).toBe(1_000);
});

test('whatever the calls, no stretch of time sees more than the rate and one burst, in the order of the calls', async () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(gaps, fc.integer({ min: 1, max: 20 }), async (between, burst) => {
      const { sentAtMs, pass } = paced(10, burst);
      const sent: number[] = [];
      for (const gapMs of between) {
        pass(gapMs);
        sent.push(await sentAtMs());
      }
      expect(sent).toEqual(sent.toSorted((a, b) => a - b));
      for (const [first, fromMs] of sent.entries()) {
        for (const [i, untilMs] of sent.slice(first).entries()) {
          expect(i + 1).toBeLessThanOrEqual(burst + Math.floor((untilMs - fromMs) / 100) + 1);
        }
      }
    }),
  );
});
