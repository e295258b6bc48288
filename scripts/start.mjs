// `npm start`: from a fresh clone to a running gateway. Arguments go to `binnacle serve`.
import { buildIfNeeded } from './build.mjs';
import { install } from './install.mjs';
import { bin, main, run } from './run.mjs';

await main(import.meta, async (args) => {
  await install();
  await buildIfNeeded();
  return run(bin('binnacle'), ['serve', ...args]);
});
