// Lines of plain text out of what a program writes: no colours, no cursor but the one in its line. Bounded; knows no list.

import { EscapeParser, sequenceOf } from '@binnacle/protocol';

/** A longer line is cut into several; who copies them gets one again. */
export const MAX_LINE = 4096;

export interface PlainLine {
  readonly text: string;
  /** The line goes on in the next one: it was longer than `MAX_LINE`. */
  readonly isCut: boolean;
}

/** Maximum units of a sequence that is stored: only short ones erase. */
const MAX_SEQUENCE = 64;

/** Splits one stream of output into lines: text is written to it, and complete lines come out. */
export class PlainText {
  readonly #parser = new EscapeParser(
    {
      text: (_, from, to) => this.#put(this.#text.slice(from, to)),
      control: (code) => this.#act(code),
      sequence: (units, from, to) => this.#erase(units, from, to),
    },
    { c1: 'single', bellEndsAll: true },
  );
  #line = '';
  /** Column of the next character. */
  #column = 0;
  /** Lines that the current text completes. */
  #lines: PlainLine[] = [];
  /** The current text. */
  #text = '';

  /** Text of the incomplete line. */
  get open(): string {
    return this.#line;
  }

  /** Returns the lines that it completes. */
  write(text: string): PlainLine[] {
    this.#lines = [];
    const from = this.#parser.isGround ? this.#putPlain(text) : 0;
    this.#text = text.slice(from);
    this.#parser.push(unitsOf(this.#text));
    return this.#lines;
  }

  /** A piece is missing: what was begun is no beginning of what comes. */
  cut(): PlainLine[] {
    this.#parser.reset();
    return this.#line === '' ? [] : [this.#take(false)];
  }

  /** Takes the text before the first sequence: a pattern is faster than the parser there. Returns its length. */
  #putPlain(text: string): number {
    for (let at = 0; ; ) {
      CONTROL.lastIndex = at;
      const end = CONTROL.exec(text)?.index ?? text.length;
      if (end > at) this.#put(text.slice(at, end));
      const control = text.charCodeAt(end);
      if (end === text.length || control === 0x1b || control >= 0x80) return end;
      this.#act(control);
      at = end + 1;
    }
  }

  #put(text: string): void {
    const before = this.#column < this.#line.length ? this.#line.slice(0, this.#column) : this.#line;
    this.#line = before + text + this.#line.slice(this.#column + text.length);
    this.#column += text.length;
    while (this.#line.length > MAX_LINE) {
      const rest = this.#line.slice(MAX_LINE);
      this.#line = this.#line.slice(0, MAX_LINE);
      this.#lines.push(this.#take(true));
      this.#line = rest;
      this.#column = rest.length;
    }
  }

  /** Bells and the like are dropped. */
  #act(control: number): void {
    if (control === 0x0a) this.#lines.push(this.#take(false));
    else if (control === 0x0d) this.#column = 0;
    else if (control === 0x08) this.#column = Math.max(0, this.#column - 1);
    else if (control === 0x09) this.#put('\t');
  }

  /** Progress bars do so before they write their line again. */
  #erase(units: Uint8Array, from: number, to: number): void {
    if (units[to - 1] !== 0x4b || to - from > MAX_SEQUENCE) return;
    const sequence = sequenceOf(units, from, to);
    if (sequence.kind !== 'csi') return;
    if (sequence.parameters === '' || sequence.parameters === '0') this.#line = this.#line.slice(0, this.#column);
    else if (sequence.parameters === '2') this.#line = ' '.repeat(this.#column);
  }

  #take(isCut: boolean): PlainLine {
    const line = this.#line;
    this.#line = '';
    this.#column = 0;
    return { text: line, isCut };
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;
const ENCODER = new TextEncoder();

/** Returns one unit for each of the text, up to 0xff. */
function unitsOf(text: string): Uint8Array {
  const bytes = ENCODER.encode(text);
  if (bytes.length === text.length) return bytes;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    bytes[i] = code > 0xff ? 0xff : code;
  }
  return bytes.subarray(0, text.length);
}
