// Sanitizing, measuring and wrapping of agent text for a terminal.

import { type ConversationEvent, EscapeParser, type SequenceEnd, singleLine } from '@binnacle/protocol';
import { cellsOf, segmenter } from '../output/cells.ts';
import { printable } from '../output/style.ts';

/** Direction marks and the byte order mark, with which text can imitate other text. */
const ORDERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/**
 * Removes everything that would act on a terminal, independent of chunk boundaries. A sequence extends to the end of
 * its line at most: a false start of a sequence must not swallow the rest of an answer.
 */
export class HarmlessText {
  readonly #parser = new EscapeParser(
    {
      text: (bytes, from, to) => this.#parts.push(bytes.slice(from, to)),
      control: (code, _, isInside) => {
        if (code === TAB && !isInside) this.#parts.push(FOUR_SPACES);
      },
      sequence: (bytes, from, to, end) => this.#cut(bytes, from, to, end),
      string: (bytes, from, to, end) => this.#cut(bytes, from, to, end),
    },
    { bellEndsAll: true },
  );
  #parts: Uint8Array[] = [];
  #isEnding = false;

  push(text: string): string {
    const [first = '', ...rest] = text.replace(/[\u2028\u2029\u0085]/gu, '\n').split('\n');
    return rest.reduce((shown, line) => `${shown}${this.end()}\n${this.#line(line)}`, this.#line(first));
  }

  /** Returns the text of a sequence that never ended, in printable form. */
  end(): string {
    this.#isEnding = true;
    this.#parser.end();
    this.#isEnding = false;
    return this.#take();
  }

  #line(text: string): string {
    this.#parser.push(Buffer.from(text));
    return this.#take().replace(ORDERING, '');
  }

  #cut(bytes: Uint8Array, from: number, to: number, end: SequenceEnd): void {
    if (!this.#isEnding || end !== 'cut') return;
    this.#parts.push(Buffer.from(printable(Buffer.from(bytes.subarray(from, to)).toString())));
  }

  #take(): string {
    const text = Buffer.concat(this.#parts).toString();
    this.#parts = [];
    return text;
  }
}

const TAB = 0x09;
const FOUR_SPACES = Buffer.from('    ');

/** Sanitizes text into one row, for titles and names. */
export const harmless = (text: string): string => {
  const whole = new HarmlessText();
  return singleLine(whole.push(text) + whole.end(), { collapses: true });
};

/** Wraps text into rows as it arrives, between words where possible. */
export class Rows {
  readonly #width: () => number;
  #row: string;

  /** `width`: returns the cells of a row; called each time. */
  constructor(width: () => number) {
    this.#width = width;
    this.#row = '';
  }

  /** Row that is still incomplete. */
  get open(): string {
    return this.#row;
  }

  /** Adds text and returns the completed rows. */
  push(text: string): string[] {
    const rows: string[] = [];
    const [first = '', ...rest] = text.split('\n');
    this.#add(first, rows);
    for (const line of rest) {
      rows.push(this.#row);
      this.#row = '';
      this.#add(line, rows);
    }
    return rows;
  }

  /** Returns the last row, if any. */
  end(): string[] {
    const rows = this.#row === '' ? [] : [this.#row];
    this.#row = '';
    return rows;
  }

  #add(text: string, rows: string[]): void {
    const width = Math.max(4, this.#width());
    let row = this.#row;
    for (const { segment } of segmenter.segment(text)) {
      if (cellsOf(row) + cellsOf(segment) <= width) {
        row += segment;
        continue;
      }
      const space = row.lastIndexOf(' ');
      const breaksAtSpace = segment !== ' ' && space > 0 && row.slice(0, space).trim() !== '';
      rows.push(breaksAtSpace ? row.slice(0, space) : row);
      if (segment === ' ') row = '';
      else row = (breaksAtSpace ? row.slice(space + 1) : '') + segment;
    }
    this.#row = row;
  }
}

/**
 * Returns the text that an event adds to an answer of which `shown` is on the screen. `isReplaced`: the text is another
 * one, and all of it.
 */
export function nextText(
  event: Extract<ConversationEvent, { readonly type: 'delta' | 'final' | 'error' | 'aborted' }>,
  shown: string,
): { readonly text: string; readonly isReplaced: boolean } {
  const { text } = event;
  if (event.type === 'delta' && event.replace !== true) return { text, isReplaced: false };
  return text.startsWith(shown) ? { text: text.slice(shown.length), isReplaced: false } : { text, isReplaced: true };
}
