// Shows that a commit moved, renamed or reworded, and changed no code: compares the syntax trees of two commits.
// `node scripts/same-code.mjs BASE [HEAD] [--renames FILE]`. Comments, layout and the order of imports do not count;
// FILE maps old identifiers and old string literals to new ones: {"identifiers": {"Helm": "Lease"}, "strings": {}}.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { parseSync } from 'rolldown/experimental';
import { main, root } from './run.mjs';

const SOURCE = /\.(tsx?|mts|mjs)$/;
/** Where a node stands in its file, and how a literal is quoted there. */
const NOT_CODE = new Set(['start', 'end', 'range', 'loc', 'raw', 'comments', 'hashbang']);

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });

/** Old path to new path of every file that is in either commit; an added or deleted one has `undefined` on one side. */
function pairs(base, head) {
  const fields = git('diff', '--name-status', '-z', '-M40%', '-l0', base, head).split('\0');
  const found = [];
  for (let at = 0; at + 1 < fields.length; ) {
    const status = fields[at];
    if (status.startsWith('R')) {
      found.push([fields[at + 1], fields[at + 2]]);
      at += 3;
    } else {
      found.push([status === 'A' ? undefined : fields[at + 1], status === 'D' ? undefined : fields[at + 1]]);
      at += 2;
    }
  }
  return found;
}

/** The tree of one file without places, its imports apart and sorted, its relative specifiers as repository paths. */
function treeOf(path, text, newPath, renames) {
  const { program, errors } = parseSync(path, text, { lang: langOf(path), preserveParens: false });
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  const named = (literal) => {
    const [name, ...query] = literal.split('?');
    const target = name.startsWith('.') ? posix.join(posix.dirname(path), name) : name;
    const found = newPath(target);
    return found === undefined ? literal : [found, ...query].join('?');
  };
  const clean = (node) => {
    if (Array.isArray(node)) return node.map(clean);
    if (typeof node === 'bigint' || node instanceof RegExp) return String(node);
    if (node === null || typeof node !== 'object') return node;
    if (node.type === 'Identifier' || node.type === 'JSXIdentifier' || node.type === 'PrivateIdentifier') {
      return { type: node.type, name: renames.identifiers.get(node.name) ?? node.name, ...annotation(node, clean) };
    }
    if (node.type === 'Literal' && typeof node.value === 'string') {
      const value = renames.strings.get(node.value) ?? node.value;
      return { type: 'Literal', value: named(value) };
    }
    // `{ a: a }` and `{ a }` are the same once `a` has been renamed.
    const entries = Object.entries(node).filter(([key]) => !NOT_CODE.has(key) && key !== 'shorthand');
    return Object.fromEntries(entries.map(([key, value]) => [key, clean(value)]));
  };
  const isImport = (node) =>
    node.type === 'ImportDeclaration' ||
    ((node.type === 'ExportNamedDeclaration' || node.type === 'ExportAllDeclaration') && node.source);
  const imports = program.body.filter(isImport).map((node) => {
    const cleaned = clean(node);
    if (cleaned.specifiers) cleaned.specifiers = cleaned.specifiers.map((one) => JSON.stringify(one)).sort();
    return JSON.stringify(cleaned);
  });
  return {
    imports: imports.sort(),
    body: program.body.filter((node) => !isImport(node)).map((node) => JSON.stringify(clean(node))),
  };
}

const annotation = (node, clean) =>
  Object.fromEntries(
    Object.entries(node)
      .filter(([key]) => !NOT_CODE.has(key) && key !== 'type' && key !== 'name')
      .map(([key, value]) => [key, clean(value)]),
  );

const langOf = (path) => (path.endsWith('x') ? 'tsx' : path.endsWith('.mjs') ? 'js' : 'ts');

function readRenames(path) {
  const read = path === undefined ? {} : JSON.parse(readFileSync(path, 'utf8'));
  return {
    identifiers: new Map(Object.entries(read.identifiers ?? {})),
    strings: new Map(Object.entries(read.strings ?? {})),
  };
}

const NONE = { identifiers: new Map(), strings: new Map() };

await main(import.meta, (args) => {
  const at = args.indexOf('--renames');
  const renames = readRenames(at < 0 ? undefined : args[at + 1]);
  const [base, head = 'HEAD'] = at < 0 ? args : args.toSpliced(at, 2);
  if (base === undefined) throw new Error('Name the commit to compare with: node scripts/same-code.mjs BASE [HEAD]');
  const changed = pairs(base, head);
  const filesOf = (commit) => new Set(git('ls-tree', '-r', '--name-only', '-z', commit).split('\0'));
  const [filesBefore, filesAfter] = [filesOf(base), filesOf(head)];
  const moved = new Map(changed.filter(([from, to]) => from !== undefined && to !== undefined));
  const differing = [];
  let same = 0;
  for (const [from, to] of changed) {
    if (!SOURCE.test(to ?? from)) continue;
    if (from === undefined || to === undefined) {
      differing.push(`${to ?? from}: ${from === undefined ? 'added' : 'deleted'}`);
      continue;
    }
    const before = treeOf(
      from,
      git('show', `${base}:${from}`),
      (path) => (filesBefore.has(path) ? (moved.get(path) ?? path) : undefined),
      renames,
    );
    const after = treeOf(to, git('show', `${head}:${to}`), (path) => (filesAfter.has(path) ? path : undefined), NONE);
    const where = [];
    if (before.imports.join('\n') !== after.imports.join('\n')) where.push('imports');
    if (before.body.join('\n') !== after.body.join('\n')) where.push('code');
    if (where.length === 0) same += 1;
    else differing.push(`${to}: other ${where.join(' and ')}`);
  }
  for (const line of differing) console.log(line);
  console.log(`${same} changed files are the same code, ${differing.length} are not.`);
  return differing.length === 0 ? 0 : 1;
});
