/**
 * A process that owns an embedded directory: makes one pool after another until it is killed, and says each that is made.
 * Started by `embedded-owner.test.ts`; arguments: directory, a prefix for the pools' ids.
 */
import { createEmbeddedStore } from '../../src/store/embedded.ts';

const [dataDir = '', prefix = ''] = process.argv.slice(2);
const store = await createEmbeddedStore({ dataDir, schema: 'escapement' });
for (let n = 0; ; n += 1) {
  await store.createPool(`${prefix}${n}`);
  console.log(`made ${prefix}${n}`);
}
