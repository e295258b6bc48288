// Who may import whom, and that nobody imports in a circle. Reads the sources as text: no compiler, no install.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { main, root } from './run.mjs';

/** A package of the workspace may import these others. Every package may import itself. */
const PACKAGES = {
  protocol: { packages: [], outside: [] },
  client: { packages: ['protocol'], outside: ['react', '@xterm/xterm'] },
  plugin: { packages: [], outside: [] },
  'mock-llm': { packages: [], outside: ['node:http', 'node:net', 'node:timers', 'node:util'] },
  server: { packages: ['protocol', 'client', 'plugin'], outside: 'any' },
  viewer: {
    packages: ['client', 'protocol'],
    outside: ['react', 'react-dom', '@xterm/', '@tanstack/react-virtual', 'uplot', 'uqr'],
  },
};

/**
 * Inside of packages/server/src: a folder (or a file at the top) may import these others. `type x`: for types only.
 * The direction is gateway → connection → conversation → sessions → session → steering, runner, cursor → process, log.
 */
const SERVER = {
  version: [],
  askers: [],
  'at-once': [],
  'own-time': [],
  net: [],
  turns: [],
  labels: [],
  clock: [],
  log: [],
  process: ['own-time'],
  routing: [],
  config: ['routing', 'plugin', 'hail', 'http'],
  hail: ['at-once', 'net', 'catalogue', 'type conversation', 'type sessions', 'type session'],
  steering: [],
  cursor: ['log'],
  catalogue: ['clock', 'log', 'type session'],
  runner: ['own-time', 'clock', 'process', 'log'],
  'session-guard': [],
  'session-query': ['catalogue', 'labels'],
  'session-runs': ['type session-guard', 'type steering', 'runner', 'process', 'type catalogue'],
  session: [
    'labels',
    'session-guard',
    'session-runs',
    'steering',
    'runner',
    'cursor',
    'process',
    'log',
    'type catalogue',
  ],
  'session-launch': ['process', 'type catalogue', 'type runner'],
  'open-sessions': ['type session'],
  sessions: [
    'session',
    'session-launch',
    'open-sessions',
    'type session-guard',
    'session-query',
    'steering',
    'runner',
    'cursor',
    'process',
    'log',
    'catalogue',
    'type http',
  ],
  reporting: ['catalogue'],
  activity: ['cursor', 'log', 'type catalogue', 'type session', 'type sessions', 'type http'],
  conversation: [
    'clock',
    'type sessions',
    'type session',
    'routing',
    'type config',
    'steering',
    'cursor',
    'process',
    'log',
    'catalogue',
    'version',
  ],
  traffic: [
    'type clock',
    'labels',
    'type sessions',
    'type session',
    'cursor',
    'log',
    'type catalogue',
    'type runner',
    'type http',
  ],
  search: ['own-time', 'clock', 'process', 'cursor', 'log', 'catalogue', 'type sessions', 'type session', 'type http'],
  recording: ['cursor', 'log', 'type catalogue', 'type sessions', 'type session', 'http', 'type conversation'],
  plugin: [
    'at-once',
    'own-time',
    'net',
    'type conversation',
    'type http',
    'type config',
    'type catalogue',
    'version',
    'process',
  ],
  notices: [],
  retention: ['sessions', 'catalogue', 'log', 'type http'],
  connection: [
    'clock',
    'askers',
    'own-time',
    'type turns',
    'conversation',
    'sessions',
    'session',
    'session-query',
    'labels',
    'steering',
    'cursor',
    'log',
    'version',
    'http',
    'traffic',
    'recording',
    'type activity',
    'type reporting',
    'type notices',
    'type hail',
    'type plugin',
    'type screen',
    'type search',
    'type catalogue',
    'type config',
  ],
  screen: ['askers', 'own-time', 'process', 'cursor', 'log', 'type session', 'type sessions', 'type http'],
  mcp: ['at-once', 'type turns', 'screen', 'connection', 'http', 'cursor', 'version', 'type session', 'type log'],
  oauth: ['http', 'catalogue'],
  'plugin-reading': ['connection', 'mcp', 'type conversation', 'type sessions', 'type plugin'],
  http: ['type clock', 'catalogue', 'version', 'type sessions', 'type session', 'type steering'],
  gateway: 'any',
  'gateway-options': [
    'type activity',
    'type catalogue',
    'type connection',
    'type conversation',
    'type hail',
    'type http',
    'type plugin',
    'type process',
    'type steering',
    'type traffic',
  ],
  index: 'any',
  cli: 'any',
};

/** Only these folders of the server may import @binnacle/client: it is the gateway's peer, not a part of it. */
const CLIENT_USERS = ['cli'];

/** @typedef {{file: string, line: number, target: string, typeOnly: boolean}} Import */

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
      typeOnly: match[1] !== undefined,
    })),
    ...Array.from(text.matchAll(DYNAMIC), (match) => ({
      file,
      line: lineAt(match.index),
      target: match[1],
      typeOnly: false,
    })),
  ];
}

const short = (file) => relative(root, file);
const isTest = (file) => /\.(test|fixture)\.tsx?$/.test(file) || /^packages\/[^/]+\/test\//.test(short(file));
const packageOf = (file) => /^packages\/([^/]+)\/(?:src|test)\//.exec(short(file))?.[1];

/** The one part of the client that is for Node alone. */
const isEmitter = (file) => /^packages\/client\/src\/emit\//.test(short(file));
const NODE_ONLY =
  'the emitter is for Node alone: it is exported as @binnacle/client/emit, and never by the package itself';

/** The part of the client that is for pages made with React, and asks for what the rest does without. */
const isForReact = (file) => /^packages\/client\/src\/react\//.test(short(file));
const REACT_ONLY =
  'React and xterm.js are for packages/client/src/react alone, and the rest of the client does without that folder';

/** The row of SERVER that a file belongs to. */
function partOf(file) {
  const inside = /^packages\/server\/src\/(.+)$/.exec(short(file))?.[1];
  if (inside === undefined) return undefined;
  const slash = inside.indexOf('/');
  if (slash >= 0) return inside.slice(0, slash);
  return basename(inside).replace(/(\.(test|fixture))?\.tsx?$/, '');
}

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
    if (from === 'client' && isEmitter(to) && !isEmitter(item.file) && !isTest(item.file)) return NODE_ONLY;
    if (from === 'client' && isForReact(to) && !isForReact(item.file)) return REACT_ONLY;
    return from === 'server' ? serverFault(item, partOf(item.file), partOf(to)) : undefined;
  }
  const sibling = /^@binnacle\/([^/]+)/.exec(item.target)?.[1];
  if (sibling !== undefined) {
    if (!rule.packages.includes(sibling)) return `${from} may import ${list(rule.packages)} of the workspace`;
    if (from === 'server' && sibling === 'client' && !isTest(item.file) && !CLIENT_USERS.includes(partOf(item.file))) {
      return `only ${list(CLIENT_USERS)} may import the client`;
    }
    return undefined;
  }
  if (rule.outside === 'any' || isTest(item.file)) return undefined;
  if (isEmitter(item.file) && item.target.startsWith('node:')) return undefined;
  if (
    rule.outside.some((name) => item.target === name || item.target.startsWith(name.endsWith('/') ? name : `${name}/`))
  ) {
    return from === 'client' && !isForReact(item.file) ? REACT_ONLY : undefined;
  }
  return `${from} runs anywhere: outside of the workspace it may import ${list(rule.outside)}`;
}

function serverFault(item, from, to) {
  if (from === to || isTest(item.file)) return undefined;
  const allowed = SERVER[from];
  if (allowed === undefined) return `${from} has no row in scripts/import-rules.mjs`;
  if (allowed === 'any') return undefined;
  if (allowed.includes(to)) return undefined;
  if (allowed.includes(`type ${to}`)) {
    return item.typeOnly ? undefined : `${from} may import only types of ${to} (import type …)`;
  }
  return `${from} may import ${list(allowed)}`;
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
  for (const item of [...importsByFile.values()].flat()) {
    const reason = fault(item);
    if (reason !== undefined) problems.push(`${short(item.file)}:${item.line} imports '${item.target}': ${reason}.`);
  }
  for (const circle of circles(files, importsByFile)) problems.push(`a circle: ${circle.map(short).join(' → ')}`);
  for (const problem of problems) console.error(problem);
  console.log(
    `${files.length} files, ${problems.length === 0 ? 'imports as agreed' : `${problems.length} wrong imports`}.`,
  );
  return problems.length === 0 ? 0 : 1;
});
