// Lines of plain text out of what a program writes: no colours, no cursor but the one in its line. Bounded; knows no list.

/** A longer line is cut into several; who copies them gets one again. */
export const MAX_LINE = 4096;

export interface PlainLine {
  readonly text: string;
  /** The line goes on in the next one: it was longer than `MAX_LINE`. */
  readonly isCut: boolean;
}

type ParserState =
  | 'text'
  /** Behind ESC. */
  | 'escape'
  /** Behind ESC and a space or a bracket: one more character. */
  | 'one'
  | 'csi'
  /** A title, a link: up to BEL or ESC \. */
  | 'string';

const CSI_PARAMETERS = 64;

/** Splits one stream of output into lines: text is written to it, and complete lines come out. */
export class PlainText {
  #line = '';
  /** Column of the next character. */
  #column = 0;
  #mode: ParserState = 'text';
  #parameters = '';

  /** Text of the incomplete line. */
  get open(): string {
    return this.#line;
  }

  /** Returns the lines that it completes. */
  write(text: string): PlainLine[] {
    const lines: PlainLine[] = [];
    let at = 0;
    while (at < text.length) {
      if (this.#mode !== 'text') {
        this.#escape(text[at] ?? '');
        at += 1;
        continue;
      }
      const end = this.#control(text, at);
      if (end > at) this.#put(text.slice(at, end), lines);
      if (end < text.length) this.#act(text[end] ?? '', lines);
      at = end + 1;
    }
    return lines;
  }

  /** A piece is missing: what was begun is no beginning of what comes. */
  cut(): PlainLine[] {
    this.#mode = 'text';
    return this.#line === '' ? [] : [this.#take(false)];
  }

  /** The place of the next control character. */
  #control(text: string, from: number): number {
    CONTROL.lastIndex = from;
    return CONTROL.exec(text)?.index ?? text.length;
  }

  #put(text: string, lines: PlainLine[]): void {
    const before = this.#column < this.#line.length ? this.#line.slice(0, this.#column) : this.#line;
    this.#line = before + text + this.#line.slice(this.#column + text.length);
    this.#column += text.length;
    while (this.#line.length > MAX_LINE) {
      const rest = this.#line.slice(MAX_LINE);
      this.#line = this.#line.slice(0, MAX_LINE);
      lines.push(this.#take(true));
      this.#line = rest;
      this.#column = rest.length;
    }
  }

  #act(control: string, lines: PlainLine[]): void {
    switch (control) {
      case '\n':
        lines.push(this.#take(false));
        return;
      case '\r':
        this.#column = 0;
        return;
      case '\b':
        this.#column = Math.max(0, this.#column - 1);
        return;
      case '\t':
        this.#put('\t', lines);
        return;
      case '\x1b':
        this.#mode = 'escape';
        return;
      default:
        // A C1 control is ESC and the character 0x40 below. Bells and the like are dropped.
        if (control >= '\x80') this.#begin(String.fromCharCode(control.charCodeAt(0) - 0x40));
        return;
    }
  }

  #escape(char: string): void {
    // CAN, SUB and a new ESC end what was begun.
    if (char === '\x18' || char === '\x1a') this.#mode = 'text';
    else if (char === '\x1b') this.#mode = 'escape';
    else if (this.#mode === 'escape') this.#begin(char);
    else if (this.#mode === 'one') this.#mode = 'text';
    else if (this.#mode === 'string') {
      if (char === '\x07' || char === '\x9c') this.#mode = 'text';
    } else if (char >= '@' && char <= '~') {
      this.#mode = 'text';
      if (char === 'K') this.#erase();
    } else if (this.#parameters.length < CSI_PARAMETERS) this.#parameters += char;
  }

  #begin(char: string): void {
    this.#parameters = '';
    if (char === '[') this.#mode = 'csi';
    else if (']P^_X'.includes(char)) this.#mode = 'string';
    else if (char >= ' ' && char <= '/') this.#mode = 'one';
    else this.#mode = 'text';
  }

  /** Progress bars do so before they write their line again. */
  #erase(): void {
    if (this.#parameters === '' || this.#parameters === '0') this.#line = this.#line.slice(0, this.#column);
    else if (this.#parameters === '2') this.#line = this.#line.slice(0, 0).padEnd(this.#column);
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
