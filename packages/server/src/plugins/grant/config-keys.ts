// The keys of the config file that grants can open for reading and writing. An allowlist, so that a new key stays
// closed until a developer decides about it.

/**
 * Access to a key. `plain`: opened by `true`. `named`: opened only by a grant that names the key. `never`: opened by no
 * grant.
 */
type Access = 'plain' | 'named' | 'never';
export type ConfigAccess = 'read' | 'write';

export type KeyPath = readonly string[];

interface KeyRow {
  readonly path: KeyPath;
  readonly read: Access;
  readonly write: Access;
}

const row = (key: string, read: Access, write: Access): KeyRow => ({ path: key.split('.'), read, write });

/**
 * Keys of an agent. A plugin may never write the keys that decide which program runs, where, with which secrets, and
 * who sees it.
 */
const OF_AGENT: Readonly<Record<string, readonly [read: Access, write: Access]>> = {
  model: ['plain', 'plain'],
  timeoutMs: ['plain', 'plain'],
  silenceMs: ['plain', 'plain'],
  approvalTimeoutMs: ['plain', 'plain'],
  // An agent executes its instructions, so writing them equals control of the agent.
  instructions: ['plain', 'named'],
  driver: ['plain', 'never'],
  cwd: ['plain', 'never'],
  visibility: ['plain', 'never'],
  apiKeyEnv: ['plain', 'never'],
  tools: ['plain', 'never'],
  // Both may contain passwords.
  command: ['named', 'never'],
  url: ['named', 'never'],
  env: ['never', 'never'],
};

/** The keys that can be opened. Every other key is closed, including those above and below. */
export const CONFIG_KEYS: readonly KeyRow[] = [
  ...Object.entries(OF_AGENT).flatMap(([name, [read, write]]) => [
    row(`agents.defaults.${name}`, read, write),
    row(`agents.entries.*.${name}`, read, write),
    // A list is written by index, and another change may shift the indexes.
    row(`agents.list.*.${name}`, read, 'never'),
  ]),
  row('agents.defaults.systemAgent', 'plain', 'named'),
  row('agents.ownership', 'plain', 'never'),
  row('agents.entries.*.default', 'plain', 'named'),
  row('agents.list.*.id', 'plain', 'never'),
  row('agents.list.*.default', 'plain', 'never'),
  // Decides which outside sender reaches which agent.
  row('bindings', 'plain', 'named'),
  // Decides who shares a conversation with whom, and where answers may be posted.
  row('session', 'plain', 'never'),
  row('inbound', 'plain', 'never'),
  // Decides where login links lead, and which hosts and origins are accepted.
  row('publicUrl', 'plain', 'never'),
  // A reader of a topic can read its messages; a writer would receive people's notifications.
  row('notify', 'never', 'never'),
  row('$schema', 'plain', 'never'),
  row('plugins', 'never', 'never'),
];

const SEGMENT = /^(?:[A-Za-z0-9$][A-Za-z0-9_-]{0,63})$/;
const CLOSED = new Set(['constructor', 'prototype']);
const MAX_SEGMENTS = 8;
/** The item that equals `true`. */
export const ALL_KEYS = '*';

/** Parses `agents.entries.main.model` or the list of its names. Returns undefined for an invalid key. */
export function readKey(key: string | readonly string[]): KeyPath | undefined {
  const path = typeof key === 'string' ? key.split('.') : [...key];
  const isKey = path.length > 0 && path.length <= MAX_SEGMENTS;
  return isKey && path.every((name) => SEGMENT.test(name) && !CLOSED.has(name)) ? path : undefined;
}

/**
 * Parses an item of a grant: a key, with `*` for any one name, or `*` alone. Returns a reason if the item opens
 * nothing.
 */
export function readKeyItem(item: string, doing: ConfigAccess): KeyPath | string {
  const path = item === ALL_KEYS ? [] : item.split('.');
  const isSpelled = path.every((name) => name === '*' || (SEGMENT.test(name) && !CLOSED.has(name)));
  if (!isSpelled || path.length > MAX_SEGMENTS) return 'a key is written agents.entries.main.model, * for any one name';
  const opens = CONFIG_KEYS.some((key) => opensRow(path, key, doing));
  return opens ? path : `no plugin may ${doing} that key`;
}

export const spellKeyItem = (path: KeyPath): string => (path.length === 0 ? ALL_KEYS : path.join('.'));

/**
 * Returns whether items open a path. Writing: exactly one key of the table, because a key above may contain closed
 * keys. Reading: a key of the table, or a path below it.
 */
export function opensKey(items: readonly KeyPath[], path: KeyPath, doing: ConfigAccess): boolean {
  const key = rowOf(path, doing);
  return key !== undefined && items.some((item) => isPrefix(item, path) && opensRow(item, key, doing));
}

/** Returns whether any grant can open the key; false for keys outside the table. */
export function canBeOpened(path: KeyPath, doing: ConfigAccess): boolean {
  return (rowOf(path, doing)?.[doing] ?? 'never') !== 'never';
}

/** Returns whether something is readable at, above or below the key. */
export const opensSome = (items: readonly KeyPath[], path: KeyPath): boolean =>
  CONFIG_KEYS.some(
    (key) => meets(path, key.path) && items.some((i) => meetsAll(i, path, key) && opensRow(i, key, 'read')),
  );

/** Returns whether `granted` includes all of `requested`. */
export function coversKey(granted: KeyPath, requested: KeyPath, doing: ConfigAccess): boolean {
  if (!isPrefix(granted, requested)) return false;
  const keys = CONFIG_KEYS.filter((key) => opensRow(requested, key, doing));
  return keys.every((key) => opensRow(granted, key, doing));
}

/** Returns the part of the value at `path` that the items open; undefined if there is none. */
export function pickOpen(value: unknown, path: KeyPath, items: readonly KeyPath[]): unknown {
  if (opensKey(items, path, 'read')) return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    const seen = readKey([...path, name]) === undefined ? undefined : pickOpen(inner, [...path, name], items);
    return seen === undefined ? [] : [[name, seen]];
  });
  if (entries.length === 0) return undefined;
  // Without assignment, because a name could be that of a prototype.
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}

const rowOf = (path: KeyPath, doing: ConfigAccess): KeyRow | undefined =>
  CONFIG_KEYS.find((key) => isPrefix(key.path, path) && (doing === 'read' || key.path.length === path.length));

function opensRow(item: KeyPath, key: KeyRow, doing: ConfigAccess): boolean {
  if (key[doing] === 'never' || !meets(item, key.path)) return false;
  // Nothing below a key is written on its own, so an item there would open nothing.
  if (doing === 'write' && item.length > key.path.length) return false;
  if (key[doing] === 'plain') return true;
  return item.length === key.path.length && item.at(-1) === key.path.at(-1);
}

const meetsAll = (item: KeyPath, path: KeyPath, key: KeyRow): boolean => meets(item, path) && meets(item, key.path);

/** Returns true if one path is the beginning of the other. */
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
