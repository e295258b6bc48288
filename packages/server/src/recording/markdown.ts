// Text that others wrote, put into Markdown so that it stays text. Knows no session.

/** A line of output that consists of backticks is cut after so many: a fence only has to be longer than that. */
const MAX_RUN = 256;
const FENCE = '```';
/** What could close a fence: so many spaces at most, backticks, and blanks. */
const COULD_CLOSE = /^ {0,3}`*[ \t]*$/;

/** Code in a line of text, whatever is in it. */
export function inlineCode(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  if (line.trim() === '') return '` `';
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length));
  const ticks = '`'.repeat(longest + 1);
  const pad = line.startsWith('`') || line.endsWith('`') || line.startsWith(' ') ? ' ' : '';
  return `${ticks}${pad}${line}${pad}${ticks}`;
}

/** What somebody said: its own Markdown, but nothing in it ends the quotation. */
export const quotation = (text: string): string =>
  text
    .split(/\r\n|[\r\n]/)
    .map((line) => `> ${line.replace(/[^\P{Cc}\t]/gu, '')}`.trimEnd())
    .join('\n');

/** A block of code for text that comes bit by bit: a line that would close it closes it, and another begins. */
export class Fence {
  #fence = FENCE;
  #isOpen = false;
  /** The beginning of a line that could still become one that closes the fence. */
  #start = '';
  /** Behind that. */
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

  /** The block is there, and `line` does not end it. */
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
