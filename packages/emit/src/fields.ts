// Fields of an event besides its output, clipped to the limits of the wire: one long label must not cost a session.

import type { TrafficEvent } from '@binnacle/protocol';

/** Fields of an event, named as on the wire. */
export interface EmittedFields
  extends Pick<
    TrafficEvent,
    | 'command'
    | 'stream'
    | 'exit_code'
    | 'signal'
    | 'is_final'
    | 'timestamp'
    | 'command_preview'
    | 'response_preview'
    | 'cwd'
    | 'cols'
    | 'rows'
  > {
  /** Output of the program: text, or bytes of any kind. */
  readonly response?: string | Uint8Array;
}

/** All of an event but its place in its session and its output. */
export type EventHead = Omit<TrafficEvent, 'session_id' | 'seq' | 'response' | 'response_base64'>;

const COMMAND_BYTES = 64 * 1024;
const PREVIEW_CHARACTERS = 500;
const CWD_CHARACTERS = 4096;
const SOURCE_CHARACTERS = 64;
const LABELS = 16;
const KEY_CHARACTERS = 64;
const VALUE_CHARACTERS = 256;
export const STREAMS = ['tty', 'stdout', 'stderr'] as const;

type LooseHead = { -readonly [K in keyof EventHead]?: unknown };

/** The same within the limits. `clipped` is called with what was cut or left out. */
export function clippedHead(
  head: { readonly [K in keyof EventHead]?: unknown },
  clipped: (what: string) => void,
): EventHead {
  const text = (what: keyof EventHead, cut: (text: string) => string): void => {
    const value = head[what];
    if (value === undefined) return;
    const whole = String(value);
    const clippedText = cut(whole);
    if (clippedText !== whole) clipped(what);
    made[what] = clippedText;
  };
  const made: LooseHead = {};
  text('command', (value) => cutBytes(value, COMMAND_BYTES));
  for (const what of ['command_preview', 'response_preview'] as const)
    text(what, (value) => cutCharacters(value, PREVIEW_CHARACTERS));
  text('cwd', (value) => cutCharacters(value, CWD_CHARACTERS));
  text('source', (value) => inOneLine(value, SOURCE_CHARACTERS) || 'unknown');
  keep('stream', (value) => STREAMS.some((stream) => stream === value));
  keep('exit_code', (value) => value === null || (Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31));
  keep('signal', (value) => value === null || (typeof value === 'string' && /^[\w+-]{1,32}$/.test(value)));
  keep('timestamp', (value) =>
    typeof value === 'number' ? Number.isSafeInteger(value) && value >= 0 : !Number.isNaN(Date.parse(String(value))),
  );
  if (head.is_final === true) made.is_final = true;
  if (isSize(head.cols) && isSize(head.rows)) {
    made.cols = head.cols;
    made.rows = head.rows;
  } else if (head.cols !== undefined || head.rows !== undefined) clipped('cols and rows');
  if (Object.keys(head.labels ?? {}).length > 0) made.labels = clippedLabels(head.labels, clipped);
  return made as EventHead;

  function keep(what: keyof EventHead, isGood: (value: unknown) => boolean): void {
    const value = head[what];
    if (value === undefined) return;
    if (isGood(value)) made[what] = value;
    else clipped(what);
  }
}

function clippedLabels(labels: unknown, clipped: (what: string) => void): Record<string, string> {
  const entries = Object.entries((labels ?? {}) as Record<string, unknown>);
  const clippedEntries = entries.slice(0, LABELS).map(([key, value]): [string, string] => {
    const text = String(value);
    return [inOneLine(key, KEY_CHARACTERS), inOneLine(text, VALUE_CHARACTERS)];
  });
  if (
    clippedEntries.length < entries.length ||
    clippedEntries.some(([key, value], n) => key !== entries[n]?.[0] || value !== entries[n]?.[1])
  )
    clipped('labels');
  return Object.fromEntries(clippedEntries.filter(([key]) => key !== ''));
}

const isSize = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65535;

/** Never between the halves of a surrogate pair, and without what a terminal takes for a command. */
const cutCharacters = (text: string, most: number): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '')
    .slice(0, most)
    .replace(/[\uD800-\uDBFF]$/, '')
    .toWellFormed();

const inOneLine = (text: string, most: number): string => cutCharacters(text.replace(/[\t\n\r]+/g, ' '), most);

function cutBytes(text: string, most: number): string {
  const clean = text.replaceAll('\0', '').toWellFormed();
  const bytes = Buffer.from(clean);
  if (bytes.length <= most) return clean;
  return bytes
    .subarray(0, most)
    .toString()
    .replace(/\uFFFD+$/, '');
}
