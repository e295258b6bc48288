// Tracks which rows of a terminal contain stderr output, and shows a sign beside each visible one. The program's
// colours stay unchanged.

import type { IDisposable, IMarker, Terminal } from '@xterm/xterm';
import { lineHeight } from './touch-scroll.ts';
import { type BufferLine, cursorLine, internalsOf } from './xterm-internals.ts';
import './stderr-rows.css';

export class StderrRows {
  /**
   * First rows of stderr lines. Rows are objects that move with their text. Shared by all terminals that exchange rows.
   */
  readonly #stderrRows: WeakSet<BufferLine>;
  readonly #terminal: Terminal;
  readonly #signs: HTMLElement[] = [];
  /** Cursor position after the last drawing. A marker, because lines that leave the top change all line numbers. */
  #behind: IMarker | undefined;

  constructor(terminal: Terminal, stderrRows: WeakSet<BufferLine> = new WeakSet()) {
    this.#terminal = terminal;
    this.#stderrRows = stderrRows;
  }

  /** Returns a tracker of the same rows for another terminal, from which rows move to this one. */
  of(terminal: Terminal): StderrRows {
    return new StderrRows(terminal, this.#stderrRows);
  }

  /** Records a piece. Call when the piece is drawn, before the next one is. */
  rendered(isStderr: boolean): void {
    const { normal } = internalsOf(this.#terminal).buffers;
    const now = cursorLine(this.#terminal);
    // If that line is gone, all existing lines were drawn by this piece.
    const before = this.#behind?.isDisposed === false ? this.#behind.line : -1;
    const from = Math.max(0, Math.min(before, now));
    const { cursorX } = this.#terminal.buffer.active;
    for (let at = from; at <= now; at += 1) {
      const row = normal.lines.get(at);
      if (row === undefined) continue;
      // An empty cursor row belongs to the next writer. Row objects that leave the top are reused at the end.
      if (at === now && cursorX === 0) this.#stderrRows.delete(row);
      else if (isStderr) this.#stderrRows.add(row);
      else if (at > before) this.#stderrRows.delete(row);
    }
    this.#behind?.dispose();
    this.#behind = normal.addMarker(now);
  }

  has(line: number): boolean {
    const { lines } = internalsOf(this.#terminal).buffers.normal;
    let at = line;
    while (at > 0 && lines.get(at)?.isWrapped === true) at -= 1;
    const row = lines.get(at);
    return row !== undefined && this.#stderrRows.has(row);
  }

  /** Shows the signs in `layer`, which lies over the terminal. */
  show(layer: HTMLElement): IDisposable {
    return this.#terminal.onRender(() => {
      const height = lineHeight(this.#terminal);
      const top = this.#terminal.buffer.active.viewportY;
      for (let row = 0; row < Math.max(this.#terminal.rows, this.#signs.length); row += 1) {
        const isOn = row < this.#terminal.rows && this.has(top + row);
        let sign = this.#signs[row];
        if (sign === undefined) {
          if (!isOn) continue;
          sign = document.createElement('i');
          sign.className = 'stderr-sign';
          sign.textContent = '!';
          this.#signs[row] = sign;
          layer.append(sign);
        }
        sign.hidden = !isOn;
        sign.style.top = `${row * height}px`;
        sign.style.height = `${height}px`;
      }
    });
  }
}
