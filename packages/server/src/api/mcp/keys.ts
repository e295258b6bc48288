// Byte sequences of keyboard keys, by name.

import { BinnacleError } from '@binnacle/protocol';

/** Sequences as xterm sends them. With application cursor keys `\x1b[` becomes `\x1bO`. */
const NAMED: Readonly<Record<string, string>> = {
  enter: '\r',
  return: '\r',
  tab: '\t',
  'shift-tab': '\x1b[Z',
  esc: '\x1b',
  escape: '\x1b',
  space: ' ',
  backspace: '\x7f',
  delete: '\x1b[3~',
  insert: '\x1b[2~',
  'page-up': '\x1b[5~',
  'page-down': '\x1b[6~',
  f1: '\x1bOP',
  f2: '\x1bOQ',
  f3: '\x1bOR',
  f4: '\x1bOS',
  f5: '\x1b[15~',
  f6: '\x1b[17~',
  f7: '\x1b[18~',
  f8: '\x1b[19~',
  f9: '\x1b[20~',
  f10: '\x1b[21~',
  f11: '\x1b[23~',
  f12: '\x1b[24~',
};
/** Cursor keys, which have a second form that programs can request. */
const CURSOR: Readonly<Record<string, string>> = { up: 'A', down: 'B', right: 'C', left: 'D', home: 'H', end: 'F' };
/** Control keys other than letters. */
const CONTROL: Readonly<Record<string, string>> = {
  '@': '\0',
  '[': '\x1b',
  '\\': '\x1c',
  ']': '\x1d',
  '^': '\x1e',
  _: '\x1f',
};

const NAMES = [...Object.keys(NAMED), ...Object.keys(CURSOR), 'ctrl-a … ctrl-z', 'alt-<key>'];

export const isCursorKey = (key: string): boolean => Object.hasOwn(CURSOR, nameOf(key).replace(/^alt-/, ''));

/** Returns the bytes of a key; a single character is itself. Throws `bad_request` with the known names. */
export function bytesOfKey(key: string, hasApplicationKeys: boolean): string {
  const name = nameOf(key);
  const named = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
  if (named !== undefined) return named;
  const cursor = Object.hasOwn(CURSOR, name) ? CURSOR[name] : undefined;
  if (cursor !== undefined) return `\x1b${hasApplicationKeys ? 'O' : '['}${cursor}`;
  if ([...key].length === 1) return key;
  const control = /^ctrl-(.)$/.exec(name)?.[1];
  if (control !== undefined) {
    const sent = /[a-z]/.test(control) ? String.fromCharCode(control.charCodeAt(0) - 96) : CONTROL[control];
    if (sent !== undefined) return sent;
  }
  if (name.startsWith('alt-')) return `\x1b${bytesOfKey(key.slice(key.search(/[-+]/) + 1), hasApplicationKeys)}`;
  throw new BinnacleError('bad_request', {
    message: `There is no key "${key.slice(0, 40)}".`,
    hint: `Keys are: ${NAMES.join(', ')}; a single character is itself.`,
    details: { field: 'keys' },
  });
}

/** Normalizes spellings of other tools: `Ctrl+C`, `C-c`, `PageUp`. */
function nameOf(key: string): string {
  const name = key
    .toLowerCase()
    .replace(/^(?:control|c)[-+](?=.)/, 'ctrl-')
    .replace(/^ctrl\+/, 'ctrl-')
    .replace(/^(?:meta|m|alt)[-+](?=.)/, 'alt-')
    .replace(/^shift\+/, 'shift-')
    .replace(/^arrow[-_]?/, '')
    .replace(/^page[-_]?(up|down)$/, 'page-$1');
  return SHORT.get(name) ?? name;
}

const SHORT = new Map([
  ['pgup', 'page-up'],
  ['pgdn', 'page-down'],
  ['del', 'delete'],
  ['ins', 'insert'],
  ['bs', 'backspace'],
]);
