// Import directions: between the packages, between the layers of each package (layers.mjs), and no cycle among files.
// Reads the sources as text: no compiler, no install.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { KNOWN, LAYERS } from './layers.mjs';
import { main, root } from './run.mjs';

/** A package of the workspace may import these others. Every package may import itself. */
const PACKAGES = {
  protocol: { packages: [], outside: [] },
  client: { packages: ['protocol'], outside: ['react', '@xterm/xterm'] },
  emit: { packages: ['protocol'], outside: ['node:'] },
  plugin: { packages: [], outside: [] },
  'mock-llm': { packages: [], outside: ['node:http', 'node:net', 'node:timers', 'node:util'] },
  server: { packages: ['protocol', 'plugin'], outside: 'any' },
  cli: { packages: ['protocol', 'client', 'emit', 'plugin', 'server'], outside: 'any' },
  viewer: {
    packages: ['client', 'protocol'],
    outside: ['react', 'react-dom', '@xterm/', '@tanstack/react-virtual', 'uplot', 'uqr'],
  },
};

const STATEMENT = /^[ \t]*(?:import|export)\s+(type\s)?(?:[^'"`;=]*?\sfrom\s*)?['"]([^'"\n]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"\n]+)['"]\s*[,)]/g;

function sources(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name === 'dist' ? [] : sources(path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

/** @returns {Import[]} */
function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  const lineAt = (index) => text.slice(0, index).split('\n').length;
  return [
    ...Array.from(text.matchAll(STATEMENT), (match) => ({
      file,
      line: lineAt(match.index),
      target: match[2],
    })),
    ...Array.from(text.matchAll(DYNAMIC), (match) => ({
      file,
      line: lineAt(match.index),
      target: match[1],
    })),
  ];
}

const short = (file) => relative(root, file);
const isTest = (file) => /\.(test|fixture)\.tsx?$/.test(file) || /^(packages\/[^/]+\/)?test\//.test(short(file));
const packageOf = (file) => /^packages\/([^/]+)\/(?:src|test)\//.exec(short(file))?.[1];

/** The part of the client that is for pages made with React, and asks for what the rest does without. */
const isForReact = (file) => /^packages\/client\/src\/react\//.test(short(file));
const REACT_ONLY =
  'React and xterm.js are for packages/client/src/react alone, and the rest of the client does without that folder';

/** Layer of each row of a package, from its list; undefined for a package without one. */
const LAYER_OF = Object.fromEntries(
  Object.entries(LAYERS).map(([name, layers]) => [
    name,
    new Map(layers.flatMap((rows, layer) => rows.map((row) => [row, layer]))),
  ]),
);

/** The row of its package's layers that a file belongs to: the longest one that is a part of its path. */
function rowOf(file, layers) {
  const inside = /^packages\/[^/]+\/src\/(.+)$/.exec(short(file))?.[1];
  if (inside === undefined) return undefined;
  for (let path = inside; path !== '.'; path = dirname(path)) if (layers.has(path)) return path;
  return undefined;
}

/** Describes how one import breaks the layers; undefined if it does not. */
function againstLayers(item, to, name) {
  const layers = LAYER_OF[name];
  if (layers === undefined || isTest(item.file) || isTest(to)) return undefined;
  const [from, into] = [rowOf(item.file, layers), rowOf(to, layers)];
  if (from === undefined) return `${short(dirname(item.file))} has no row in scripts/layers.mjs`;
  if (into === undefined) return `${short(dirname(to))} has no row in scripts/layers.mjs`;
  if (from === into || layers.get(into) < layers.get(from)) return undefined;
  const known = `${name}: ${from} → ${into}`;
  if (KNOWN.includes(known)) {
    seen.add(known);
    return undefined;
  }
  const where = layers.get(into) === layers.get(from) ? 'the same layer' : `layer ${layers.get(into)}`;
  return `${from} (layer ${layers.get(from)}) may import lower layers alone, and ${into} is in ${where} (scripts/layers.mjs)`;
}

/** The rows of KNOWN that some import still needs. */
const seen = new Set();

/** What is wrong with one import, in words; undefined when nothing is. */
function fault(item) {
  const from = packageOf(item.file);
  if (from === undefined) return undefined; // whole-system tests and benches may import everything
  const rule = PACKAGES[from];
  if (rule === undefined) return `package ${from} has no row in scripts/import-rules.mjs`;
  if (item.target.startsWith('.')) {
    const to = join(dirname(item.file), item.target);
    if (isTest(item.file) && isTest(to)) return undefined; // a fixture of another package
    if (packageOf(to) !== from) return `it leaves the package: import @binnacle/… instead of a path`;
    if (from === 'client' && isForReact(to) && !isForReact(item.file)) return REACT_ONLY;
    return undefined;
  }
  const sibling = /^@binnacle\/([^/]+)/.exec(item.target)?.[1];
  if (sibling !== undefined) {
    if (!rule.packages.includes(sibling)) return `${from} may import ${list(rule.packages)} of the workspace`;
    return undefined;
  }
  if (rule.outside === 'any' || isTest(item.file)) return undefined;
  if (
    rule.outside.some((name) => item.target === name || item.target.startsWith(/[/:]$/.test(name) ? name : `${name}/`))
  ) {
    return from === 'client' && !isForReact(item.file) ? REACT_ONLY : undefined;
  }
  return `${from} runs anywhere: outside of the workspace it may import ${list(rule.outside)}`;
}

const list = (names) => (names.length === 0 ? 'nothing' : names.join(', '));

/** The circles among files, each as the files along it. */
function circles(files, importsByFile) {
  const known = new Set(files);
  const edges = (file) =>
    importsByFile
      .get(file)
      .filter((item) => item.target.startsWith('.'))
      .map((item) => join(dirname(file), item.target))
      .filter((target) => known.has(target));
  const done = new Set();
  const found = [];
  const path = [];
  const visit = (file) => {
    const at = path.indexOf(file);
    if (at >= 0) {
      found.push([...path.slice(at), file]);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const target of edges(file)) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of files) visit(file);
  return found;
}

await main(import.meta, () => {
  const files = Object.keys(PACKAGES).flatMap((name) =>
    ['src', 'test'].flatMap((folder) => sources(join(root, 'packages', name, folder))),
  );
  const importsByFile = new Map(files.map((file) => [file, importsOf(file)]));
  const problems = [];
  let upward = 0;
  for (const item of [...importsByFile.values()].flat()) {
    const name = packageOf(item.file);
    let reason = fault(item);
    if (reason === undefined && item.target.startsWith('.')) {
      const to = join(dirname(item.file), item.target);
      if (packageOf(to) === name) reason = againstLayers(item, to, name);
      if (reason !== undefined) upward += 1;
    }
    if (reason !== undefined) problems.push(`${short(item.file)}:${item.line} imports '${item.target}': ${reason}.`);
  }
  for (const known of KNOWN) {
    if (!seen.has(known))
      problems.push(`no import is as ‘${known}’ any more: take it out of KNOWN in scripts/layers.mjs`);
  }
  for (const [name, layers] of Object.entries(LAYERS)) {
    for (const row of layers.flat()) {
      if (!existsSync(join(root, 'packages', name, 'src', row))) {
        problems.push(`packages/${name}/src/${row} is not there: take it out of scripts/layers.mjs`);
      }
    }
  }
  const cycles = circles(files, importsByFile);
  for (const circle of cycles) problems.push(`a circle: ${circle.map(short).join(' → ')}`);
  for (const problem of problems) console.error(problem);
  const known = KNOWN.length === 0 ? '' : ` (and ${KNOWN.length} known)`;
  console.log(
    `${files.length} files, ${upward} imports against the layers${known}, ${cycles.length} cycles, ${problems.length} problems.`,
  );
  return problems.length === 0 ? 0 : 1;
});
