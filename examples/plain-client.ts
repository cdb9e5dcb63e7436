/**
 * No SDK of ours: a schedule is a workflow, so any Temporal client can start, signal, query and end it. This one is the
 * plain TypeScript client. `TEMPORAL_ADDRESS=… npx tsx examples/plain-client.ts`
 */
import { Client, Connection } from '@temporalio/client';

const connection = await Connection.connect({ address: process.env['TEMPORAL_ADDRESS'] ?? '127.0.0.1:7233' });
const client = new Client({ connection });

const schedule = await client.workflow.start('scheduleWorkflow', {
  workflowId: 'schedule/plain',
  taskQueue: 'escapement-schedules',
  args: [{ spec: 'every 5s', target: 'command', input: { command: ['date'] } }],
});

const triggered = await schedule.executeUpdate('trigger', { args: [{ key: 'first' }] });
console.log(triggered);
console.log(await client.workflow.getHandle('schedule/plain/manual/first').result());

await schedule.signal('disable', { reason: 'seen enough', actor: 'ada' });
const { state, disabled } = await schedule.query<{ state: string; disabled?: unknown }>('describe');
console.log(state, disabled);

await schedule.signal('delete');
await connection.close();
