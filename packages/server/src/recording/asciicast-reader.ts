// Parses asciicast files of versions 1, 2 and 3 as they arrive in chunks. Treats all contents as untrusted.

import { BinnacleError, DEFAULT_SIZE, type RecordingEvent } from '@binnacle/protocol';
import { z } from 'zod';
import { isDeeperThan } from '../base/json-depth.ts';
import { MAX_COMMAND_CHARS } from './asciicast-lines.ts';

/** `time`: ms since the beginning, never less than that of the event before. */
export type CastEvent = { readonly time: number } & (
  | { readonly code: 'o' | 'i' | 'm'; readonly text: string }
  | { readonly code: 'r'; readonly cols: number; readonly rows: number }
  | { readonly code: 'x'; readonly exitCode: number }
);

export interface ReadHeader {
  readonly cols: number;
  readonly rows: number;
  /** Duration in ms according to the file. */
  readonly duration: number | undefined;
  readonly recording: Extract<RecordingEvent, { type: 'recording' }>;
}

export interface EventBatch {
  /** The header; set once, before all events. */
  readonly header?: ReadHeader;
  /** Events, to be consumed before the next call. */
  readonly events: Iterable<CastEvent>;
}

/** Maximum bytes of a header of version 2 or 3. Up to 50 KiB or so of its contents are stored. */
const MAX_HEADER_BYTES = 128 * 1024;
/** Maximum bytes of one event. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
/**
 * Maximum bytes of a file of version 1, which is one piece of JSON: all of it is in memory, and parsed in one
 * event-loop turn.
 */
const MAX_V1_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 16;
/** Maximum names in one line: the parser takes seconds for an object of a million names. */
const MAX_NAMES = 1000;
/** Bytes below which a line is not checked, because it cannot contain too many names. */
const SMALL_BYTES = 16 * 1024;
/** Maximum columns and rows. A larger terminal was never in use, and costs gigabytes to draw. */
const MAX_SIZE = 2000;
const MAX_SECONDS = 10 * 366 * 86_400;
/** 1 January 2100. */
const MAX_TIMESTAMP = 4_102_444_800;

const [LF, QUOTE, COLON, BACKSLASH] = [0x0a, 0x22, 0x3a, 0x5c];

export class CastReader {
  #parts: Buffer[] = [];
  #bytes = 0;
  #line = 0;
  #version: 1 | 2 | 3 | undefined;
  /** Seconds since the beginning. */
  #at = 0;
  #skipped = 0;
  #mended = 0;
  #isCut = false;

  get version(): number {
    return this.#version ?? 0;
  }

  get counts(): { readonly skipped: number; readonly timesMended: number; readonly isCut: boolean } {
    return { skipped: this.#skipped, timesMended: this.#mended, isCut: this.#isCut };
  }

  /** Parses a chunk. Throws `bad_recording`. */
  push(chunk: Buffer): EventBatch {
    if (this.#version === 1 || this.#version === undefined) return this.#begin(chunk);
    return { events: this.#lines(chunk) };
  }

  /** Parses the rest at the end of the file. Throws `bad_recording`. */
  end(): EventBatch {
    const rest = this.#take();
    if (this.#version === undefined && rest.length > 0 && this.#line === 0) {
      // A single line without an end: all of version 1, or a header alone.
      const header = this.#header(rest);
      if (header !== undefined) return { header, events: [] };
    }
    if (this.#version === undefined || this.#version === 1) return this.#whole(rest);
    if (rest.length === 0) return { events: [] };
    this.#line += 1;
    try {
      return { events: this.#eventsOf(rest) };
    } catch (error) {
      // The recorder was killed in the middle of the line.
      if (!(error instanceof BinnacleError) || error.details?.isJson !== false) throw error;
      this.#isCut = true;
      return { events: [] };
    }
  }

  /** Detects the version from the first line. A line that is no JSON by itself may be the first of version 1. */
  #begin(chunk: Buffer): EventBatch {
    this.#keep(chunk);
    if (this.#bytes > MAX_V1_BYTES) throw this.#bad(`the header is longer than ${MAX_V1_BYTES} bytes`);
    if (this.#version === 1 || this.#line > 0) return { events: [] };
    const at = chunk.indexOf(LF);
    if (at < 0) return { events: [] };
    const all = this.#take();
    const end = all.length - chunk.length + at;
    this.#line = 1;
    const header = this.#header(all.subarray(0, end));
    if (header !== undefined) return { header, events: this.#lines(all.subarray(end + 1)) };
    this.#keep(all);
    return { events: [] };
  }

  /** Parses a header; undefined if the line is not of version 2 or 3, but may be version 1 or a part of it. */
  #header(bytes: Buffer): ReadHeader | undefined {
    const text = textOf(bytes)
      ?.replace(/^\ufeff/, '')
      .trim();
    if (text === undefined) throw this.#bad('it is not UTF-8');
    if (!text.startsWith('{')) throw this.#bad('it does not begin with a header');
    const value = isTooMuch(bytes) ? undefined : parseJson(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { version } = value as { version?: unknown };
    if (version === 1) {
      this.#version = 1;
      return undefined;
    }
    if (bytes.length > MAX_HEADER_BYTES) throw this.#bad(`the header is longer than ${MAX_HEADER_BYTES} bytes`);
    // The first of several lines of version 1 can be a `{` alone, which is no JSON; a line that is JSON is complete.
    if (version !== 2 && version !== 3) throw this.#bad('its version is none of 1, 2 and 3');
    this.#version = version;
    return version === 2 ? this.#headerOf(HeaderV2, value, 2) : this.#headerOf(HeaderV3, value, 3);
  }

  #headerOf(schema: typeof HeaderV2 | typeof HeaderV3, value: unknown, version: number): ReadHeader {
    const parsed = schema.safeParse(value);
    if (parsed.success) return headerOf(parsed.data, version);
    const [issue] = parsed.error.issues;
    throw this.#bad(`${issue?.path.map(String).join('.') || 'the header'}: ${issue?.message ?? 'not valid'}`);
  }

  #lines(chunk: Buffer): CastEvent[] {
    const events: CastEvent[] = [];
    let from = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      this.#keep(chunk.subarray(from, end));
      from = end + 1;
      this.#line += 1;
      events.push(...this.#eventsOf(this.#take()));
    }
    this.#keep(chunk.subarray(from));
    if (this.#bytes > MAX_LINE_BYTES) {
      this.#line += 1;
      throw this.#bad(`the line is longer than ${MAX_LINE_BYTES} bytes`);
    }
    return events;
  }

  #eventsOf(bytes: Buffer): readonly CastEvent[] {
    if (bytes.length > MAX_LINE_BYTES) throw this.#bad(`the line is longer than ${MAX_LINE_BYTES} bytes`);
    const text = textOf(bytes)?.trim();
    if (text === undefined) throw this.#bad('it is not UTF-8', { isJson: false });
    if (text === '' || text.startsWith('#')) return [];
    if (isTooMuch(bytes)) throw this.#bad('it is nested too deep, or has too many names');
    const value = parseJson(text);
    if (value === undefined) throw this.#bad('it is not JSON', { isJson: false });
    const event = this.#event(value);
    return event === undefined ? [] : [event];
  }

  #event(value: unknown): CastEvent | undefined {
    if (!Array.isArray(value)) throw this.#bad('it is no event: [time, code, data]');
    const [seconds, code, data] = value as unknown[];
    if (typeof seconds !== 'number' || typeof code !== 'string') throw this.#bad('it is no event: [time, code, data]');
    const time = this.#time(seconds);
    const event = typeof data === 'string' ? eventOf(time, code, data) : undefined;
    if (event === undefined) this.#skipped += 1;
    return event;
  }

  /** Converts the time of an event: version 2 counts from the beginning, the others from the event before. */
  #time(seconds: number): number {
    const at = this.#version === 2 ? seconds : this.#at + seconds;
    if (!(Math.abs(at) <= MAX_SECONDS)) throw this.#bad('its time is more than ten years away');
    if (at < this.#at) this.#mended += 1;
    this.#at = Math.max(this.#at, at);
    // Rounded to the microsecond: sums of fractions are not exact.
    return Math.round(this.#at * 1e6) / 1000;
  }

  #whole(bytes: Buffer): EventBatch {
    if (bytes.length === 0) throw this.#bad('it is empty');
    const text = textOf(bytes)?.replace(/^\ufeff/, '');
    if (text === undefined) throw this.#bad('it is not UTF-8');
    const value = isTooMuch(bytes) ? undefined : parseJson(text);
    if (typeof value !== 'object' || value === null) throw this.#bad('its header is not JSON');
    this.#version = 1;
    const parsed = FileV1.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw this.#bad(`${issue?.path.map(String).join('.') || 'it'}: ${issue?.message ?? 'not valid'}`);
    }
    return { header: headerOf(parsed.data, 1), events: this.#frames(parsed.data.stdout) };
  }

  *#frames(frames: readonly unknown[]): Generator<CastEvent> {
    for (const frame of frames) {
      if (!Array.isArray(frame)) throw this.#bad('a frame is none: [delay, text]');
      const [delay, text] = frame as unknown[];
      const event = this.#event([delay, 'o', text]);
      if (event !== undefined) yield event;
    }
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    // Joined: many tiny chunks cost more than their bytes.
    const last = this.#parts.at(-1);
    if (last !== undefined && this.#parts.length >= MAX_PARTS) this.#parts = [Buffer.concat([...this.#parts, bytes])];
    else this.#parts.push(bytes);
    this.#bytes += bytes.length;
  }

  #take(): Buffer {
    const [only] = this.#parts;
    const all = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    return all;
  }

  #bad(why: string, more: Readonly<Record<string, unknown>> = {}): BinnacleError {
    const line = Math.max(1, this.#line);
    return new BinnacleError('bad_recording', {
      message: `The recording cannot be read: line ${line}: ${why}.`,
      details: { line, ...more },
    });
  }
}

const MAX_PARTS = 1024;

function eventOf(time: number, code: string, data: string): CastEvent | undefined {
  if (code === 'o' || code === 'i') return data === '' ? undefined : { time, code, text: data };
  if (code === 'm') return { time, code, text: data.slice(0, 1000) };
  if (code === 'x') return /^-?\d{1,9}$/.test(data) ? { time, code, exitCode: Number(data) } : undefined;
  if (code !== 'r') return undefined;
  const [, cols = 0, rows = 0] = (/^(\d{1,4})x(\d{1,4})$/.exec(data) ?? []).map(Number);
  return isSize(cols) && isSize(rows) ? { time, code, cols, rows } : undefined;
}

const isSize = (n: number): boolean => n >= 1 && n <= MAX_SIZE;

/** 0 allowed: recorders without a terminal write 0. */
const Size = z.int().min(0).max(MAX_SIZE);
const cutText = (max: number) => z.string().transform((text) => text.slice(0, max));
const short = z.string().max(200);
const color = z.string().regex(/^#[0-9a-fA-F]{6}$/);
const Theme = z.object({
  fg: color,
  bg: color,
  palette: z.string().regex(/^(#[0-9a-fA-F]{6})(:#[0-9a-fA-F]{6}){7,15}$/),
});
const Env = z.record(z.string().max(100), z.string().max(1000)).refine((env) => Object.keys(env).length <= 32);

/** Optional fields. An error in one of them does not refuse the file. */
const Known = {
  title: cutText(1000).optional().catch(undefined),
  command: cutText(MAX_COMMAND_CHARS).optional().catch(undefined),
  timestamp: z.number().min(1).max(MAX_TIMESTAMP).transform(Math.floor).optional().catch(undefined),
  duration: z.number().min(0).max(MAX_SECONDS).optional().catch(undefined),
  idle_time_limit: z.number().positive().max(MAX_SECONDS).optional().catch(undefined),
  env: Env.optional().catch(undefined),
  tags: z.array(short).max(32).optional().catch(undefined),
  theme: Theme.optional().catch(undefined),
};
const HeaderV2 = z.object({ ...Known, width: Size, height: Size });
/** Elements of `stdout` are checked one by one: there can be a million of them. */
const FileV1 = HeaderV2.extend({ stdout: z.custom<readonly unknown[]>((value) => Array.isArray(value), 'no list') });
const HeaderV3 = z.object({
  ...Known,
  term: z.object({
    cols: Size,
    rows: Size,
    type: short.optional().catch(undefined),
    version: short.optional().catch(undefined),
    theme: Theme.optional().catch(undefined),
  }),
});

function headerOf(header: z.output<typeof HeaderV2> | z.output<typeof HeaderV3>, version: number): ReadHeader {
  const { title, command, timestamp, duration, idle_time_limit: idleTimeLimit, env, tags } = header;
  const size = 'term' in header ? header.term : { cols: header.width, rows: header.height };
  const { TERM } = env ?? {};
  const type = 'term' in header ? header.term.type : TERM;
  const theme = 'term' in header ? header.term.theme : header.theme;
  const term = defined({ type, version: 'term' in header ? header.term.version : undefined, theme });
  return {
    cols: size.cols === 0 ? DEFAULT_SIZE.cols : size.cols,
    rows: size.rows === 0 ? DEFAULT_SIZE.rows : size.rows,
    duration: duration === undefined ? undefined : duration * 1000,
    recording: defined({
      type: 'recording' as const,
      version,
      ...{ title, command, timestamp, idleTimeLimit, env, tags },
      term: Object.keys(term).length === 0 ? undefined : term,
    }),
  };
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};
/** Removes the fields that are undefined. */
const defined = <T extends object>(value: T): Defined<T> =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Defined<T>;

/** Tells whether JSON is too deep or has too many names for the parser. */
const isTooMuch = (bytes: Buffer): boolean =>
  isDeeperThan(bytes, MAX_DEPTH) || (bytes.length > SMALL_BYTES && hasMoreNames(bytes, MAX_NAMES));

/** Counts names in JSON, valid or not, by the colons after them. */
function hasMoreNames(bytes: Buffer, most: number): boolean {
  let names = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) isInString = !isInString;
    else if (isInString) at += byte === BACKSLASH ? 1 : 0;
    else if (byte === COLON) names += 1;
    if (names > most) return true;
  }
  return false;
}

/** Returns undefined for bytes that are not UTF-8. */
function textOf(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Returns undefined for text that is not JSON, in which no value is undefined. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
