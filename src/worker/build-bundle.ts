/** Run by `npm run build`: bundles the workflows once, so that workers start at once. Writes beside the compiled code. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflows } from './orchestration.ts';

const { code } = await bundleWorkflows();
await writeFile(fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url)), code);
