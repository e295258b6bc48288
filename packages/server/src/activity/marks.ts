// Parses marks in the output of a terminal: prompts, progress, notifications, titles, the bell. Buffers only the
// beginning of one sequence. Of repeated marks in a flood, only the last counts.

import { STATUS_STATES } from '@binnacle/protocol';

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

const GROUND = 0;
const ESCAPE = 1;
const OSC = 2;
const OSC_ESCAPE = 3;
/** DCS, SOS, PM, APC: ignored until ST. */
const OTHER = 4;
const OTHER_ESCAPE = 5;

/** Maximum bytes to scan one by one for the next sequence: starting the runtime's search costs as much. */
const NEAR = 32;

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
  /** The beginning of a sequence that continues in the next piece. */
  #partial: Buffer | undefined;
  #partialBytes = 0;
  #state = GROUND;
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
    const { length } = bytes;
    let escapeAt = -2;
    let bellAt = -2;
    /** Beginning and end, in this piece, of the unfinished sequence. */
    let from = 0;
    let to = 0;
    let i = 0;
    while (i < length) {
      switch (this.#state) {
        case GROUND: {
          const near = Math.min(length, i + NEAR);
          while (i < near && bytes[i] !== 0x1b && bytes[i] !== 0x07) {
            if (bytes[i] === 0x0a) this.#isLost = false;
            i += 1;
          }
          if (i === near) {
            if (escapeAt !== -1 && escapeAt < i) escapeAt = bytes.indexOf(0x1b, i);
            if (bellAt !== -1 && bellAt < i) bellAt = bytes.indexOf(0x07, i);
            const next = escapeAt === -1 || bellAt === -1 ? Math.max(escapeAt, bellAt) : Math.min(escapeAt, bellAt);
            const end = next === -1 ? length : next;
            if (this.#isLost && bytes.subarray(i, end).includes(0x0a)) this.#isLost = false;
            i = end;
            if (i === length) break;
          }
          if (bytes[i] === 0x1b) this.#state = ESCAPE;
          else if (!this.#isLost) this.#spot(BELL, i, i);
          this.#isLost = false;
          i += 1;
          break;
        }
        case ESCAPE:
          while (i + 1 < length && bytes[i] === 0x1b) i += 1;
          this.#introduced(bytes[i] as number);
          i += 1;
          from = i;
          break;
        case OSC: {
          let byte = 0;
          while (i < length) {
            byte = bytes[i] as number;
            if (byte === 0x07 || byte === 0x1b || byte === 0x18 || byte === 0x1a) break;
            i += 1;
          }
          to = i;
          if (i === length) break;
          if (byte === 0x07) this.#end(bytes, from, to);
          else if (byte === 0x1b) this.#state = OSC_ESCAPE;
          else this.#drop(GROUND);
          i += 1;
          break;
        }
        case OSC_ESCAPE:
          if (bytes[i] === 0x5c) this.#end(bytes, from, to);
          else {
            this.#drop(ESCAPE);
            this.#introduced(bytes[i] as number);
          }
          i += 1;
          from = i;
          break;
        case OTHER:
          while (i < length && bytes[i] !== 0x1b && bytes[i] !== 0x18 && bytes[i] !== 0x1a) i += 1;
          if (i < length) this.#state = bytes[i] === 0x1b ? OTHER_ESCAPE : GROUND;
          i += 1;
          break;
        default:
          if (bytes[i] === 0x5c) this.#state = GROUND;
          else this.#introduced(bytes[i] as number);
          i += 1;
          from = i;
      }
    }
    if (this.#state === OSC || this.#state === OSC_ESCAPE) this.#keep(bytes, from, to);
    return this.#order === 0 ? [] : this.#found(bytes);
  }

  /** Notes that output was skipped: the next byte may be inside a sequence, whose end is no bell. */
  skip(): void {
    this.#drop(GROUND);
    this.#isLost = true;
  }

  #introduced(byte: number): void {
    if (byte === 0x5d) this.#drop(OSC);
    else if (byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) this.#state = OTHER;
    else this.#state = byte === 0x1b ? ESCAPE : GROUND;
  }

  #drop(state: number): void {
    this.#partialBytes = 0;
    this.#isTooLong = false;
    this.#state = state;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    if (to <= from || this.#isTooLong) return;
    if (this.#partialBytes + to - from > MAX_MARK) {
      this.#isTooLong = true;
      return;
    }
    this.#partial ??= Buffer.alloc(MAX_MARK);
    this.#partial.set(bytes.subarray(from, to), this.#partialBytes);
    this.#partialBytes += to - from;
  }

  #end(bytes: Uint8Array, from: number, to: number): void {
    if (this.#partialBytes > 0) {
      this.#keep(bytes, from, to);
      // At most the first mark of a piece continues from before.
      const cut = this.#isTooLong ? undefined : markOf(this.#partial?.toString('utf8', 0, this.#partialBytes) ?? '');
      if (cut !== undefined) this.#order += 1;
      this.#first = cut;
    } else if (!this.#isTooLong && to - from <= MAX_MARK) {
      const sort = sortOf(bytes, from, to);
      if (sort !== -1) this.#spot(sort, from, to);
    }
    this.#drop(GROUND);
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
  #found(bytes: Uint8Array): Mark[] {
    const last = this.#spots
      .map((spot, sort) => ({ sort, order: spot?.order ?? 0, from: spot?.from ?? 0, to: spot?.to ?? 0 }))
      .filter(({ order }) => order > 0)
      .sort((a, b) => a.order - b.order);
    const found: Mark[] = this.#first === undefined ? [] : [this.#first];
    for (const { sort, from, to } of last) {
      const mark: Mark | undefined =
        sort === BELL ? { kind: 'bell' } : markOf(Buffer.from(bytes.subarray(from, to)).toString());
      if (mark !== undefined) found.push(mark);
    }
    this.#spots.fill(undefined);
    this.#order = 0;
    this.#first = undefined;
    return found;
  }
}

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
  let at = 0;
  while (at < bytes.length) {
    const isTitle = bytes[at] === 0x1b && bytes[at + 1] === 0x5d && TITLE_CODES.has(bytes[at + 2] as number);
    if (!isTitle || bytes[at + 3] !== SEMICOLON || bytes.length > MAX_MARK) return false;
    at += 4;
    while (at < bytes.length && bytes[at] !== 0x07 && bytes[at] !== 0x1b) at += 1;
    if (at === bytes.length) return false;
    if (bytes[at] === 0x1b && bytes[at + 1] !== 0x5c) return false;
    at += bytes[at] === 0x1b ? 2 : 1;
  }
  return true;
}

/** Makes text of an untrusted program safe for lists: one line, short, without characters that reorder or hide text. */
export function safeLine(text: string): string {
  return [
    ...text
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]+/gu, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  ]
    .slice(0, MAX_TEXT)
    .join('');
}
