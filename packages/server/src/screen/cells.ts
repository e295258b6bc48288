// Text that redraws rows of cells. Contains neither cursor positions nor modes of the terminal.

import type { Attributes, BufferLine, Cell, TerminalBuffer, TerminalCore } from './emulator.ts';

const HAS_CONTENT = 0x3f_ff_ff;
const COLOR_MODE = 0x3_00_00_00;
const P16 = 0x1_00_00_00;
const P256 = 0x2_00_00_00;
const RGB = 0xff_ff_ff;
const COLOR = COLOR_MODE | RGB;

/** Flags in the upper bits of the two colours, as the emulator stores them, and their SGR numbers. */
const FG_FLAGS: readonly (readonly [number, string])[] = [
  [0x4_00_00_00, '7'],
  [0x8_00_00_00, '1'],
  [0x20_00_00_00, '5'],
  [0x40_00_00_00, '8'],
  [0x80_00_00_00, '9'],
];
const UNDERLINE = 0x10_00_00_00;
const BG_FLAGS: readonly (readonly [number, string])[] = [
  [0x4_00_00_00, '3'],
  [0x8_00_00_00, '2'],
  [0x40_00_00_00, '53'],
];
/** Flags that are visible on an empty cell: inverse, underline, strikethrough and overline. */
const SHOWN_FG = 0x94_00_00_00;
const SHOWN_BG = 0x40_00_00_00;
const EXTENDED = 0x10_00_00_00;
const PROTECTED = 0x20_00_00_00;

/** Maximum length of a link's address. A longer link is left out: it could be a page of text. */
const MAX_URI = 2000;

export class CellText {
  readonly #core: TerminalCore;
  readonly #cell: Cell;
  readonly #next: Cell;
  readonly #out: string[] = [];
  /** Current attributes of the terminal, as SGR parameters. */
  #sgr = '';
  #link = '';
  #isProtected = false;

  constructor(core: TerminalCore, cells: readonly [Cell, Cell]) {
    this.#core = core;
    [this.#cell, this.#next] = cells;
  }

  get text(): string {
    return this.#out.join('');
  }

  push(text: string): void {
    this.#out.push(text);
  }

  /** Sets the attributes of the next characters. */
  attributes(of: Attributes): void {
    const sgr = sgrOf(of);
    if (sgr !== this.#sgr) {
      this.#out.push(`\x1b[0${sgr}m`);
      this.#sgr = sgr;
    }
    const isProtected = (of.bg & PROTECTED) !== 0;
    if (isProtected !== this.#isProtected) {
      this.#out.push(isProtected ? '\x1b[1"q' : '\x1b[0"q');
      this.#isProtected = isProtected;
    }
    const link = this.#linkOf(of);
    if (link !== this.#link) {
      this.#out.push(`\x1b]8;${link === '' ? ';' : link}\x1b\\`);
      this.#link = link;
    }
  }

  plain(): void {
    this.attributes(PLAIN);
  }

  /**
   * Draws all rows of a buffer from `first` on, from the left end of a row. Calls `begun` at the left end of each row.
   */
  rows(buffer: TerminalBuffer, first: number, cols: number, begun: (y: number) => void): void {
    const { lines } = buffer;
    for (let y = first; y < lines.length; y++) {
      const line = lines.get(y);
      if (line === undefined) return;
      if (y > first && !line.isWrapped) {
        this.plain();
        this.#out.push('\r\n');
      }
      begun(y);
      // After the last row, `get` would return the first one.
      const goesOn = y + 1 < lines.length && lines.get(y + 1)?.isWrapped === true;
      const blank = this.#row(line, cols);
      if (goesOn) this.#wrap(line, cols, blank);
    }
  }

  /** Draws the cells of a row. Returns the column after which only empty cells follow. */
  #row(line: BufferLine, cols: number): number {
    const cell = this.#cell;
    const out = this.#out;
    let skip = 0;
    let blank = 0;
    // True directly after a written character, which a lone joining character must not join.
    let isJoinable = false;
    for (let x = 0; x < cols; x++) {
      line.loadCell(x, cell);
      const width = cell.getWidth();
      const isEmpty = (cell.content & HAS_CONTENT) === 0;
      if (isEmpty && isErased(cell)) {
        const isColored = (cell.bg & COLOR_MODE) !== 0;
        if (isColored) {
          if (skip > 0) out.push(`\x1b[${skip}C`);
          const count = this.#runOf(line, x, cols);
          this.attributes(behind(cell));
          out.push(`\x1b[${count}X`);
          skip = count;
          x += count - 1;
          blank = x + 1;
        } else skip += 1;
        isJoinable = false;
        continue;
      }
      if (skip > 0) out.push(`\x1b[${skip}C`);
      skip = 0;
      this.attributes(cell);
      // Half of a wide character, which a change of size may leave, cannot be written.
      const isHalf = width === 2 && !this.#isHalf(line, x + 1, cols);
      const chars = isEmpty || isHalf ? ' ' : cell.getChars();
      // A lone joining character has no width: it was the first of its row, or the character that it joined is gone.
      if (width === 0 && isJoinable) out.push(`\x1b[${x + 1}G`);
      out.push(chars);
      isJoinable = true;
      if (width === 2 && !isHalf) x += 1;
      blank = x + 1;
    }
    return blank;
  }

  /** Continues in the next row by wrapping, so that both become one line again when the terminal becomes wider. */
  #wrap(line: BufferLine, cols: number, blank: number): void {
    const out = this.#out;
    this.plain();
    line.loadCell(cols - 1, this.#cell);
    const isFull = blank === cols && !isBlank(this.#cell);
    const from = isFull ? cols : this.#fill(line, cols);
    out.push(' \r');
    if (from < cols) {
      out.push(`\x1b[A\x1b[${from + 1}G`);
      this.#erase(line, from, cols);
      out.push('\x1b[B\r');
    }
    this.plain();
    out.push('\x1b[X');
  }

  /** Writes blanks to the end of the row, so that the next character wraps. Returns the column where they begin. */
  #fill(line: BufferLine, cols: number): number {
    let from = cols;
    while (from > 0) {
      line.loadCell(from - 1, this.#cell);
      if (!isBlank(this.#cell)) break;
      from -= 1;
    }
    if (from < cols) this.#out.push(`\r${from > 0 ? `\x1b[${from}C` : ''}${' '.repeat(cols - from)}`);
    return from;
  }

  #erase(line: BufferLine, from: number, cols: number): void {
    for (let x = from; x < cols; ) {
      line.loadCell(x, this.#cell);
      const count = this.#runOf(line, x, cols);
      this.attributes(behind(this.#cell));
      this.#out.push(`\x1b[${count}X${x + count < cols ? `\x1b[${count}C` : ''}`);
      x += count;
    }
  }

  /** Tells whether a cell is the second half of a wide character. */
  #isHalf(line: BufferLine, x: number, cols: number): boolean {
    if (x >= cols) return false;
    line.loadCell(x, this.#next);
    return this.#next.getWidth() === 0 && (this.#next.content & HAS_CONTENT) === 0;
  }

  /** Returns the number of cells from `x` on that are equally empty. */
  #runOf(line: BufferLine, x: number, cols: number): number {
    const bg = this.#cell.bg & COLOR;
    let end = x + 1;
    for (; end < cols; end++) {
      line.loadCell(end, this.#next);
      const isSame = (this.#next.content & HAS_CONTENT) === 0 && isErased(this.#next) && (this.#next.bg & COLOR) === bg;
      if (!isSame) break;
    }
    return end - x;
  }

  #linkOf({ bg, extended }: Attributes): string {
    if ((bg & EXTENDED) === 0 || extended.urlId === 0) return '';
    const link = this.#core._oscLinkService.getLinkData(extended.urlId);
    if (link === undefined || link.uri.length > MAX_URI) return '';
    const id = link.id === undefined || link.id.length > MAX_URI ? '' : `id=${link.id}`;
    return `${id};${link.uri}`;
  }
}

export const PLAIN: Attributes = { fg: 0, bg: 0, extended: { underlineStyle: 0, underlineColor: 0, urlId: 0 } };

/** Tells whether only the background of a cell is visible, as if it were erased. */
const isErased = ({ fg, bg }: Attributes): boolean => (fg & SHOWN_FG) === 0 && (bg & SHOWN_BG) === 0;

/** Tells whether a cell is blank; false for the second half of a wide character. */
const isBlank = (cell: Cell): boolean => (cell.content & HAS_CONTENT) === 0 && cell.getWidth() !== 0 && isErased(cell);

const behind = ({ bg }: Attributes): Attributes => ({ ...PLAIN, bg: bg & COLOR });

function sgrOf({ fg, bg, extended }: Attributes): string {
  let text = '';
  for (const [flag, code] of FG_FLAGS) if ((fg & flag) !== 0) text += `;${code}`;
  for (const [flag, code] of BG_FLAGS) if ((bg & flag) !== 0) text += `;${code}`;
  const isExtended = (bg & EXTENDED) !== 0;
  // A link has an underline of its own, which the link brings.
  if ((fg & UNDERLINE) !== 0)
    text += isExtended && extended.urlId === 0 && extended.underlineStyle > 1 ? `;4:${extended.underlineStyle}` : ';4';
  text += colorOf(fg, 38) + colorOf(bg, 48);
  if (isExtended) text += colorOf(extended.underlineColor, 58);
  return text;
}

function colorOf(color: number, code: number): string {
  const mode = color & COLOR_MODE;
  const value = color & RGB;
  if (mode === 0) return '';
  if (mode === P16 && code !== 58)
    return `;${(value & 0xff) < 8 ? code - 8 + (value & 0xff) : code + 52 + (value & 0xff) - 8}`;
  if (mode === P16 || mode === P256) return `;${code};5;${value & 0xff}`;
  return `;${code};2;${value >> 16};${(value >> 8) & 0xff};${value & 0xff}`;
}
