// The words of a text, divided and folded as the full-text index does, so that filters and scans of the output find
// exactly what that index would. ASCII is handled here. SQLite's tokenizer is asked for all others, once.

import { type Database, openDatabase, type Statement } from '../store/sqlite.ts';
import { TOKENIZER } from './index-db.ts';

/**
 * Gets the hash of a word, and numbers for its first two and three letters, of which `hashOfTwo` and `hashOfThree` make
 * hashes; 0 for the beginning of a shorter word.
 */
export type VisitTerm = (word: number, two: number, three: number) => void;

/** Characters that SQLite is asked for at once: a text of all characters must not cost a statement for each. */
const PAGE = 256;
const CODE_POINTS = 0x110000;
/** Roles of a character beyond ASCII. Any other value is the character that it becomes in a word, doubled. */
const UNKNOWN = 0;
/** It divides words. */
const DIVIDES = 1;
/** A word continues after it, without a letter: an accent. */
const DROPPED = 3;
/** Added to the doubled character: no word begins with it. */
const ONLY_INSIDE = 1;
const LETTERS = Uint8Array.from({ length: 128 }, (_, code) =>
  /[0-9a-z]/i.test(String.fromCharCode(code)) ? String.fromCharCode(code).toLowerCase().charCodeAt(0) : 0,
);
/** Maximum bytes of a text that is looked at as bytes: a document. */
export const TEXT_BYTES = 32 * 1024;
/** The letter that a byte of ASCII becomes in a word; a blank for one that divides words. */
const BLANK = 32;
const ESCAPE = 0x1b;
const FOLDED = LETTERS.map((letter) => letter || BLANK);

/** Tells whether a character of ASCII is between words. An escape sequence begins with such a character, and has letters. */
export const isBetween = (code: number): boolean => FOLDED[code] === BLANK;
const SEED = 0x811c9dc5;
const PRIME = 0x01000193;
/** Differences between the hashes of `ab`, of `ab*` and of `abc*`. */
const TWO = 0x5bd1e995;
const THREE = 0x27d4eb2f;

export class Tokenizer {
  readonly #db: Database;
  readonly #insert: Statement;
  readonly #terms: Statement;
  readonly #bytes = Buffer.allocUnsafeSlow(TEXT_BYTES);
  /** A normalized text, with the blanks around it. */
  readonly #normalized = Buffer.allocUnsafeSlow(TEXT_BYTES + 2);
  /** Role of each code point: 4 MiB, of which the system provides the used pages. */
  readonly #roles = new Int32Array(CODE_POINTS);

  constructor() {
    this.#db = openDatabase(':memory:');
    this.#db.exec(`CREATE VIRTUAL TABLE one USING fts5(text, ${TOKENIZER});
                   CREATE VIRTUAL TABLE terms USING fts5vocab(one, instance)`);
    this.#insert = this.#db.prepare('INSERT INTO one (text) VALUES (?)');
    this.#terms = this.#db.prepare('SELECT term FROM terms ORDER BY doc, offset');
  }

  close(): void {
    this.#db.close();
  }

  /** Returns the words of a text with a blank around each: ` two words `; a single blank for a text without words. */
  normalized(text: string): string {
    const out = Buffer.allocUnsafe(2 * text.length + 4);
    // A view of 16 bits is faster than writes to the buffer.
    const units = new Uint16Array(out.buffer, out.byteOffset, text.length + 2);
    units[0] = BLANK;
    let length = 1;
    for (let i = 0; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      const isInside = units[length - 1] !== BLANK;
      let letter = BLANK;
      if (code < 128) letter = FOLDED[code] as number;
      else {
        const point = text.codePointAt(i) as number;
        if (point > 0xffff) i += 1;
        const folded = this.#letterOf(point, isInside);
        if (folded === DROPPED) continue;
        if (folded !== DIVIDES) letter = folded >> 1;
      }
      if (letter > 0xffff) {
        units[length] = 0xd800 + ((letter - 0x10000) >> 10);
        length += 1;
        letter = 0xdc00 + (letter & 0x3ff);
      }
      units[length] = letter;
      if (letter !== BLANK || isInside) length += 1;
    }
    if (units[length - 1] !== BLANK) {
      units[length] = BLANK;
      length += 1;
    }
    return out.toString('utf16le', 0, 2 * length);
  }

  /**
   * Returns the same for the text of plain output (`BlockDocument.isPlain`), at most `TEXT_BYTES`; undefined if there are
   * sequences in it that only a parser can find the end of.
   */
  normalizedPlain(output: Uint8Array): string | undefined {
    const out = this.#normalized;
    out[0] = BLANK;
    let length = 1;
    for (let i = 0; i < output.length; i += 1) {
      const byte = output[i] as number;
      let letter = FOLDED[byte] as number;
      if (byte === ESCAPE) {
        i = endOfSequence(output, i);
        if (i < 0) return undefined;
        // No word continues behind a sequence in plain output.
        letter = BLANK;
      }
      out[length] = letter;
      if (letter !== BLANK || out[length - 1] !== BLANK) length += 1;
    }
    if (out[length - 1] !== BLANK) {
      out[length] = BLANK;
      length += 1;
    }
    return out.toString('latin1', 0, length);
  }

  /** Calls `visit` for each word of a text. */
  visit(text: string, visit: VisitTerm): void {
    // A loop over bytes takes a third of the time of one over the characters of a string.
    if (3 * text.length <= this.#bytes.length && this.#bytes.write(text, 'utf8') === text.length) {
      this.#visitAscii(text.length, visit);
      return;
    }
    for (let i = 0; i < text.length; ) i = this.#visitWord(text, i, visit);
  }

  #visitAscii(end: number, visit: VisitTerm): void {
    const bytes = this.#bytes;
    for (let i = 0; i < end; i += 1) {
      let letter = LETTERS[bytes[i] as number] as number;
      if (letter === 0) continue;
      const begin = i;
      let hash = Math.imul(SEED ^ letter, PRIME);
      let two = 0;
      let three = 0;
      for (i += 1; i < end; i += 1) {
        letter = LETTERS[bytes[i] as number] as number;
        if (letter === 0) break;
        hash = Math.imul(hash ^ letter, PRIME);
        const length = i - begin;
        if (length === 1) two = hash;
        else if (length === 2) three = hash;
      }
      visit(mixed(hash), two, three);
    }
  }

  /** Visits the word at `begin`, if there is one. Returns the position after it. */
  #visitWord(text: string, begin: number, visit: VisitTerm): number {
    let hash = SEED;
    let length = 0;
    let two = 0;
    let three = 0;
    let i = begin;
    for (; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      let letter: number;
      if (code < 128) letter = LETTERS[code] as number;
      else {
        const point = text.codePointAt(i) as number;
        const folded = this.#letterOf(point, length > 0);
        if (point > 0xffff) i += 1;
        if (folded === DROPPED) continue;
        letter = folded === DIVIDES ? 0 : folded >> 1;
      }
      if (letter === 0) break;
      hash = Math.imul(hash ^ letter, PRIME);
      length += 1;
      if (length === 2) two = hash;
      else if (length === 3) three = hash;
    }
    if (length > 0) visit(mixed(hash), two, three);
    return Math.min(text.length, i + 1);
  }

  /** Returns the hash that each word beginning with `letters` has been visited with. `letters`: folded, 2 or more. */
  hashOfBeginning(letters: string): number {
    let found = 0;
    this.visit([...letters].slice(0, 3).join(''), (_, two, three) => {
      found = three === 0 ? hashOfTwo(two) : hashOfThree(three);
    });
    return found;
  }

  /** Returns the role of a character at this place of a word: doubled letter, `DROPPED` or `DIVIDES`. */
  #letterOf(point: number, isInside: boolean): number {
    let role = this.#roles[point] as number;
    if (role === UNKNOWN) {
      this.#learn(point - (point % PAGE));
      role = this.#roles[point] as number;
    }
    if (role === DROPPED || role === DIVIDES) return isInside ? role : DROPPED;
    return isInside || (role & ONLY_INSIDE) === 0 ? role : DROPPED;
  }

  /** Learns the roles of a page of characters: what SQLite makes of each between two letters, and before one. */
  #learn(first: number): void {
    const points = Array.from({ length: PAGE }, (_, i) => first + i);
    const characters = points.map((point) => {
      if (point < 128) return '-'; // see LETTERS
      // A half of a surrogate pair reaches SQLite as U+FFFD.
      return point >= 0xd800 && point <= 0xdfff ? '\ufffd' : String.fromCodePoint(point);
    });
    const inside = this.#tokens(characters.map((character) => `a${character}b`)).values();
    const before = this.#tokens(characters.map((character) => `${character}b`)).values();
    for (const point of points) {
      const word = inside.next().value ?? '';
      const begun = before.next().value ?? '';
      if (word === 'a') {
        inside.next();
        this.#roles[point] = DIVIDES;
        continue;
      }
      const folded = word.slice(1, -1);
      const letter = 2 * (folded.codePointAt(0) ?? 0);
      if (letter === 0) this.#roles[point] = DROPPED;
      else this.#roles[point] = begun === `${folded}b` ? letter : letter + ONLY_INSIDE;
    }
  }

  #tokens(texts: readonly string[]): string[] {
    this.#db.exec('DELETE FROM one');
    this.#insert.run(texts.join(' '));
    return (this.#terms.all() as { term: string }[]).map(({ term }) => term);
  }
}

/**
 * Returns the last index of a sequence of the usual forms, `ESC [ 1 ; 31 m` and `ESC ( B`; a negative number for others and for
 * one that is not complete.
 */
function endOfSequence(output: Uint8Array, begin: number): number {
  const byte = (at: number): number => output[at] ?? 0;
  const kind = byte(begin + 1);
  let at = begin + 2;
  if (kind === 0x5b) {
    while (byte(at) >= 0x30 && byte(at) <= 0x3f) at += 1;
    return byte(at) >= 0x40 && byte(at) <= 0x7e ? at : -1;
  }
  return (kind === 0x28 || kind === 0x29) && byte(at) >= 0x30 && byte(at) <= 0x7e ? at : -1;
}

/** Return the hash of `ab*` and of `abc*`; 0 for 0. */
export const hashOfTwo = (two: number): number => (two === 0 ? 0 : mixed(two ^ TWO));
export const hashOfThree = (three: number): number => (three === 0 ? 0 : mixed(three ^ THREE));

/** Spreads a hash over all its bits; never 0. Signed, because V8 allocates memory for larger integers. */
function mixed(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16) || 1;
}
