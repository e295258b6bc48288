// Sizes: lines of a function, lines of a file, source files of a folder. Tests, fixtures and suites for tests do not count.
// Takes another repository for its test.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { parseSync } from 'rolldown/experimental';
import { main, root } from './run.mjs';

/** Maximum lines of a function, with its nested functions: more do not fit on two screens. */
const MAX_FUNCTION = 120;
/** Maximum lines of a file. */
const MAX_FILE = 450;
/** Maximum source files of a folder of a package: its listing fits on one screen. */
const MAX_FOLDER = 25;

/** Files that are one table, whose rows stand alone. */
const TABLES = new Set(['packages/protocol/src/codes.ts']);

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);
/** The kit of tests has no suffix of its own; it imports the test runner. */
const SUITE = /from 'vitest'/;

function sources(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ['node_modules', 'dist', 'test'].includes(entry.name) ? [] : sources(path);
    return /\.(tsx?|mjs)$/.test(entry.name) && !/\.(test|fixture)\.tsx?$|\.d\.ts$/.test(entry.name) ? [path] : [];
  });
}

/** Returns each function of a file that is too long, with its name: its own, or that of the property or variable. */
function longFunctions(path, text) {
  const { program } = parseSync(path, text);
  const lineOf = (at) => text.slice(0, at).split('\n').length;
  const found = [];
  const visit = (node, name) => {
    if (Array.isArray(node)) for (const each of node) visit(each, name);
    if (Array.isArray(node) || node === null || typeof node !== 'object') return;
    const own = node.id?.name ?? node.key?.name ?? name;
    if (FUNCTIONS.has(node.type)) {
      const lines = lineOf(node.end) - lineOf(node.start) + 1;
      if (lines > MAX_FUNCTION) found.push({ name: own, lines, line: lineOf(node.start) });
    }
    for (const key in node) if (key !== 'type') visit(node[key], own);
  };
  visit(program.body, basename(path));
  return found;
}

await main(import.meta, ([repository = root]) => {
  const problems = [];
  const folders = new Map();
  const files = ['packages', 'scripts', 'bench', 'examples'].flatMap((name) => sources(join(repository, name)));
  for (const path of files) {
    const file = relative(repository, path);
    const text = readFileSync(path, 'utf8');
    if (SUITE.test(text)) continue;
    const folder = dirname(file);
    folders.set(folder, (folders.get(folder) ?? 0) + 1);
    const lines = text.split('\n').length - 1;
    if (lines > MAX_FILE && !TABLES.has(file)) problems.push(`${file} has ${lines} lines; at most ${MAX_FILE}.`);
    for (const { name, lines, line } of longFunctions(path, text)) {
      problems.push(`${file}:${line}: ${name} has ${lines} lines; at most ${MAX_FUNCTION}.`);
    }
  }
  for (const [folder, count] of folders) {
    if (!folder.startsWith('packages/') || count <= MAX_FOLDER) continue;
    problems.push(`${folder} has ${count} source files; at most ${MAX_FOLDER}.`);
  }
  for (const problem of problems) console.error(problem);
  console.log(`${files.length} files, ${problems.length} to split.`);
  return problems.length === 0 ? 0 : 1;
});
