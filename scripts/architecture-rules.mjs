// The tables of layers in ARCHITECTURE.md agree with layers.mjs: each folder stands in one row, and no row has a folder of
// a lower layer than a row above it. Takes another document for its test.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LAYERS } from './layers.mjs';
import { main, root } from './run.mjs';

/** Folders of each row of the table below the heading of a package; undefined where there is no such heading. */
function rowsOf(text, name) {
  const section = text.split(/^#+ /m).find((part) => part.split('\n', 1)[0].trim() === `packages/${name}`);
  return section
    ?.split('\n')
    .filter((line) => /^\| *`/.test(line))
    .map((line) => Array.from(line.split('|')[1].matchAll(/`([^`]+)`/g), ([, folder]) => folder));
}

/** Sentences about what is wrong with the table of one package. */
function faultsOf(name, layers, rows) {
  if (rows === undefined) return [`packages/${name} has no table.`];
  const layerOf = new Map(layers.flatMap((folders, layer) => folders.map((folder) => [folder, layer])));
  const shown = rows.flat();
  const missing = [...layerOf.keys()].filter((folder) => !shown.includes(folder));
  const unknown = shown.filter((folder) => !layerOf.has(folder));
  const twice = shown.filter((folder, at) => shown.indexOf(folder) !== at);
  const highest = rows.map((folders) => Math.max(...folders.map((folder) => layerOf.get(folder) ?? -1)));
  const misplaced = rows.flatMap((folders, row) =>
    folders.filter((folder) => (layerOf.get(folder) ?? Infinity) < Math.max(-1, ...highest.slice(0, row))),
  );
  const say = (folders, what) => folders.map((folder) => `packages/${name}: ${folder} ${what}.`);
  return [
    ...say(missing, 'is in scripts/layers.mjs and not in the table'),
    ...say(unknown, 'is in the table and not in scripts/layers.mjs'),
    ...say(twice, 'is in the table twice'),
    ...say(misplaced, 'is of a lower layer than a folder in a row above'),
  ];
}

await main(import.meta, ([document = join(root, 'ARCHITECTURE.md')]) => {
  const text = readFileSync(document, 'utf8');
  const faults = Object.entries(LAYERS).flatMap(([name, layers]) => faultsOf(name, layers, rowsOf(text, name)));
  for (const fault of faults) console.error(`${document}: ${fault}`);
  const count = Object.keys(LAYERS).length;
  console.log(`${count} packages, ${faults.length === 0 ? 'layers as drawn' : `${faults.length} differences`}.`);
  return faults.length === 0 ? 0 : 1;
});
