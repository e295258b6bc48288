// Shows that a commit moved, renamed or reworded, and changed no code: compares the syntax trees of two commits.
// `node scripts/same-code.mjs BASE [HEAD] [--renames FILE]`. Comments, layout and the order of imports do not count.
// FILE lists the renames that are allowed: [{"name": "Helm", "to": "Lease"}]; a name may be qualified ("Class.member",
// "function>parameter"): what stands behind the last sign counts. {"string": "a", "to": "b"} allows another literal.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { parseSync } from 'rolldown/experimental';
import { main, root } from './run.mjs';

const SOURCE = /\.(tsx?|mts|mjs)$/;
/** The place of a node in its file, and the form of a literal there. `{ a: a }` and `{ a }` are the same code. */
const NOT_CODE = new Set(['start', 'end', 'range', 'loc', 'raw', 'comments', 'hashbang', 'shorthand']);
const NAMES = new Set(['Identifier', 'JSXIdentifier', 'PrivateIdentifier']);
const IMPORTS = new Set(['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration']);

/** Returns whether a node is white space that JSX drops: the indentation between two elements. */
const isLayout = (node) => node?.type === 'JSXText' && /^\s*\n\s*$/.test(node.value);

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });

/** The old and the new path of each file that changed; `undefined` on one side of an added or deleted file. */
function changedFiles(base, head) {
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

/** Parses one file. A literal that names a file of the repository becomes the path that `newPath` gives for the file. */
function parse(path, text, newPath) {
  const lang = path.endsWith('x') ? 'tsx' : path.endsWith('.mjs') ? 'js' : 'ts';
  const { program, errors } = parseSync(path, text, { lang, preserveParens: false });
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  const literal = (value) => {
    const [name, ...query] = value.split('?');
    const found = newPath(name.startsWith('.') ? posix.join(posix.dirname(path), name) : name);
    return found === undefined ? value : [found, ...query].join('?');
  };
  const clean = (node) => {
    if (Array.isArray(node)) return node.filter((one) => !isLayout(one)).map(clean);
    if (typeof node === 'bigint' || node instanceof RegExp) return String(node);
    if (node === null || typeof node !== 'object') return node;
    if (node.type === 'Literal' && typeof node.value === 'string')
      return { type: 'Literal', value: literal(node.value) };
    const entries = Object.entries(node).filter(([key]) => !NOT_CODE.has(key));
    return Object.fromEntries(entries.map(([key, value]) => [key, clean(value)]));
  };
  const statements = clean(program.body);
  const isImport = (node) => IMPORTS.has(node.type) && node.source != null;
  return {
    imports: statements.filter(isImport).flatMap((node) => {
      const { specifiers = [], ...rest } = node;
      return specifiers.length === 0 ? [rest] : specifiers.map((specifier) => ({ ...rest, specifier }));
    }),
    body: statements.filter((node) => !isImport(node)),
  };
}

/** @returns {(before: unknown, after: unknown) => boolean} whether two trees are equal but for the allowed renames. */
function comparison(renames) {
  const names = new Set();
  const strings = new Set();
  for (const { name, string, to } of renames) {
    if (name !== undefined) names.add(`${name.split(/[.>]#?/).at(-1)} ${to.replace(/^#/, '')}`);
    else strings.add(`${string} ${to}`);
  }
  const same = (before, after) => {
    if (before === after) return true;
    if (typeof before !== 'object' || typeof after !== 'object' || before === null || after === null) return false;
    if (Array.isArray(before)) {
      return Array.isArray(after) && before.length === after.length && before.every((one, at) => same(one, after[at]));
    }
    const keys = Object.keys(before);
    if (keys.length !== Object.keys(after).length) return false;
    return keys.every((key) => {
      if (same(before[key], after[key])) return true;
      const pair = `${before[key]} ${after[key]}`;
      if (key === 'name' && NAMES.has(before.type)) return names.has(pair);
      const isText = key === 'cooked' || (key === 'value' && before.type === 'Literal');
      return isText && strings.has(pair);
    });
  };
  return same;
}

/** Compares imports in any order: each of the one file has its own in the other. */
function sameImports(before, after, same) {
  const left = [...after];
  return (
    before.length === after.length &&
    before.every((one) => {
      const at = left.findIndex((other) => same(one, other));
      if (at >= 0) left.splice(at, 1);
      return at >= 0;
    })
  );
}

await main(import.meta, (args) => {
  const at = args.indexOf('--renames');
  const same = comparison(at < 0 ? [] : JSON.parse(readFileSync(args[at + 1], 'utf8')));
  const [base, head = 'HEAD'] = at < 0 ? args : args.toSpliced(at, 2);
  if (base === undefined) throw new Error('Name the commit to compare with: node scripts/same-code.mjs BASE [HEAD]');
  const changed = changedFiles(base, head);
  const moved = new Map(changed.filter(([from, to]) => from !== undefined && to !== undefined));
  const filesOf = (commit) => new Set(git('ls-tree', '-r', '--name-only', '-z', commit).split('\0'));
  const [filesBefore, filesAfter] = [filesOf(base), filesOf(head)];
  const pathBefore = (path) => (filesBefore.has(path) ? (moved.get(path) ?? path) : undefined);
  const pathAfter = (path) => (filesAfter.has(path) ? path : undefined);
  const differing = [];
  let equal = 0;
  for (const [from, to] of changed) {
    if (!SOURCE.test(to ?? from)) continue;
    if (from === undefined || to === undefined) {
      differing.push(`${to ?? from}: ${from === undefined ? 'added' : 'deleted'}`);
      continue;
    }
    const before = parse(from, git('show', `${base}:${from}`), pathBefore);
    const after = parse(to, git('show', `${head}:${to}`), pathAfter);
    const other = [];
    if (!sameImports(before.imports, after.imports, same)) other.push('imports');
    if (!same(before.body, after.body)) other.push('code');
    if (other.length === 0) equal += 1;
    else differing.push(`${to}: other ${other.join(' and ')}`);
  }
  for (const line of differing) console.log(line);
  console.log(`${equal} changed files are the same code, ${differing.length} are not.`);
  return differing.length === 0 ? 0 : 1;
});
