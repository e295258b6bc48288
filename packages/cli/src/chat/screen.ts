// The terminal of a chat: what was said scrolls up, what still changes stays below it, and the line that is typed is last.

import type { Interface } from 'node:readline';
import { cellsOf } from '../output/cells.ts';

/** What it needs of readline. */
export type Prompt = Pick<Interface, 'getCursorPos' | 'prompt' | 'setPrompt'>;

export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #prompt: Prompt;
  #live: readonly string[];
  #typedRows: number;
  #isOpen: boolean;

  constructor(out: NodeJS.WriteStream, prompt: Prompt) {
    this.#out = out;
    this.#prompt = prompt;
    this.#live = [];
    this.#typedRows = 0;
    this.#isOpen = true;
  }

  /** Cells of a row. One is left free: terminals differ in what they do behind the last one. */
  get width(): number {
    return Math.max(20, this.#columns - 1);
  }

  /** Rows of it. */
  get height(): number {
    return Math.max(5, this.#out.rows ?? 24);
  }

  setPrompt(text: string): void {
    this.#prompt.setPrompt(text);
    if (this.#isOpen) this.#prompt.prompt(true);
  }

  /** Rows that stay, above those that change. Each has room in one row; colours do not count. */
  print(rows: readonly string[], live: readonly string[] = this.#live): void {
    if (rows.length === 0 && same(live, this.#live)) return;
    if (!this.#isOpen) {
      this.#out.write(rows.map((row) => `${row}\n`).join(''));
      return;
    }
    const below = this.#prompt.getCursorPos().rows;
    const up = below + this.#rowsOf(this.#live);
    const lines = [...rows, ...live].map((row) => `${row}\n`).join('');
    // readline goes up from where it believes the cursor to be: as many rows as it has left below.
    this.#out.write(`\r${up > 0 ? `\x1b[${up}A` : ''}\x1b[J${lines}${'\n'.repeat(below)}`);
    this.#live = live;
    this.#prompt.prompt(true);
  }

  /** Enter is about to be pressed, with the cursor at the end of the line. */
  entering(): void {
    this.#typedRows = this.#prompt.getCursorPos().rows + 1;
  }

  /** Enter was pressed: instead of where it was typed, the line stays above the rows that change, as `rows`. */
  entered(rows: readonly string[]): void {
    const up = this.#typedRows + this.#rowsOf(this.#live);
    this.#typedRows = 0;
    const lines = [...rows, ...this.#live].map((row) => `${row}\n`).join('');
    this.#out.write(`\r${up > 0 ? `\x1b[${up}A` : ''}\x1b[J${lines}`);
    this.#prompt.prompt();
  }

  /** Takes the prompt away; what is printed now comes as it is. */
  close(): void {
    if (!this.#isOpen) return;
    const below = this.#prompt.getCursorPos().rows;
    this.#out.write(`\r${below > 0 ? `\x1b[${below}A` : ''}\x1b[J`);
    this.#isOpen = false;
    this.#live = [];
  }

  /** A row that was cut to a wider terminal takes several now. */
  #rowsOf(rows: readonly string[]): number {
    return rows.reduce((sum, row) => sum + Math.max(1, Math.ceil(cellsOf(row.replace(SGR, '')) / this.#columns)), 0);
  }

  /** A terminal that was never given a size says 0. */
  get #columns(): number {
    return this.#out.columns > 0 ? this.#out.columns : 80;
  }
}

const SGR = new RegExp(`${String.fromCharCode(0x1b)}\\[[0-9;]*m`, 'g'); // what `style` adds
const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((row, at) => row === b[at]);
