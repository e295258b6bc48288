// Names in the sources of the packages: no retired word in a declared name or in the name of a file, and no exported name
// that one package defines twice. Takes another repository for its test.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { parseSync } from 'rolldown/experimental';
import { main, root } from './run.mjs';

/** Retired parts of names, with the words of the field that replace them. */
const RETIRED = [
  [['told', 'tell', 'tells'], 'event, report, notification, notify, describe'],
  [['asked', 'asking', 'asker', 'askers'], 'request, caller, question, prompt'],
  [['held', 'kept', 'stood'], 'lease, holder, stored, retained, pending, cached'],
  [['sought', 'wanted', 'meant'], 'requested, expected, target'],
  [['stray', 'came', 'gone', 'said', 'took', 'wrote'], 'the noun of what is stored'],
  [['look', 'looks', 'looked', 'eye', 'eyes'], 'focus, lastSeen, scan, appearance'],
  [['hail', 'hails'], 'notification'],
  [['helm', 'hand'], 'lease, leaseHolder'],
  [['seat', 'seats'], 'agentSlot, presence'],
  [['deck'], 'appShell'],
  [['door', 'knock'], 'login, openShareLink'],
  [['desk'], 'channel'],
  [['seldom', 'within'], 'throttle, timeout'],
  [['words'], 'text, format, label, message'],
  [['standing', 'mishap', 'thrown'], 'status, error'],
  [['given', 'drawn'], 'options, arguments, rendered'],
  [['manager', 'service', 'util', 'utils', 'helper', 'helpers', 'impl'], 'the noun of what it does'],
];

/** Names that others define, by file. Names on the wire and in stored data stay (docs/decisions/043). */
const FOREIGN = {
  // On the wire.
  'packages/client/src/client.ts': ['asked'],
  'packages/protocol/src/conversation.ts': ['isAsked', 'askedAt'],
  'packages/protocol/src/frames.ts': ['drawnFrom'],
  'packages/protocol/src/plugins.ts': ['asked'],
  'packages/server/src/runner/wire.ts': ['withinMs'],
  'packages/server/src/screen/wire.ts': ['withinMs', 'drawn'],
  // Stored with a conversation or in the index.
  'packages/server/src/conversations/drivers/acp/state.ts': ['asked', 'wanted'],
  'packages/server/src/conversations/drivers/claude-code/state.ts': ['hasSaid', 'asked'],
  'packages/server/src/conversations/drivers/local/command.ts': ['held'],
  'packages/server/src/conversations/state/transcript.ts': ['said'],
  'packages/server/src/search/logs/log-index.ts': ['kept_from'],
  'packages/server/src/search/retention.ts': ['kept_from'],
  // Internals of xterm.
  'packages/client/src/react/terminal/guards.ts': ['_unicodeService', '_themeService'],
  'packages/server/src/screen/emulator.ts': [
    ...['coreService', 'coreMouseService', 'optionsService', '_charsetService', '_oscLinkService'],
  ],
  'packages/viewer/src/terminal/xterm-internals.ts': ['_bufferService'],
  // The web platform.
  'packages/viewer/src/notifications/service-worker.ts': ['service-worker', 'pushManager'],
};

const INSTEAD = new Map(RETIRED.flatMap(([words, instead]) => words.map((word) => [word, instead])));

/** `MAX_toldTwice` → max, told, twice. */
const partsOf = (name) =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);

const retiredIn = (name) => partsOf(name).find((part) => INSTEAD.has(part));

/** Nodes whose key is a declaration. */
const MEMBERS = new Set([
  'MethodDefinition',
  'PropertyDefinition',
  'AccessorProperty',
  'TSPropertySignature',
  'TSMethodSignature',
  'TSAbstractMethodDefinition',
  'TSAbstractPropertyDefinition',
]);
const NAMED = new Set([
  'VariableDeclarator',
  'FunctionDeclaration',
  'FunctionExpression',
  'TSDeclareFunction',
  'ClassDeclaration',
  'ClassExpression',
  'TSInterfaceDeclaration',
  'TSTypeAliasDeclaration',
  'TSEnumDeclaration',
  'TSTypeParameter',
]);

/** The identifiers that a pattern binds. */
function bound(pattern) {
  switch (pattern?.type) {
    case 'Identifier':
      return [pattern];
    case 'ObjectPattern':
      return pattern.properties.flatMap((property) => bound(property.value ?? property.argument));
    case 'ArrayPattern':
      return pattern.elements.flatMap(bound);
    case 'AssignmentPattern':
      return bound(pattern.left);
    case 'RestElement':
      return bound(pattern.argument);
    case 'TSParameterProperty':
      return bound(pattern.parameter);
    default:
      return [];
  }
}

/** Every declared name below a node. A binding that repeats the key of what it takes apart names nothing anew. */
function declared(node, names) {
  if (Array.isArray(node)) {
    for (const each of node) declared(each, names);
    return;
  }
  if (node === null || typeof node !== 'object') return;
  if (NAMED.has(node.type)) {
    const { id, name } = node;
    if (id?.type === 'ObjectPattern') names.push(...bound(id).filter(({ name }) => !keysOf(id).has(name)));
    else names.push(...bound(id ?? name));
  }
  if (MEMBERS.has(node.type) && !node.computed && /Identifier$/.test(node.key.type)) names.push(node.key);
  const params = Array.isArray(node.params) && node.type !== 'TSTypeParameterInstantiation' ? node.params : [];
  for (const param of params) {
    const keys = param.type === 'ObjectPattern' ? keysOf(param) : new Set();
    names.push(...bound(param).filter(({ name }) => !keys.has(name)));
  }
  for (const key in node) if (key !== 'type') declared(node[key], names);
}

const keysOf = (pattern) => new Set(pattern.properties.map((property) => property.key?.name).filter(Boolean));

/** The names that a file declares and exports. */
function exported(body) {
  return body.flatMap((node) => {
    if (node.type !== 'ExportNamedDeclaration' || !node.declaration) return [];
    const { type, id, declarations } = node.declaration;
    return type === 'VariableDeclaration' ? declarations.flatMap(({ id }) => bound(id)) : bound(id);
  });
}

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.tsx?$/.test(entry.name) && !/\.(test|fixture)\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

await main(import.meta, ([repository = root]) => {
  const packages = join(repository, 'packages');
  const problems = [];
  const used = new Set();
  let read = 0;
  for (const name of readdirSync(packages).filter((name) => existsSync(join(packages, name, 'src')))) {
    const homes = new Map();
    for (const path of sources(join(packages, name, 'src'))) {
      read += 1;
      const file = relative(repository, path);
      const text = readFileSync(path, 'utf8');
      const { program } = parseSync(path, text);
      const line = (at) => text.slice(0, at).split('\n').length;
      const names = [{ name: basename(path).replace(/\.tsx?$/, ''), start: 0 }];
      declared(program, names);
      for (const { name, start } of names) {
        const word = retiredIn(name);
        if (word === undefined) continue;
        if (FOREIGN[file]?.includes(name)) used.add(`${file} ${name}`);
        else problems.push(`${file}:${line(start)}: ${name}: "${word}" is retired: ${INSTEAD.get(word)}.`);
      }
      for (const name of new Set(exported(program.body).map(({ name }) => name))) {
        homes.set(name, [...(homes.get(name) ?? []), file]);
      }
    }
    for (const [name, files] of homes) {
      if (files.length > 1) problems.push(`${name} is exported by ${files.join(' and ')}.`);
    }
  }
  if (repository === root) {
    for (const [file, names] of Object.entries(FOREIGN)) {
      for (const name of names) {
        if (!used.has(`${file} ${name}`)) problems.push(`${file} may declare ${name}, and does not.`);
      }
    }
  }
  for (const problem of problems) console.error(problem);
  console.log(
    `${read} files, ${problems.length === 0 ? 'no retired or doubled name' : `${problems.length} to rename`}.`,
  );
  return problems.length === 0 ? 0 : 1;
});
