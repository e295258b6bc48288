// Which keys of the config file a plugin can be allowed to read and to write. A list of what may be, so that a key that is
// new is closed until somebody thinks about it. Knows no file.

/** `plain`: `true` opens it. `named`: only a grant that spells it. `never`: no grant does. */
type Access = 'plain' | 'named' | 'never';
export type Doing = 'read' | 'write';

export type KeyPath = readonly string[];

interface KeyRow {
  readonly path: KeyPath;
  readonly read: Access;
  readonly write: Access;
}

const row = (key: string, read: Access, write: Access): KeyRow => ({ path: key.split('.'), read, write });

/** Of an agent. What decides which program runs, where, with which secrets and who sees it is never a plugin's to write. */
const OF_AGENT: Readonly<Record<string, readonly [read: Access, write: Access]>> = {
  model: ['plain', 'plain'],
  timeoutMs: ['plain', 'plain'],
  silenceMs: ['plain', 'plain'],
  approvalTimeoutMs: ['plain', 'plain'],
  // Who tells an agent what to do has its hands.
  instructions: ['plain', 'named'],
  driver: ['plain', 'never'],
  cwd: ['plain', 'never'],
  visibility: ['plain', 'never'],
  apiKeyEnv: ['plain', 'never'],
  tools: ['plain', 'never'],
  // Passwords are written into both.
  command: ['named', 'never'],
  url: ['named', 'never'],
  env: ['never', 'never'],
};

/** Everything that is not listed, and what is above it and below it, is closed. */
export const CONFIG_KEYS: readonly KeyRow[] = [
  ...Object.entries(OF_AGENT).flatMap(([name, [read, write]]) => [
    row(`agents.defaults.${name}`, read, write),
    row(`agents.entries.*.${name}`, read, write),
    // A list is written by its index, which another change moves.
    row(`agents.list.*.${name}`, read, 'never'),
  ]),
  row('agents.defaults.systemAgent', 'plain', 'named'),
  row('agents.ownership', 'plain', 'never'),
  row('agents.entries.*.default', 'plain', 'named'),
  row('agents.list.*.id', 'plain', 'never'),
  row('agents.list.*.default', 'plain', 'never'),
  // Which stranger talks to which agent.
  row('bindings', 'plain', 'named'),
  // Who shares a conversation with whom, and where answers may be posted to.
  row('session', 'plain', 'never'),
  row('inbound', 'plain', 'never'),
  // Decides where login links lead, and which hosts and origins are let in.
  row('publicUrl', 'plain', 'never'),
  // Whoever knows a topic reads it; whoever names one is told what people are.
  row('notify', 'never', 'never'),
  row('$schema', 'plain', 'never'),
  row('plugins', 'never', 'never'),
];

const SEGMENT = /^(?:[A-Za-z0-9$][A-Za-z0-9_-]{0,63})$/;
const CLOSED = new Set(['constructor', 'prototype']);
const MAX_SEGMENTS = 8;
/** What `true` is, as an item. */
export const ALL_KEYS = '*';

/** `agents.entries.main.model` or a list of its names. Undefined for what can be no key. */
export function readKey(key: string | readonly string[]): KeyPath | undefined {
  const path = typeof key === 'string' ? key.split('.') : [...key];
  const isKey = path.length > 0 && path.length <= MAX_SEGMENTS;
  return isKey && path.every((name) => SEGMENT.test(name) && !CLOSED.has(name)) ? path : undefined;
}

/** As a grant says it: a key, `*` for any one name in it, or `*` alone. The answer is a reason where it opens nothing. */
export function readKeyItem(item: string, doing: Doing): KeyPath | string {
  const path = item === ALL_KEYS ? [] : item.split('.');
  const isSpelled = path.every((name) => name === '*' || (SEGMENT.test(name) && !CLOSED.has(name)));
  if (!isSpelled || path.length > MAX_SEGMENTS) return 'a key is written agents.entries.main.model, * for any one name';
  const opens = CONFIG_KEYS.some((key) => opensRow(path, key, doing));
  return opens ? path : `no plugin may ${doing} that key`;
}

export const spellKeyItem = (path: KeyPath): string => (path.length === 0 ? ALL_KEYS : path.join('.'));

/** Writing: exactly one key of the table, for what is above it holds keys that are closed. Reading: it, or what is below it. */
export function opensKey(items: readonly KeyPath[], path: KeyPath, doing: Doing): boolean {
  const key = rowOf(path, doing);
  return key !== undefined && items.some((item) => isPrefix(item, path) && opensRow(item, key, doing));
}

/** Whether any grant at all can open the key; false for those that are not in the table. */
export function canBeOpened(path: KeyPath, doing: Doing): boolean {
  return (rowOf(path, doing)?.[doing] ?? 'never') !== 'never';
}

/** Whether there is something to see at, above or below the key. */
export const opensSome = (items: readonly KeyPath[], path: KeyPath): boolean =>
  CONFIG_KEYS.some(
    (key) => meets(path, key.path) && items.some((i) => meetsAll(i, path, key) && opensRow(i, key, 'read')),
  );

/** Whoever has `granted` has all of `asked`. */
export function coversKey(granted: KeyPath, asked: KeyPath, doing: Doing): boolean {
  if (!isPrefix(granted, asked)) return false;
  const keys = CONFIG_KEYS.filter((key) => opensRow(asked, key, doing));
  return keys.every((key) => opensRow(granted, key, doing));
}

/** Of a value that stands at `path` what the items open. Undefined where that is nothing. */
export function pickOpen(value: unknown, path: KeyPath, items: readonly KeyPath[]): unknown {
  if (opensKey(items, path, 'read')) return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    const seen = readKey([...path, name]) === undefined ? undefined : pickOpen(inner, [...path, name], items);
    return seen === undefined ? [] : [[name, seen]];
  });
  if (entries.length === 0) return undefined;
  // Not by assignment: a name could be one of a prototype.
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}

const rowOf = (path: KeyPath, doing: Doing): KeyRow | undefined =>
  CONFIG_KEYS.find((key) => isPrefix(key.path, path) && (doing === 'read' || key.path.length === path.length));

function opensRow(item: KeyPath, key: KeyRow, doing: Doing): boolean {
  if (key[doing] === 'never' || !meets(item, key.path)) return false;
  // Below a key nothing is written by itself, so that an item there would open nothing.
  if (doing === 'write' && item.length > key.path.length) return false;
  if (key[doing] === 'plain') return true;
  return item.length === key.path.length && item.at(-1) === key.path.at(-1);
}

const meetsAll = (item: KeyPath, path: KeyPath, key: KeyRow): boolean => meets(item, path) && meets(item, key.path);

/** One is the beginning of the other. */
function meets(one: KeyPath, other: KeyPath): boolean {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    if (one[at] !== other[at] && one[at] !== '*' && other[at] !== '*') return false;
  }
  return true;
}

function isPrefix(pattern: KeyPath, path: KeyPath): boolean {
  return pattern.length <= path.length && pattern.every((name, at) => name === '*' || name === path[at]);
}
