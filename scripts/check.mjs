// `npm run check`: types (tests too), lint and format, import directions and cycles, the layers that ARCHITECTURE.md shows,
// names without retired words, durations by the right clock, sizes of functions, files and folders, links and paths that lead somewhere, doc comments of the public
// API with examples that compile.
import { install } from './install.mjs';
import { bin, main, run } from './run.mjs';

await main(import.meta, async () => {
  await install();
  // Through a pipe biome would colour each character.
  const isPlain = process.stdout.isTTY !== true || (process.env.NO_COLOR ?? '') !== '';
  const steps = [
    ['types', bin('tsc'), ['-b']],
    ['lint and format', bin('biome'), ['ci', '--error-on-warnings', ...(isPlain ? ['--colors=off'] : [])]],
    ['imports', process.execPath, ['scripts/import-rules.mjs']],
    ['layers as drawn', process.execPath, ['scripts/architecture-rules.mjs']],
    ['names', process.execPath, ['scripts/name-rules.mjs']],
    ['clocks', process.execPath, ['scripts/clock-rules.mjs']],
    ['sizes', process.execPath, ['scripts/size-rules.mjs']],
    ['links and paths', process.execPath, ['scripts/link-rules.mjs']],
    ['doc comments', process.execPath, ['scripts/doc-rules.mjs']],
  ];
  const failed = [];
  for (const [name, command, args] of steps) {
    console.log(`── ${name}`);
    if ((await run(command, args)) !== 0) failed.push(name);
  }
  console.log(failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.join(', ')}.`);
  return failed.length === 0 ? 0 : 1;
});
