// Hands bytes to an emulator no faster than it draws them. Knows no session; xterm.js is handed in.

import type { Terminal } from '@xterm/xterm';

// xterm holds what it has not parsed in memory and gives up above 50 MB; a second of a fast flood is plenty.
const PENDING_LIMIT = 1024 * 1024;
const PENDING_LOW = 256 * 1024;
// xterm looks at the clock between pieces only, and draws and handles keys after some milliseconds of them.
const PIECE_BYTES = 16 * 1024;

/**
 * Writes bytes to an emulator no faster than it draws them.
 *
 * @example
 * ```ts
 * import { guard, TerminalFeed } from '@binnacle/client/terminal';
 * import { Terminal } from '@xterm/xterm';
 *
 * const terminal = new Terminal();
 * guard(terminal);
 * const feed = new TerminalFeed(terminal);
 * for await (const event of session.attach('screen')) {
 *   if (event.type === 'screen') terminal.write(event.data);
 *   if (event.type === 'output') await feed.write(event.bytes, () => {});
 * }
 * ```
 */
export class TerminalFeed {
  readonly #terminal: Pick<Terminal, 'write'>;
  #pending = 0;
  #drained: (() => void) | undefined;
  #isOver = false;

  constructor(terminal: Pick<Terminal, 'write'>) {
    this.#terminal = terminal;
  }

  /**
   * Writes bytes. `onRendered` is called when they are on the screen. Returns a promise that resolves when there is room for
   * more; undefined if there is room now.
   */
  write(bytes: Uint8Array, onRendered: () => void): Promise<void> | undefined {
    if (this.#isOver) return undefined;
    this.#pending += bytes.length;
    let at = 0;
    for (; bytes.length - at > PIECE_BYTES; at += PIECE_BYTES) {
      this.#terminal.write(bytes.subarray(at, at + PIECE_BYTES));
    }
    this.#terminal.write(bytes.subarray(at), () => {
      this.#pending -= bytes.length;
      onRendered();
      if (this.#pending <= PENDING_LOW) this.#release();
    });
    if (this.#pending <= PENDING_LIMIT) return undefined;
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  /** Resolves when everything that was written before is drawn. */
  async settled(): Promise<void> {
    if (!this.#isOver) await new Promise<void>((resolve) => this.#terminal.write('', resolve));
  }

  /** Resolves all waiting promises. Call it before the terminal is disposed of. */
  stop(): void {
    this.#isOver = true;
    this.#release();
  }

  #release(): void {
    this.#drained?.();
    this.#drained = undefined;
  }
}
