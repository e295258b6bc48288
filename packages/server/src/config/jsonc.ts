// JSON with comments and trailing commas, and the places of values in the text. A file may have 100 000 bindings, so
// `JSON.parse` reads it, and only reported values are searched in the text.

import { type ParseErrorCode, printParseErrorCode, visit } from 'jsonc-parser';

export type Path = readonly (string | number)[];

/** A place in the text, from 1. */
export interface SourceLocation {
  readonly line: number;
  readonly column: number;
}

export type Jsonc =
  | { readonly value: unknown; readonly text: JsonText }
  /** `what`: a sentence. */
  | { readonly wrong: { readonly what: string; readonly place: SourceLocation } };

export function readJsonc(text: string): Jsonc {
  try {
    return { value: JSON.parse(text), text: new JsonText(text) };
  } catch {
    // The text may have comments.
  }
  const plain = withoutComments(text);
  try {
    return { value: JSON.parse(plain), text: new JsonText(plain) };
  } catch (error) {
    return { wrong: firstError(text) ?? { what: `This is not JSON: ${String(error)}.`, place: BEGIN } };
  }
}

/** A text that is valid JSON. */
export class JsonText {
  readonly #text: string;
  /** Offsets of the members per visited list and object, by its offset. */
  readonly #members = new Map<number, ReadonlyMap<string | number, number>>();

  constructor(text: string) {
    this.#text = text;
  }

  /** Returns the places of values, in the order of `paths`; for an absent value, the place of its nearest parent. */
  places(paths: readonly Path[]): SourceLocation[] {
    const offsets = paths.map((path) => this.#find(path));
    const places = new Map<number, SourceLocation>();
    let line = 1;
    let lineStart = 0;
    // One count of the lines for all places.
    for (const offset of [...offsets].sort((a, b) => a - b)) {
      let end = this.#text.indexOf('\n', lineStart);
      for (; end >= 0 && end < offset; end = this.#text.indexOf('\n', lineStart)) {
        line += 1;
        lineStart = end + 1;
      }
      places.set(offset, { line, column: offset - lineStart + 1 });
    }
    return offsets.map((offset) => places.get(offset) ?? BEGIN);
  }

  #find(path: Path): number {
    let at = afterSpace(this.#text, 0);
    for (const key of path) {
      const members = this.#members.get(at) ?? membersOf(this.#text, at);
      this.#members.set(at, members);
      const member = members.get(key);
      if (member === undefined) break;
      at = member;
    }
    return at;
  }
}

const BEGIN: SourceLocation = { line: 1, column: 1 };
const QUOTE = 0x22;
const STAR = 0x2a;
const COMMA = 0x2c;
const SLASH = 0x2f;
const COLON = 0x3a;
const LIST = 0x5b;
const BACKSLASH = 0x5c;
const LIST_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

/** Returns the text with the same length and lines, and with spaces in place of comments and trailing commas. */
function withoutComments(text: string): string {
  const blanks: { readonly from: number; readonly to: number }[] = [];
  /** The last character other than space and comment. */
  let before = 0;
  /** Offset of a comma without a following value. */
  let comma = -1;
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    let next = at + 1;
    if (isSpace(code)) {
      at = next;
      continue;
    }
    const isComment = code === SLASH && (text.charCodeAt(next) === SLASH || text.charCodeAt(next) === STAR);
    if (isComment) {
      next = commentEnd(text, at);
      if (next < 0) return text;
      blanks.push({ from: at, to: next });
      at = next;
      continue;
    }
    if (code === QUOTE) next = stringEnd(text, at);
    if ((code === LIST_END || code === OBJECT_END) && comma >= 0) blanks.push({ from: comma, to: comma + 1 });
    const ends = before !== 0 && before !== LIST && before !== OBJECT && before !== COMMA && before !== COLON;
    comma = code === COMMA && ends ? at : -1;
    before = code;
    at = next;
  }
  const parts: string[] = [];
  let taken = 0;
  for (const { from, to } of blanks.sort((a, b) => a.from - b.from)) {
    parts.push(text.slice(taken, from), text.slice(from, to).replace(/[^\n]/g, ' '));
    taken = to;
  }
  return [...parts, text.slice(taken)].join('');
}

/** Returns -1 for a comment without an end. */
function commentEnd(text: string, at: number): number {
  const isLine = text.charCodeAt(at + 1) === SLASH;
  const end = isLine ? text.indexOf('\n', at) : text.indexOf('*/', at + 2);
  if (end < 0) return isLine ? text.length : -1;
  return isLine ? end : end + 2;
}

/** Returns the offset after the string that begins here. */
function stringEnd(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slash = end;
    while (text.charCodeAt(slash - 1) === BACKSLASH) slash -= 1;
    if ((end - slash) % 2 === 0) return end + 1;
  }
  return text.length;
}

function afterSpace(text: string, at: number): number {
  let next = at;
  while (isSpace(text.charCodeAt(next))) next += 1;
  return next;
}

/** Returns the offset after the value that begins here. */
function valueEnd(text: string, at: number): number {
  let depth = 0;
  for (let next = at; next < text.length; ) {
    const code = text.charCodeAt(next);
    if (code === QUOTE) next = stringEnd(text, next);
    else {
      const isEnd = code === LIST_END || code === OBJECT_END;
      if (depth === 0 && (isEnd || code === COMMA || isSpace(code))) return next;
      if (code === LIST || code === OBJECT) depth += 1;
      else if (isEnd) depth -= 1;
      next += 1;
    }
    if (depth === 0 && (code === QUOTE || code === LIST_END || code === OBJECT_END)) return next;
  }
  return text.length;
}

/**
 * Returns members by index or name; of duplicate names the last, as in `JSON.parse`. Empty for a value without members.
 */
function membersOf(text: string, begin: number): ReadonlyMap<string | number, number> {
  const members = new Map<string | number, number>();
  const open = text.charCodeAt(begin);
  if (open !== LIST && open !== OBJECT) return members;
  for (let at = afterSpace(text, begin + 1); at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === LIST_END || code === OBJECT_END) break;
    if (code === COMMA) {
      at = afterSpace(text, at + 1);
      continue;
    }
    let key: string | number = members.size;
    if (open === OBJECT) {
      const end = stringEnd(text, at);
      key = String(JSON.parse(text.slice(at, end)));
      at = afterSpace(text, afterSpace(text, end) + 1);
    }
    members.set(key, at);
    at = afterSpace(text, valueEnd(text, at));
  }
  return members;
}

class StopVisit extends Error {}

/** Returns undefined if the other parser finds no error. */
function firstError(text: string): { readonly what: string; readonly place: SourceLocation } | undefined {
  if (text.trim() === '') return { what: 'The file is empty.', place: BEGIN };
  let found: { readonly what: string; readonly place: SourceLocation } | undefined;
  const onError = (error: ParseErrorCode, _offset: number, _length: number, line: number, character: number): void => {
    found = { what: `This is not JSON: ${spelled(error)}.`, place: { line: line + 1, column: character + 1 } };
    // There may be as many more errors as characters.
    throw new StopVisit();
  };
  try {
    visit(text, { onError }, { allowTrailingComma: true });
  } catch (cause) {
    if (cause instanceof RangeError) return { what: 'It is nested too deeply.', place: BEGIN };
    if (!(cause instanceof StopVisit)) throw cause;
  }
  return found;
}

/** Formats an error code: `CloseBraceExpected` → `close brace expected`. */
const spelled = (error: ParseErrorCode): string =>
  printParseErrorCode(error)
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .trim();
