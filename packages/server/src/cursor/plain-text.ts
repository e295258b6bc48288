// Converts a terminal's bytes into the text that a person would read: no escape sequences, no control characters,
// invalid UTF-8 as U+FFFD. It has no screen: overwritten text stays in the text, and a line that is drawn again is
// another line.

import { isAscii } from 'node:buffer';
import { EscapeParser } from '@binnacle/protocol';
import { incompleteBytes } from './text-decoder.ts';

/** A line with the LF that ends it, or a part of a line where the input was cut. Never empty. */
export interface TextPiece {
  readonly text: string;
  /** Input bytes before the piece, from the beginning. A line begins directly after the previous line break. */
  readonly at: number;
}

/** Maximum bytes per escape sequence. After that the input counts as text again. */
const MAX_SEQUENCE = 65_536;
/** Bytes of text from which on the runtime's copy is faster than a loop. */
const LONG_TEXT = 24;
/** Maximum bytes of a buffer that is reused by the next push. */
const MAX_REUSED_BYTES = 16_384;

export class PlainText {
  readonly #parser = new EscapeParser(
    {
      text: (bytes, from, to, at) => this.#text(bytes, from, to, at),
      control: (code, at, isInside) => this.#control(code, at, isInside),
    },
    { maxSequence: MAX_SEQUENCE, maxString: MAX_SEQUENCE },
  );
  /** True directly after a CR that broke the line: a following LF or CR belongs to that break. */
  #afterCr = false;
  /** Input bytes before the next push. */
  #before = 0;
  /** Beginning of the current piece; -1: it begins with the next character. */
  #pieceAt = 0;
  /** End of the last text, in input bytes: a character that begins there continues only there. */
  #textEnd = 0;
  /** True if the last character was one of a word, as far as its byte shows. */
  #endsInWord = false;
  /** True if a word went on behind a sequence or a control in the last push. */
  #hasJoined = false;
  /** An incomplete character at the end of the last push. */
  #incomplete = new Uint8Array(0);
  #out = Buffer.alloc(0);
  #written = 0;
  #isAscii = true;
  /** Ends of the completed lines in #out, and their `at`. */
  #ends: number[] = [];
  #ats: number[] = [];

  /**
   * Input bytes from the beginning up to where another PlainText could resume: all returned text came from before that
   * point, and no incomplete sequence or character is there.
   */
  get resumeAt(): number {
    const piece = this.#pieceAt < 0 ? this.#before : this.#pieceAt;
    return Math.min(piece, this.#parser.groundAt, this.#before - this.#incomplete.length);
  }

  /** True if the bytes of the last push are ASCII, and have the letters of each word together. */
  get isPlain(): boolean {
    return this.#isAscii && !this.#hasJoined;
  }

  push(bytes: Uint8Array): readonly TextPiece[] {
    this.#read(bytes);
    return this.#pieces();
  }

  /** The same as `push`, as one text. */
  text(bytes: Uint8Array): string {
    this.#read(bytes);
    this.#pieceAt = -1;
    return this.#out.toString(this.#isAscii ? 'latin1' : 'utf8', 0, this.#written);
  }

  /** Ends the input. An incomplete character becomes U+FFFD, an incomplete sequence is dropped. */
  flush(): readonly TextPiece[] {
    this.#open(NONE);
    this.#parser.end();
    this.#afterCr = false;
    this.#hold(false);
    return this.#pieces();
  }

  #read(bytes: Uint8Array): void {
    this.#open(bytes);
    this.#parser.push(bytes);
    this.#before += bytes.length;
    this.#hold(this.#parser.isGround && this.#textEnd === this.#before);
  }

  #open(bytes: Uint8Array): void {
    // Each byte becomes at most U+FFFD, and one character may be left from an earlier push. The bytes are at the end,
    // because a copy inside of one buffer is the fastest.
    const room = 4 * bytes.length + 6;
    if (this.#out.length < room) this.#out = Buffer.allocUnsafeSlow(room);
    this.#out.set(bytes, this.#out.length - bytes.length);
    this.#out.set(this.#incomplete);
    this.#written = this.#incomplete.length;
    this.#isAscii = this.#written === 0 && isAscii(bytes);
    this.#hasJoined = false;
    if (this.#written > 0 && this.#pieceAt < 0) this.#pieceAt = this.#before - this.#written;
    this.#ends = [];
    this.#ats = [];
  }

  /** Keeps an incomplete character at the end for the next push, if it may continue there. */
  #hold(continues: boolean): void {
    const last = this.#ends.at(-1) ?? 0;
    const incomplete = continues && !this.#isAscii ? incompleteBytes(this.#out.subarray(last, this.#written)) : 0;
    this.#written -= incomplete;
    this.#incomplete = Uint8Array.from(this.#out.subarray(this.#written, this.#written + incomplete));
  }

  #pieces(): readonly TextPiece[] {
    const pieces: TextPiece[] = [];
    const ends = this.#ends;
    const last = ends.at(-1) ?? 0;
    if (this.#written > last) {
      ends.push(this.#written);
      this.#ats.push(this.#pieceAt);
      this.#pieceAt = -1;
    }
    const all = this.#isAscii ? this.#out.toString('latin1', 0, this.#written) : null;
    let from = 0;
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i] as number;
      pieces.push({ text: all?.slice(from, end) ?? this.#out.toString('utf8', from, end), at: this.#ats[i] as number });
      from = end;
    }
    if (this.#out.length > MAX_REUSED_BYTES) this.#out = Buffer.alloc(0);
    return pieces;
  }

  #text(bytes: Uint8Array, from: number, to: number, at: number): void {
    if (this.#pieceAt < 0) this.#pieceAt = at;
    this.#afterCr = false;
    // The first byte of a character may be from the push before.
    if ((bytes[from] as number) > 0x7f) this.#isAscii = false;
    let i = from;
    if (at !== this.#textEnd && this.#endsInWord && IS_OF_WORD[bytes[from] as number] === 1) this.#hasJoined = true;
    this.#endsInWord = IS_OF_WORD[bytes[to - 1] as number] === 1;
    // Something came between this byte and the character that it would continue.
    if (at !== this.#textEnd) for (; i < to && ((bytes[i] as number) & 0xc0) === 0x80; i += 1) this.#replace();
    this.#textEnd = at + to - from;
    const out = this.#out;
    let written = this.#written;
    if (to - i >= LONG_TEXT) {
      const copyAt = out.length - bytes.length;
      out.copyWithin(written, copyAt + i, copyAt + to);
      written += to - i;
    } else {
      for (; i < to; i += 1) {
        out[written] = bytes[i] as number;
        written += 1;
      }
    }
    this.#written = written;
  }

  #replace(): void {
    this.#out.set(REPLACEMENT, this.#written);
    this.#written += REPLACEMENT.length;
    this.#isAscii = false;
  }

  /** Returns true if a sequence ends around the control. */
  #control(code: number, at: number, isInside: boolean): boolean {
    if (code === 0x0a || code === 0x0d) {
      // CR LF, CR CR LF: one break.
      if (this.#afterCr) this.#pieceAt = at + 1;
      else this.#break(at);
      this.#afterCr = code === 0x0d;
      // A terminal would continue the sequence after the break. Here a person finds whole lines again.
      return true;
    }
    if (isInside) return false;
    if (code === 0x85) {
      this.#afterCr = false;
      this.#break(at);
    } else if (code === 0x09) {
      if (this.#pieceAt < 0) this.#pieceAt = at;
      this.#afterCr = false;
      this.#endsInWord = false;
      this.#out[this.#written++] = code;
    }
    return false;
  }

  #break(at: number): void {
    this.#endsInWord = false;
    this.#out[this.#written++] = 0x0a;
    this.#ends.push(this.#written);
    this.#ats.push(this.#pieceAt < 0 ? at : this.#pieceAt);
    this.#pieceAt = at + 1;
  }
}

const NONE = new Uint8Array(0);
/** Digits, letters, and all bytes beyond ASCII. */
const IS_OF_WORD = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte > 0x7f || /[0-9a-z]/i.test(String.fromCharCode(byte)) ? 1 : 0,
);
const REPLACEMENT = Buffer.from('\ufffd');
