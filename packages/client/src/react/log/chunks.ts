// The output of one log as a list of chunks that grows at its end and stays within a limit. Knows no React.

import type { EntryEvent, GapEvent, OutputEvent, ScreenEvent } from '../../session/attachment.ts';

/**
 * Output, a gap, a new size of the terminal, a mark (`event`: a run began or ended, or a report of an emitter), or the
 * screen that the reading began with.
 */
export type Chunk = OutputEvent | GapEvent | ScreenEvent | Extract<EntryEvent, { type: 'resize' | 'event' }>;

/** Bytes that a chunk costs besides its output: a flood of one-byte chunks must not evade the limit. */
const CHUNK_BYTES = 256;

interface ChunkItem {
  readonly chunk: Chunk;
  /** Cost of all chunks up to the end of this one. */
  readonly cost: number;
}

/**
 * An immutable list of chunks. Later chunks are in a later list. Chunks are numbered through all lists, so that a
 * consumer draws only what is new.
 *
 * @example
 * ```tsx
 * import { useSession } from '@binnacle/client/react';
 * import { useEffect, useRef } from 'react';
 *
 * export function Bytes({ id, onBytes }: { id: string; onBytes: (bytes: Uint8Array) => void }) {
 *   const { chunks } = useSession(id);
 *   const seen = useRef(0);
 *   useEffect(() => {
 *     for (const chunk of chunks.from(seen.current)) if (chunk.type === 'output') onBytes(chunk.bytes);
 *     seen.current = chunks.end;
 *   }, [chunks, onBytes]);
 *   return <output>{chunks.bytes} bytes</output>;
 * }
 * ```
 */
export class ChunkList implements Iterable<Chunk> {
  /** Number of this list; equal versions have equal chunks. */
  readonly version: number;
  /** Number of the first chunk. */
  readonly first: number;
  /** Number behind the last chunk. */
  readonly end: number;
  /** Output bytes of the chunks in this list. */
  readonly bytes: number;
  /** Output bytes of chunks that were dropped to stay within the limit. */
  readonly droppedBytes: number;
  readonly #items: readonly (ChunkItem | undefined)[];
  readonly #base: number;

  /** `items[0]` is the chunk of number `base`. */
  constructor(
    items: readonly (ChunkItem | undefined)[],
    numbers: { readonly base: number; readonly first: number; readonly end: number },
    sums: { readonly version: number; readonly bytes: number; readonly droppedBytes: number },
  ) {
    this.#items = items;
    this.#base = numbers.base;
    this.first = numbers.first;
    this.end = numbers.end;
    this.version = sums.version;
    this.bytes = sums.bytes;
    this.droppedBytes = sums.droppedBytes;
  }

  /** Number of chunks in this list. */
  get length(): number {
    return this.end - this.first;
  }

  /** Returns a chunk by its number; undefined outside of this list. */
  at(number: number): Chunk | undefined {
    return number < this.end ? this.#items[number - this.#base]?.chunk : undefined;
  }

  /** Yields the chunks from a number on. Pass the `end` of an earlier list to get what is new. */
  *from(number: number): Generator<Chunk, void, undefined> {
    for (let at = Math.max(number, this.first); at < this.end; at += 1) {
      const chunk = this.at(at);
      // A later list has dropped it meanwhile.
      if (chunk !== undefined) yield chunk;
    }
  }

  [Symbol.iterator](): Generator<Chunk, void, undefined> {
    return this.from(this.first);
  }
}

export const NO_CHUNKS = new ChunkList([], { base: 0, first: 0, end: 0 }, { version: 0, bytes: 0, droppedBytes: 0 });

/** Collects chunks and makes the lists. */
export class ChunkLog {
  readonly #maxBytes: number;
  #items: (ChunkItem | undefined)[] = [];
  #base = 0;
  #first = 0;
  #version = 0;
  #bytes = 0;
  #droppedBytes = 0;
  /** Cost of all chunks so far, and of those that were dropped. */
  #cost = 0;
  #droppedCost = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Chunk): void {
    this.#version += 1;
    this.#bytes += bytesOf(chunk);
    this.#cost += CHUNK_BYTES + bytesOf(chunk);
    this.#items.push({ chunk, cost: this.#cost });
    // The newest one stays, however large it is.
    while (this.#cost - this.#droppedCost > this.#maxBytes && this.#first < this.end - 1) this.#drop();
  }

  /** Drops all chunks. Later ones have higher numbers. */
  clear(): void {
    this.#version += 1;
    this.#base = this.end;
    this.#first = this.#base;
    this.#items = [];
    this.#bytes = 0;
    this.#droppedBytes = 0;
    this.#droppedCost = this.#cost;
  }

  list(): ChunkList {
    const numbers = { base: this.#base, first: this.#first, end: this.end };
    const sums = { version: this.#version, bytes: this.#bytes, droppedBytes: this.#droppedBytes };
    return new ChunkList(this.#items, numbers, sums);
  }

  /** Number of the first stored chunk. */
  get start(): number {
    return this.#first;
  }

  get end(): number {
    return this.#base + this.#items.length;
  }

  at(number: number): Chunk | undefined {
    return this.#items[number - this.#base]?.chunk;
  }

  /** Cost of the chunks from that number on. */
  costFrom(number: number): number {
    if (number >= this.end) return 0;
    return this.#cost - (number <= this.#first ? this.#droppedCost : (this.#items[number - 1 - this.#base]?.cost ?? 0));
  }

  #drop(): void {
    const at = this.#first - this.#base;
    const item = this.#items[at];
    // At once, and not only where the array is made anew: earlier lists share it, and must not keep what is too much.
    this.#items[at] = undefined;
    this.#first += 1;
    if (item !== undefined) {
      this.#bytes -= bytesOf(item.chunk);
      this.#droppedBytes += bytesOf(item.chunk);
      this.#droppedCost = item.cost;
    }
    if (at < this.#items.length / 2) return;
    this.#items = this.#items.slice(at + 1);
    this.#base += at + 1;
  }
}

const bytesOf = (chunk: Chunk): number => (chunk.type === 'output' ? chunk.bytes.length : 0);
