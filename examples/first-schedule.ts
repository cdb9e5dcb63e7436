/**
 * The SDK in five minutes: makes a schedule, runs it once by hand, looks at it, pauses it, runs a job, cleans up.
 * Needs a system that runs in this folder (`npm start` in another terminal): `npx tsx examples/first-schedule.ts`.
 */
import { AlreadyExistsError, Scheduler } from 'escapement/client';

const scheduler = await Scheduler.connect();

const hello = await scheduler.schedules
  .create('hello-sdk', {
    spec: 'every 10s',
    target: 'command',
    input: { command: ['echo', 'hello from the SDK'] },
    retry: { limit: 2 },
    // With the default, `skip`, a trigger that comes while another run goes is recorded and not run.
    overlap: 'allowAll',
    note: 'made by examples/first-schedule.ts',
  })
  .catch((error: unknown) => {
    if (!(error instanceof AlreadyExistsError)) throw error;
    return scheduler.schedules.get('hello-sdk');
  });

const triggered = await hello.trigger({ reason: 'trying it out' });
const run = await scheduler.invocations.get(triggered.invocationId).result();
console.log(`by hand: ${triggered.outcome}, ran on ${run.workerId}: ${JSON.stringify(run.result)}`);

const { state, definition } = await hello.describe();
console.log(`${hello.id} is ${state}: ${definition.spec.expressions.join(' | ')}`);
for (const atMs of await hello.nextTimes(3)) console.log(`  due ${new Date(atMs).toISOString()}`);

await hello.pause({ reason: 'enough for now' });
console.log(`after pause: ${(await hello.describe()).state}`);

const job = await scheduler.in('2s', { target: 'command', input: { command: ['uname', '-s'] } });
console.log(`job: ${JSON.stringify((await job.result()).result)}`);

const { items } = await scheduler.gateway.listFires({ scheduleId: 'hello-sdk' }, { limit: 5 });
for (const { key, outcome, run } of items) console.log(`ledger: ${key} ${outcome} ${run?.status ?? ''}`);

await hello.delete();
await scheduler.close();
