// Doc comments of the public API: each export of the entry points has one, each member of an exported class or interface
// too, codes that are thrown are in the table of codes, and each `@example` compiles, as does the code in the READMEs of the
// packages. `npm run docs` makes the reference of them. Runs behind `tsc -b`. `node scripts/doc-rules.mjs [FOLDER]`: of another repository.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseSync } from 'rolldown/experimental';
import { bin, main, root } from './run.mjs';

/** Entry points whose exports are the public API. */
const ENTRIES = [
  'packages/client/src/index.ts',
  'packages/client/src/react/index.ts',
  'packages/client/src/react/terminal.ts',
  'packages/emit/src/index.ts',
  'packages/protocol/src/index.ts',
];
/** Members whose meaning the language gives. */
const KNOWN_MEMBERS = new Set(['constructor', 'next', 'return', '[Symbol.asyncIterator]', '[Symbol.iterator]']);

const repository = process.argv[2] ?? root;
const short = (file) => relative(repository, file);

/** Parses files once. */
class Sources {
  #files = new Map();

  read(file) {
    let source = this.#files.get(file);
    if (source === undefined) {
      const text = readFileSync(file, 'utf8');
      const { program, comments } = parseSync(file, text);
      const docs = comments.filter(({ type, value }) => type === 'Block' && value.startsWith('*'));
      source = { file, text, body: program.body, docs };
      this.#files.set(file, source);
    }
    return source;
  }
}

/** The doc comment directly before a place of a file; undefined where there is none. */
const docBefore = ({ text, docs }, at) => docs.find(({ end }) => end <= at && text.slice(end, at).trim() === '');

const lineAt = (text, at) => text.slice(0, at).split('\n').length;

/** The declarations that a file exports by name, followed through the files that it takes them from. */
function exportsOf(sources, file) {
  const source = sources.read(file);
  const found = new Map();
  const declared = new Map();
  for (const node of source.body) {
    const declaration = node.type === 'ExportNamedDeclaration' ? (node.declaration ?? undefined) : node;
    if (declaration === undefined) continue;
    for (const name of namesOf(declaration)) {
      const all = declared.get(name) ?? [];
      declared.set(name, [...all, { source, start: node.start, declaration }]);
      if (declaration !== node) found.set(name, declared.get(name));
    }
  }
  for (const node of source.body) {
    const from = node.source?.value;
    if (from !== undefined && !from.startsWith('.')) continue;
    if (node.type === 'ExportAllDeclaration') {
      for (const [name, all] of exportsOf(sources, join(dirname(file), from))) found.set(name, all);
    } else if (node.type === 'ExportNamedDeclaration') {
      const others = from === undefined ? declared : exportsOf(sources, join(dirname(file), from));
      for (const { local, exported } of node.specifiers) {
        const all = others.get(local.name);
        if (all !== undefined) found.set(exported.name, all);
      }
    }
  }
  return found;
}

function namesOf(declaration) {
  if (declaration.type === 'VariableDeclaration') return declaration.declarations.map(({ id }) => id.name);
  return declaration.id?.type === 'Identifier' ? [declaration.id.name] : [];
}

/** The members of a class, an interface or an object type that a user can reach. */
function membersOf(declaration) {
  const body =
    declaration.type === 'TSTypeAliasDeclaration'
      ? declaration.typeAnnotation.type === 'TSTypeLiteral'
        ? declaration.typeAnnotation.members
        : []
      : (declaration.body?.body ?? []);
  if (!Array.isArray(body)) return [];
  return body.filter(
    ({ key, accessibility, kind }) =>
      key !== undefined &&
      key.type !== 'PrivateIdentifier' &&
      (accessibility ?? 'public') === 'public' &&
      kind !== 'set',
  );
}

function withoutDoc(sources) {
  const problems = new Set();
  for (const entry of ENTRIES) {
    for (const [name, all] of exportsOf(sources, join(repository, entry))) {
      const [first] = all;
      const { source, start } = first;
      if (!all.some((one) => docBefore(one.source, one.start) !== undefined))
        problems.add(`${short(source.file)}:${lineAt(source.text, start)} exports ${name} without a doc comment.`);
      for (const { source, declaration } of all) {
        if (declaration.type.endsWith('FunctionDeclaration') || declaration.type === 'FunctionDeclaration') continue;
        for (const member of membersOf(declaration)) {
          const key = source.text.slice(member.key.start, member.key.end);
          const member_ = member.computed ? `[${key}]` : key;
          if (KNOWN_MEMBERS.has(member_) || docBefore(source, member.start) !== undefined) continue;
          problems.add(
            `${short(source.file)}:${lineAt(source.text, member.start)} ${name}.${member_} has no doc comment.`,
          );
        }
      }
    }
  }
  return [...problems];
}

/** Codes that a comment says are thrown, and that no row of codes.ts has. */
function unknownCodes(file, codes) {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/\/\*\*.*?\*\//gs)].flatMap(({ index, 0: comment }) =>
    [...comment.matchAll(/[Tt]hrows ([^.]*)/g)].flatMap(([, list]) =>
      [...list.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)]
        .filter(([, code]) => !codes.has(code))
        .map(([, code]) => `${short(file)}:${lineAt(text, index)} says that ${code} is thrown, which is no code.`),
    ),
  );
}

/** Each `@example` of a file: its code, and the line of the file that it begins in. */
function examplesIn(text) {
  const found = [];
  const tags = [];
  for (const { index, 0: comment } of text.matchAll(/\/\*\*.*?\*\//gs)) {
    const lines = comment
      .replace(/\*\/$/, '')
      .split('\n')
      .map((line) => line.replace(/^\s*(\/\*)?\*+ ?/, ''));
    const first = lineAt(text, index);
    let tag;
    let fence;
    for (const [at, line] of lines.entries()) {
      if (fence !== undefined) {
        if (line.trim() === '```') fence = undefined;
        else fence.code.push(line);
      } else if (/^@\w+/.test(line)) {
        tag = line.startsWith('@example') ? { line: first + at, isEmpty: true } : undefined;
        if (tag !== undefined) tags.push(tag);
      } else if (tag !== undefined && /^```tsx?$/.test(line.trim())) {
        tag.isEmpty = false;
        fence = { line: first + at + 1, kind: line.trim().slice(3), code: [] };
        found.push(fence);
      }
    }
  }
  const empty = tags.filter(({ isEmpty }) => isEmpty).map(({ line }) => line);
  return { found, empty };
}

/** The code blocks of a document. */
const blocksIn = (text) =>
  [...text.matchAll(/^```(?:js|(tsx?))\n(.*?)^```$/gms)].map(({ index, 1: kind = 'ts', 2: code }) => ({
    line: lineAt(text, index) + 1,
    kind,
    code: code.split('\n'),
  }));

/** Declarations that examples may use, so that each shows one thing. */
const GLOBALS = `import type { Binnacle, Conversation, Session } from '@binnacle/client';
import type { Emitter } from '@binnacle/emit';
declare global {
  const binnacle: Binnacle;
  const session: Session;
  const conversation: Conversation;
  const emitter: Emitter;
  namespace NodeJS {
    interface ProcessEnv {
      BINNACLE_URL: string;
      BINNACLE_TOKEN: string;
    }
  }
}
`;
const OPTIONS = {
  target: 'es2023',
  module: 'nodenext',
  jsx: 'react-jsx',
  strict: true,
  // The code in the READMEs is JavaScript.
  noImplicitAny: false,
  noEmit: true,
  skipLibCheck: true,
  lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
  types: ['node'],
};

/** Type-checks the examples of all packages; returns what is wrong, at the line of the source. */
function examplesThatFail(sources) {
  const cache = join(repository, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  // Below node_modules, where the packages are found by their names; one for each run.
  const dir = mkdtempSync(join(cache, 'examples-'));
  const files = new Map();
  const problems = [];
  for (const file of sources) {
    const text = readFileSync(file, 'utf8');
    const { found, empty } = file.endsWith('.md') ? { found: blocksIn(text), empty: [] } : examplesIn(text);
    for (const line of empty) problems.push(`${short(file)}:${line} has an example that is no block of ts or tsx.`);
    for (const { line, kind, code } of found) {
      const name = `${short(file).replace(/[/.]/g, '-')}-${line}.${kind}`;
      writeFileSync(join(dir, name), `${code.join('\n')}\nexport {};\n`);
      files.set(name, { file, line });
    }
  }
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  writeFileSync(join(dir, 'globals.d.ts'), GLOBALS);
  writeFileSync(join(dir, 'styles.d.ts'), "declare module '*.css';\n");
  const config = { compilerOptions: OPTIONS, files: ['globals.d.ts', 'styles.d.ts', ...files.keys()] };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
  try {
    if (files.size === 0) return { count: 0, problems };
    execFileSync(bin('tsc'), ['-p', dir, '--pretty', 'false'], { cwd: dir, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    for (const line of error.stdout.trim().split('\n')) {
      const [, name, at, rest] = /^(?:.*\/)?([^/(]+)\((\d+),\d+\): (.*)$/.exec(line) ?? [];
      const from = files.get(name);
      problems.push(
        from === undefined ? line : `${short(from.file)}:${from.line + Number(at) - 1}, an example: ${rest}`,
      );
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return { count: files.size, problems };
}

function sourcesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name === 'dist' ? [] : sourcesBelow(path);
    return /(?<!\.(?:test|fixture))\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

/** The codes of the table of failures, read as text. */
function codesIn(file) {
  const [, table = ''] = /const CODES = \{(.*?)^\} as const/ms.exec(readFileSync(file, 'utf8')) ?? [];
  return new Set([...table.matchAll(/^ {2}([a-z_]+):/gm)].map(([, code]) => code));
}

await main(import.meta, () => {
  const packages = new Set(ENTRIES.map((entry) => entry.split('/').slice(0, 3).join('/')));
  const files = [...packages].flatMap((folder) => sourcesBelow(join(repository, folder)));
  const codes = codesIn(join(repository, 'packages/protocol/src/codes.ts'));
  const undocumented = withoutDoc(new Sources());
  const unknown = files.flatMap((file) => unknownCodes(file, codes));
  const readmes = [...packages]
    .map((folder) => join(repository, dirname(folder), 'README.md'))
    .filter((file) => existsSync(file));
  const { count, problems } = examplesThatFail([...files, ...readmes]);
  const all = [...undocumented, ...unknown, ...problems];
  for (const problem of all) console.error(problem);
  console.log(
    `${count} examples, ${problems.length} that do not compile; ${undocumented.length} exports or members without a doc comment; ${unknown.length} unknown codes.`,
  );
  return all.length === 0 ? 0 : 1;
});
