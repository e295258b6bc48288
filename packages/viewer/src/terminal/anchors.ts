// Anchors between terminal lines and output offsets: a marker every now and then, which moves with its line.

import type { IMarker, Terminal } from '@xterm/xterm';
import { internalsOf } from './xterm-internals.ts';

export interface Anchor {
  readonly marker: IMarker;
  /** Output bytes before the anchor: the cursor was on that line when they were drawn. */
  readonly offset: number;
}

const EVERY_BYTES = 64 * 1024;
/** Maximum anchors; beyond this, every second one is removed. */
export const MOST_ANCHORS = 128;

export class Anchors {
  readonly #terminal: Terminal;
  #list: Anchor[] = [];
  /** Offset after the last drawn output. */
  #end: number | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Records that everything up to `offset` is drawn, and nothing after it. */
  rendered(offset: number): void {
    this.#end = offset;
    const last = this.#list.at(-1);
    if (last !== undefined && offset - last.offset < EVERY_BYTES && !last.marker.isDisposed) return;
    this.mark(offset);
  }

  mark(offset: number): void {
    // The alternate screen has no lines that stay.
    if (this.#terminal.buffer.active.type !== 'normal') return;
    const marker = this.#terminal.registerMarker(0);
    if (marker !== undefined) this.#list.push({ marker, offset });
    if (this.#list.length > MOST_ANCHORS) this.#thin();
  }

  /** The first anchor whose line still exists. */
  get oldest(): Anchor | undefined {
    while (this.#list[0]?.marker.isDisposed === true) this.#list.shift();
    return this.#list[0];
  }

  /**
   * Sets an anchor at the end. For use after all others went away with their lines, as when a smaller width splits
   * lines into more rows.
   */
  again(): Anchor | undefined {
    if (this.#end !== undefined) this.mark(this.#end);
    return this.oldest;
  }

  get count(): number {
    return this.#list.length;
  }

  /** Takes over the anchors of a terminal whose lines from `first` on were put above all lines of this one. */
  putAbove(older: Anchors, first: number): void {
    const taken: Anchor[] = [];
    const limit = this.oldest;
    for (const { marker, offset } of older.#list) {
      if (marker.isDisposed || marker.line < first || (limit !== undefined && offset >= limit.offset)) continue;
      taken.push({ marker: internalsOf(this.#terminal).buffers.normal.addMarker(marker.line - first), offset });
    }
    this.#list = [...taken, ...this.#list];
    while (this.#list.length > MOST_ANCHORS) this.#thin();
  }

  clear(): void {
    for (const { marker } of this.#list) marker.dispose();
    this.#list = [];
    this.#end = undefined;
  }

  #thin(): void {
    this.#list = this.#list.filter((anchor, at) => {
      if (at % 2 === 0 || at === this.#list.length - 1) return true;
      anchor.marker.dispose();
      return false;
    });
  }
}
