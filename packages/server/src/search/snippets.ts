// Snippets of hits: reads the text of a hit from its log, and finds the words in it with the tokenizer that found the
// hit.

import { PlainText, type TextPiece } from '../cursor/plain-text.ts';
import { type Database, openDatabase, type Statement } from '../store/sqlite.ts';
import { TOKENIZER } from './index-db.ts';
import type { Readers } from './logs/readers.ts';
import type { FoundDoc } from './text-index.ts';
import type { FoundHit } from './wire.ts';

const SNIPPET_CHARS = 400;
/** Maximum characters before a match that is far from the beginning of its line. */
const BEFORE_CHARS = 100;
/** Markers that plain text never contains. */
const OPEN = '\x01';
const CLOSE = '\x02';
/** All control characters but tab and newline. */
const CONTROL = /[^\P{Cc}\t\n]/gu;
/** Bytes of output that are decoded at once, here and in the index. */
const STEP_BYTES = 2048;

type Range = readonly [number, number];

export class Snippets {
  readonly #readers: Readers;
  readonly #db: Database;
  readonly #insert: Statement;
  readonly #mark: Statement;

  constructor(readers: Readers) {
    this.#readers = readers;
    this.#db = openDatabase(':memory:');
    this.#db.exec(`CREATE VIRTUAL TABLE hits USING fts5(text, ${TOKENIZER})`);
    this.#insert = this.#db.prepare('INSERT INTO hits (rowid, text) VALUES (?, ?)');
    this.#mark = this.#db.prepare(
      `SELECT rowid AS n, highlight(hits, 0, char(1), char(2)) AS text FROM hits WHERE hits MATCH ?`,
    );
  }

  close(): void {
    this.#db.close();
  }

  /** Returns the hits, without those whose output has been removed. */
  async of(found: readonly FoundDoc[], expression: string): Promise<FoundHit[]> {
    const pieces: (readonly TextPiece[] | undefined)[] = [];
    for (const doc of found) pieces.push(await this.#read(doc));
    const matches = this.#matches(
      pieces.map((some) => some?.map(({ text }) => text).join('') ?? ''),
      expression,
    );
    return found.flatMap((doc, n) => {
      const some = pieces[n];
      if (some === undefined || some.length === 0) return [];
      const { snippet, ranges, at } = cut(some, matches.get(n) ?? []);
      return [{ id: doc.id, session: doc.session, offset: doc.at + at, snippet, matches: ranges, time: doc.time }];
    });
  }

  /** Returns a snippet of a text; undefined if it does not match. Control characters become spaces. */
  ofText(text: string, expression: string): Pick<FoundHit, 'snippet' | 'matches'> | undefined {
    const clean = text.replace(CONTROL, ' ');
    const matches = this.#matches([clean], expression).get(0);
    if (matches === undefined) return undefined;
    const { snippet, ranges } = cut([{ text: clean, at: 0 }], matches);
    return { snippet, matches: ranges };
  }

  async #read(doc: FoundDoc): Promise<readonly TextPiece[] | undefined> {
    if (doc.output !== undefined) return inPieces(new PlainText(), doc.output);
    try {
      const bytes = await this.#readers.output(doc.session, doc.at, doc.bytes);
      return inPieces(new PlainText(), bytes);
    } catch {
      return undefined; // trimmed or deleted since: retention will remove the document
    }
  }

  #matches(texts: readonly string[], expression: string): ReadonlyMap<number, readonly Range[]> {
    // Emptied for each search: nothing of one search may be visible in another.
    this.#db.exec('DELETE FROM hits');
    texts.forEach((text, n) => {
      this.#insert.run(n, text);
    });
    const rows = this.#mark.all(expression) as { n: number; text: string }[];
    return new Map(rows.map(({ n, text }) => [n, rangesOf(text)]));
  }
}

/** Converts output to text in the same steps as the index. */
export function* inSteps(plain: PlainText, bytes: Uint8Array): Generator<readonly TextPiece[]> {
  for (let at = 0; at < bytes.length; at += STEP_BYTES) yield plain.push(bytes.subarray(at, at + STEP_BYTES));
}

const inPieces = (plain: PlainText, bytes: Uint8Array): TextPiece[] =>
  [...inSteps(plain, bytes)].flat().concat(plain.flush());

/** Returns the matches that a snippet may show. */
function rangesOf(marked: string): Range[] {
  const ranges: Range[] = [];
  let removed = 0;
  for (let i = marked.indexOf(OPEN); i >= 0; i = marked.indexOf(OPEN, i + 1)) {
    const end = marked.indexOf(CLOSE, i);
    const begin = i - removed;
    if (end < 0 || begin - (ranges[0]?.[0] ?? begin) > SNIPPET_CHARS) break;
    ranges.push([begin, end - removed - 1]);
    removed += 2;
  }
  return ranges;
}

/**
 * Cuts a snippet. `at`: beginning of the line of the first match, in bytes of output from the beginning of the pieces.
 */
function cut(
  pieces: readonly TextPiece[],
  matches: readonly Range[],
): { readonly snippet: string; readonly ranges: readonly Range[]; readonly at: number } {
  const text = pieces.map((piece) => piece.text).join('');
  const first = matches[0] ?? [0, 0];
  const line = text.lastIndexOf('\n', first[0] - 1) + 1;
  let from = first[0] - line > SNIPPET_CHARS / 2 ? first[0] - BEFORE_CHARS : line;
  if (isInside(text, from)) from += 1;
  let to = Math.min(text.length, from + SNIPPET_CHARS);
  // Ends with a whole line if the match is inside it.
  const lastBreak = text.lastIndexOf('\n', to - 1);
  if (to < text.length && lastBreak >= first[1]) to = lastBreak;
  while (to > from && text[to - 1] === '\n') to -= 1;
  if (isInside(text, to)) to -= 1;
  const ranges = matches
    .filter((range) => range[0] >= from && range[0] < to)
    .map((range): Range => [range[0] - from, Math.min(range[1], to) - from]);
  return { snippet: text.slice(from, to), ranges, at: placeOf(pieces, line) };
}

/** Tells whether `at` is between the two halves of a surrogate pair. */
const isInside = (text: string, at: number): boolean =>
  at > 0 && (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;

/** Returns the offset of the line that contains `index`. Lines begin at the beginning of pieces. */
function placeOf(pieces: readonly TextPiece[], index: number): number {
  let start = 0;
  let at = 0;
  for (const piece of pieces) {
    if (start > index) break;
    at = piece.at;
    start += piece.text.length;
  }
  return at;
}
