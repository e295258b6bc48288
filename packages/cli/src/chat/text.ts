// Sanitizing, measuring and wrapping of agent text for a terminal.

import type { ConversationEvent } from '@binnacle/protocol';
import { cellsOf, segmenter } from '../output/cells.ts';
import { EscapeTokenizer } from '../output/escapes.ts';
import { printable } from '../output/style.ts';

/** Direction marks and the byte order mark, with which text can imitate other text. */
const ORDERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/**
 * Removes everything that would act on a terminal, independent of chunk boundaries. A sequence extends to the end of
 * its line at most: a false start of a sequence must not swallow the rest of an answer.
 */
export class HarmlessText {
  readonly #escapes = new EscapeTokenizer();

  push(text: string): string {
    const [first = '', ...rest] = text.replace(/[\u2028\u2029\u0085]/gu, '\n').split('\n');
    return rest.reduce((shown, line) => `${shown}${this.end()}\n${this.#line(line)}`, this.#line(first));
  }

  /** Returns the text of a sequence that never ended, in printable form. */
  end(): string {
    return this.#escapes
      .end()
      .map(({ bytes }) => printable(Buffer.from(bytes).toString()))
      .join('');
  }

  #line(text: string): string {
    const textTokens = this.#escapes
      .feed(Buffer.from(text))
      .filter(({ kind, bytes }) => kind === 'text' || (kind === 'control' && bytes[0] === 0x09));
    return Buffer.concat(textTokens.map(({ bytes }) => bytes))
      .toString()
      .replace(ORDERING, '')
      .replaceAll('\t', '    ');
  }
}

/** Sanitizes text into one row, for titles and names. */
export const harmless = (text: string): string => {
  const whole = new HarmlessText();
  return (whole.push(text) + whole.end()).replace(/\s+/gu, ' ').trim();
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
