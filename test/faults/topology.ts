/**
 * `npm run topology`: the production topology once, on a Temporal server that itself runs on PostgreSQL. Tells what it does;
 * exit code 1 where something went wrong.
 */
import { play } from './play.ts';
import { makeProgram } from '../support/program.ts';
import { randomOf } from './random.ts';
import { PRODUCTION } from './scenarios.ts';
import { startSystem } from './system.ts';
import { temporalOnPostgres } from './temporal-on-postgres.ts';

console.log('PostgreSQL, a Temporal server on it, worker, gateway and two pool workers are started');
const program = await makeProgram();
const system = await startSystem({ startTemporal: temporalOnPostgres, program });
try {
  for (const [n, scenario] of PRODUCTION.entries()) {
    const { fires, wrong } = await play(system, scenario, randomOf(n), n);
    console.log(`${scenario.name}: ${fires} ledger rows, ${wrong.length === 0 ? 'all is well' : 'wrong:'}`);
    for (const what of wrong) console.error(`  ${what}`);
    if (wrong.length > 0) process.exitCode = 1;
  }
} finally {
  await system.close();
  await program.remove();
}
