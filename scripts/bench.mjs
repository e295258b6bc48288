// `npm run bench`: builds, then runs bench/main.ts. Arguments go to it.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildIfNeeded, bundles } from './build.mjs';
import { install } from './install.mjs';
import { main, root, run } from './run.mjs';

await main(import.meta, async (args) => {
  await install();
  await buildIfNeeded();
  const entry = join(root, 'bench/main.ts');
  if (!existsSync(entry)) throw new Error('There is no bench/main.ts.');
  const { rolldown } = await import('rolldown');
  // Node 20 cannot run TypeScript. Inside of node_modules, so that the packages outside of the bundle are found.
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'bench-'));
  try {
    const [{ output: _, ...common }] = bundles();
    // Finds its own files, so it stays where they are.
    const external = [...common.external, 'playwright-core'];
    const bundled = await rolldown({ ...common, external, input: entry });
    await bundled.write({ dir: scratch, format: 'esm', sourcemap: true, entryFileNames: 'main.mjs' });
    await bundled.close();
    return await run(process.execPath, ['--enable-source-maps', join(scratch, 'main.mjs'), ...args], {
      env: { ...process.env, BINNACLE_ROOT: root },
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
