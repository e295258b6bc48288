// Untrusted text in Markdown, escaped so that it stays text.

import { singleLine } from '@binnacle/protocol';

/**
 * Maximum length of a line of output that could close a fence. A longer line is split, so that a fence only has to be
 * longer than this.
 */
const MAX_RUN = 256;
const FENCE = '```';
/** A line that could close a fence: at most three spaces, backticks, and blanks. */
const COULD_CLOSE = /^ {0,3}`*[ \t]*$/;

/** Returns inline code for any text. */
export function inlineCode(text: string): string {
  const line = singleLine(text);
  if (line === '') return '` `';
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length));
  const ticks = '`'.repeat(longest + 1);
  const pad = line.startsWith('`') || line.endsWith('`') ? ' ' : '';
  return `${ticks}${pad}${line}${pad}${ticks}`;
}

/** Quotes the text of a message: its own Markdown stays, but nothing in it ends the quotation. */
export const quotation = (text: string): string =>
  text
    .split(/\r\n|[\r\n]/)
    .map((line) => `> ${line.replace(/[^\P{Cc}\t]/gu, '')}`.trimEnd())
    .join('\n');

/**
 * A block of code for text that arrives in parts. A line that would close the block is put into a new block with a
 * longer fence.
 */
export class CodeFence {
  #fence = FENCE;
  #isOpen = false;
  /** Beginning of a line that could still become a closing line. */
  #start = '';
  /** True after the beginning of a line that cannot close the fence. */
  #isInLine = false;

  get isOpen(): boolean {
    return this.#isOpen;
  }

  push(text: string): string {
    let out = '';
    let at = 0;
    while (at < text.length) {
      const end = text.indexOf('\n', at);
      const part = text.slice(at, end < 0 ? text.length : end);
      out += this.#takePart(part);
      if (end >= 0) out += this.#endLine();
      at = end < 0 ? text.length : end + 1;
    }
    return out;
  }

  /** Ends the block, if there is one. */
  close(): string {
    let out = '';
    if (this.#start !== '' || this.#isInLine) out = this.#endLine();
    if (!this.#isOpen) return out;
    this.#isOpen = false;
    out += `${this.#fence}\n`;
    this.#fence = FENCE;
    return out;
  }

  #takePart(part: string): string {
    if (part === '' || this.#isInLine) return part;
    let start = this.#start + part;
    this.#start = '';
    if (!COULD_CLOSE.test(start)) {
      this.#isInLine = true;
      return `${this.#open('')}${start}`;
    }
    let out = '';
    for (; start.length > MAX_RUN; start = start.slice(MAX_RUN)) out += this.#line(start.slice(0, MAX_RUN));
    this.#start = start;
    return out;
  }

  #endLine(): string {
    const out = this.#isInLine ? '\n' : this.#line(this.#start);
    this.#isInLine = false;
    this.#start = '';
    return out;
  }

  #line(text: string): string {
    return `${this.#open(text)}${text}\n`;
  }

  /** Opens a block that `line` does not close. */
  #open(line: string): string {
    const ticks = line.trim().length;
    const isSafe = ticks < this.#fence.length;
    if (this.#isOpen && isSafe) return '';
    const before = this.#isOpen ? `${this.#fence}\n\n` : '';
    if (!isSafe) this.#fence = '`'.repeat(ticks + 1);
    this.#isOpen = true;
    return `${before}${this.#fence}text\n`;
  }
}
