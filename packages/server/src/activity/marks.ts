// Parses marks in the output of a terminal: prompts, progress, notifications, titles, the bell. Buffers only the
// beginning of one sequence. Of repeated marks in a flood, only the last counts.

import { EscapeParser, type SequenceEnd, STATUS_STATES, singleLine } from '@binnacle/protocol';

/** Maximum bytes of a mark: titles and notifications are read by people. */
const MAX_MARK = 4096;
const MAX_TEXT = 200;

/**
 * Report of a program about itself as a whole: OSC 7501 (Program Status Protocol 0.4), or an agent's own hook. Records
 * about its parts (`id=`) are ignored.
 */
export interface StatusMark {
  readonly kind: 'status';
  readonly state: (typeof STATUS_STATES)[number];
  /** Cause of `blocked`, if the program names it. */
  readonly reason: 'permission' | 'question' | 'auth' | null;
  /** Text, made safe to show. */
  readonly text: string | null;
}

export type Mark =
  /** OSC 133: a prompt begins, input begins, a command starts, it ended. */
  | { readonly kind: 'prompt' | 'input' | 'command' }
  | { readonly kind: 'ended'; readonly exitCode: number | null }
  /** OSC 9;4: percent, null if unknown; `over` when the progress is removed. */
  | { readonly kind: 'progress'; readonly state: 'set' | 'error' | 'paused' | 'over'; readonly percent: number | null }
  /** OSC 9, 777 and 99, with text made safe to show. */
  | { readonly kind: 'notification'; readonly text: string }
  | { readonly kind: 'title'; readonly text: string }
  | StatusMark
  | { readonly kind: 'bell' };

const BEL = 0x07;
const ESC = 0x1b;
/** The introducer of OSC, behind ESC. */
const OSC = 0x5d;
const NONE = new Uint8Array(0);

const SEMICOLON = 0x3b;
/** OSC 0, 1 and 2. */
const TITLE_CODES: ReadonlySet<number> = new Set([0x30, 0x31, 0x32]);

/**
 * Sorts of marks. `take` returns only the last mark of each sort per piece of output, in the order of these last ones.
 */
const BELL = 0;
const TITLE = 1;
const OSC_9 = 2;
const OSC_777 = 3;
const OSC_99 = 4;
const PROMPTS = 5;
const PROGRESS = 9;
const STATUS = 14;
const SORTS = 15;

interface MarkSpan {
  order: number;
  from: number;
  to: number;
}

export class MarkParser {
  /** C1 controls are not searched: no program reports its state with them, and the search would cost a third. */
  readonly #parser = new EscapeParser(
    {
      control: (code) => {
        if (code === BEL) this.#spot(BELL, 0, 0);
      },
      string: (bytes, from, to, end) => this.#string(bytes, from, to, end),
    },
    { c1: 'none', controls: [BEL], maxSequence: MAX_MARK + 2 },
  );
  #piece: Uint8Array = NONE;
  #isTooLong = false;
  /** True after skipped output: the bytes up to the next line or sequence may belong to anything. */
  #isLost = false;
  /** Position of the last mark of each sort in the current piece. */
  readonly #spots: (MarkSpan | undefined)[] = new Array(SORTS).fill(undefined);
  #order = 0;
  #first: Mark | undefined;

  /**
   * Parses a piece of output, cut anywhere: an unfinished sequence continues in the next call. Returns at most one mark
   * of each sort, and the mark that was cut.
   */
  take(bytes: Uint8Array): Mark[] {
    this.#piece = this.#isLost ? this.#found(bytes) : bytes;
    this.#parser.push(this.#piece);
    const marks = this.#order === 0 ? [] : this.#marks(this.#piece);
    this.#piece = NONE;
    return marks;
  }

  /** Notes that output was skipped: the next byte may be inside a sequence, whose end is no bell. */
  skip(): void {
    this.#parser.reset();
    this.#isTooLong = false;
    this.#isLost = true;
  }

  /** Returns the output from the next line or sequence on. */
  #found(bytes: Uint8Array): Uint8Array {
    const at = bytes.findIndex((byte) => byte === ESC || byte === BEL || byte === 0x0a);
    this.#isLost = at < 0;
    return at < 0 ? NONE : bytes.subarray(bytes[at] === BEL ? at + 1 : at);
  }

  #string(bytes: Uint8Array, from: number, to: number, end: SequenceEnd): void {
    const isTooLong = this.#isTooLong;
    this.#isTooLong = end === 'more';
    if (end !== 'whole' || isTooLong || bytes[from + 1] !== OSC) return;
    const begin = from + 2;
    const last = bytes[to - 1] === BEL ? to - 1 : to - 2;
    if (last - begin > MAX_MARK) return;
    if (bytes === this.#piece) {
      const sort = sortOf(bytes, begin, last);
      if (sort !== -1) this.#spot(sort, begin, last);
      return;
    }
    // At most the first mark of a piece continues from before.
    this.#first = markOf(textOf(bytes, begin, last));
    if (this.#first !== undefined) this.#order += 1;
  }

  #spot(sort: number, from: number, to: number): void {
    this.#order += 1;
    const spot = this.#spots[sort];
    if (spot === undefined) this.#spots[sort] = { order: this.#order, from, to };
    else {
      spot.order = this.#order;
      spot.from = from;
      spot.to = to;
    }
  }

  /** Parses the last mark of each sort, for any number of marks in the piece. */
  #marks(bytes: Uint8Array): Mark[] {
    const last = this.#spots
      .map((spot, sort) => ({ sort, order: spot?.order ?? 0, from: spot?.from ?? 0, to: spot?.to ?? 0 }))
      .filter(({ order }) => order > 0)
      .sort((a, b) => a.order - b.order);
    const found: Mark[] = this.#first === undefined ? [] : [this.#first];
    for (const { sort, from, to } of last) {
      const mark: Mark | undefined = sort === BELL ? { kind: 'bell' } : markOf(textOf(bytes, from, to));
      if (mark !== undefined) found.push(mark);
    }
    this.#spots.fill(undefined);
    this.#order = 0;
    this.#first = undefined;
    return found;
  }
}

const textOf = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString();

/** Returns the sort of a mark from its first bytes; -1 for other sequences. */
function sortOf(bytes: Uint8Array, from: number, to: number): number {
  const at = (n: number): number => (from + n < to ? (bytes[from + n] as number) : SEMICOLON);
  switch (at(0)) {
    case 0x30:
    case 0x32:
      return at(1) === SEMICOLON ? TITLE : -1;
    case 0x39:
      if (at(1) === 0x39) return at(2) === SEMICOLON ? OSC_99 : -1;
      if (at(1) !== SEMICOLON || to - from < 3) return -1;
      if (at(2) !== 0x34 || at(3) !== SEMICOLON) return OSC_9;
      return at(4) >= 0x30 && at(4) <= 0x34 ? PROGRESS + at(4) - 0x30 : -1;
    case 0x37:
      if (at(1) === 0x35) return isStatus(bytes, from, to) ? STATUS : -1;
      return at(1) === 0x37 && at(2) === 0x37 && at(4) === 0x6e ? OSC_777 : -1;
    case 0x31: {
      const isPrompt = at(1) === 0x33 && at(2) === 0x33 && at(5) === SEMICOLON;
      return isPrompt && at(4) >= 0x41 && at(4) <= 0x44 ? PROMPTS + at(4) - 0x41 : -1;
    }
    default:
      return -1;
  }
}

function markOf(osc: string): Mark | undefined {
  const [, code, rest = ''] = /^(\d{1,4})(?:;([\s\S]*))?$/.exec(osc) ?? [];
  switch (code) {
    case '0':
    case '2':
      return { kind: 'title', text: safeLine(rest) };
    case '9':
      return /^4(;|$)/.test(rest) ? progressOf(rest) : notification(rest);
    case '777': {
      const [verb, title = '', ...body] = rest.split(';');
      return verb === 'notify'
        ? notification([title, body.join(';')].filter((part) => part !== '').join(': '))
        : undefined;
    }
    case '99': {
      // kitty's notification: metadata, then the text. Queries, closing and base64 text are ignored.
      const [, about = '', text = ''] = /^([^;]*);([\s\S]*)$/.exec(rest) ?? [];
      return /(^|:)(e=1|p=(?!title|body))/.test(about) ? undefined : notification(text);
    }
    case '133':
      return promptOf(rest);
    case '7501':
      return statusOf(rest);
    default:
      return undefined;
  }
}

function notification(text: string): Mark | undefined {
  const plainText = safeLine(text);
  return plainText === '' ? undefined : { kind: 'notification', text: plainText };
}

function progressOf(rest: string): Mark | undefined {
  const [, state, percent] = /^4;([0-4])(?:;(\d{1,3}))?;?$/.exec(rest) ?? [];
  if (state === undefined) return undefined;
  const names = ['over', 'set', 'error', 'set', 'paused'] as const;
  const isKnown = percent !== undefined && state !== '0' && state !== '3';
  return {
    kind: 'progress',
    state: names[Number(state)] ?? 'over',
    percent: isKnown ? Math.min(100, Number(percent)) : null,
  };
}

function promptOf(rest: string): Mark | undefined {
  const [what, code] = rest.split(';');
  if (what === 'A') return { kind: 'prompt' };
  if (what === 'B') return { kind: 'input' };
  if (what === 'C') return { kind: 'command' };
  if (what !== 'D') return undefined;
  return { kind: 'ended', exitCode: /^\d{1,3}$/.test(code ?? '') ? Number(code) : null };
}

/** True for a report on the whole program that is no query: only such a report may replace another. */
function isStatus(bytes: Uint8Array, from: number, to: number): boolean {
  const osc = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from);
  return osc.indexOf('7501;') === 0 && !osc.includes('?') && !osc.includes('id=');
}

function statusOf(body: string): StatusMark | undefined {
  const fields = new Map<string, string>();
  for (const field of body.split(':')) {
    const equals = field.indexOf('=');
    if (equals > 0) fields.set(field.slice(0, equals), field.slice(equals + 1));
  }
  const state = STATUS_STATES.find((one) => one === fields.get('state'));
  if (state === undefined) return undefined;
  const reason = (['permission', 'question', 'auth'] as const).find((one) => one === fields.get('kind')) ?? null;
  const text = safeLine(Buffer.from(fields.get('msg') ?? '', 'base64').toString());
  return { kind: 'status', state, reason: state === 'blocked' ? reason : null, text: text || null };
}

/** Tells whether output consists of titles only: a title that blinks is no work. */
export function isOnlyTitles(bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true;
  if (bytes[0] !== ESC || bytes[1] !== OSC || bytes.length > MAX_MARK) return false;
  let isOnly = true;
  const other = (): void => {
    isOnly = false;
  };
  const parser = new EscapeParser(
    {
      ...{ text: other, control: other, sequence: other },
      string: (units, from, _, end) => {
        const isTitle = units[from + 1] === OSC && TITLE_CODES.has(units[from + 2] as number);
        if (end !== 'whole' || !isTitle || units[from + 3] !== SEMICOLON) isOnly = false;
      },
    },
    { c1: 'none' },
  );
  parser.push(bytes);
  return isOnly && parser.isGround;
}

/** Makes text of an untrusted program safe for lists: one line, and short. */
export const safeLine = (text: string): string => singleLine(text, { max: MAX_TEXT, ellipsis: '', collapses: true });
