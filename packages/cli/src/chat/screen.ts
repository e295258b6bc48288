// Screen of a chat: finished rows scroll up, changing rows stay below them, and the edited line is last.

import type { Interface } from 'node:readline';
import { withoutColours } from '@binnacle/protocol';
import { cellsOf } from '../output/cells.ts';

/** The part of readline that the screen needs. */
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

  /** Cells of a row. The last one is left free: terminals differ in the handling of a full row. */
  get width(): number {
    return Math.max(20, this.#columns - 1);
  }

  /** Rows of the terminal. */
  get height(): number {
    return Math.max(5, this.#out.rows ?? 24);
  }

  setPrompt(text: string): void {
    this.#prompt.setPrompt(text);
    if (this.#isOpen) this.#prompt.prompt(true);
  }

  /** Prints permanent rows above the changing rows. Each must fit into one row; colours do not count. */
  print(rows: readonly string[], live: readonly string[] = this.#live): void {
    if (rows.length === 0 && same(live, this.#live)) return;
    if (!this.#isOpen) {
      this.#out.write(rows.map((row) => `${row}\n`).join(''));
      return;
    }
    const below = this.#prompt.getCursorPos().rows;
    const up = below + this.#rowsOf(this.#live);
    const lines = [...rows, ...live].map((row) => `${row}\n`).join('');
    // readline moves up from its assumed cursor row: leave as many rows below.
    this.#out.write(`\r${up > 0 ? `\x1b[${up}A` : ''}\x1b[J${lines}${'\n'.repeat(below)}`);
    this.#live = live;
    this.#prompt.prompt(true);
  }

  /** Called before Enter is passed on, with the cursor at the end of the line. */
  entering(): void {
    this.#typedRows = this.#prompt.getCursorPos().rows + 1;
  }

  /** Replaces the entered line by `rows` above the changing rows. */
  entered(rows: readonly string[]): void {
    const up = this.#typedRows + this.#rowsOf(this.#live);
    this.#typedRows = 0;
    const lines = [...rows, ...this.#live].map((row) => `${row}\n`).join('');
    this.#out.write(`\r${up > 0 ? `\x1b[${up}A` : ''}\x1b[J${lines}`);
    this.#prompt.prompt();
  }

  /** Removes the prompt; later output is printed unchanged. */
  close(): void {
    if (!this.#isOpen) return;
    const below = this.#prompt.getCursorPos().rows;
    this.#out.write(`\r${below > 0 ? `\x1b[${below}A` : ''}\x1b[J`);
    this.#isOpen = false;
    this.#live = [];
  }

  /** Counts rows: a row cut to a wider terminal takes several rows now. */
  #rowsOf(rows: readonly string[]): number {
    return rows.reduce((sum, row) => sum + Math.max(1, Math.ceil(cellsOf(withoutColours(row)) / this.#columns)), 0);
  }

  /** A terminal without a size reports 0. */
  get #columns(): number {
    return this.#out.columns > 0 ? this.#out.columns : 80;
  }
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((row, at) => row === b[at]);
