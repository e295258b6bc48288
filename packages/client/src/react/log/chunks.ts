// What was read of one log, as pieces in their order: a list that only grows at its end, and within a bound. Knows no React.

import type { EntryEvent, GapEvent, OutputEvent } from '../../session/attachment.ts';

/** Output, output that is gone, or a new size of the terminal. */
export type Chunk = OutputEvent | GapEvent | Extract<EntryEvent, { type: 'resize' }>;

/** What a chunk costs besides its bytes: a flood of one-byte chunks must not slip through the bound. */
const CHUNK_BYTES = 256;

interface Kept {
  readonly chunk: Chunk;
  /** Of all chunks up to the end of this one. */
  readonly cost: number;
}

/** The list as it was at one moment. It stays so: what comes later is in a later one. */
export class ChunkList implements Iterable<Chunk> {
  /** Another list is another version; the same version has the same chunks. */
  readonly version: number;
  /** The number of the first chunk that is kept. */
  readonly first: number;
  /** Behind the number of the last one. */
  readonly end: number;
  /** Output bytes of the chunks that are kept. */
  readonly bytes: number;
  /** Output bytes of chunks that were let go of, to stay within the bound. */
  readonly droppedBytes: number;
  private readonly items: readonly (Kept | undefined)[];
  private readonly base: number;

  /** `items[0]` is the chunk of number `base`. */
  constructor(
    items: readonly (Kept | undefined)[],
    numbers: { readonly base: number; readonly first: number; readonly end: number },
    sums: { readonly version: number; readonly bytes: number; readonly droppedBytes: number },
  ) {
    this.items = items;
    this.base = numbers.base;
    this.first = numbers.first;
    this.end = numbers.end;
    this.version = sums.version;
    this.bytes = sums.bytes;
    this.droppedBytes = sums.droppedBytes;
  }

  get length(): number {
    return this.end - this.first;
  }

  /** Undefined before the first that is kept, and behind the last. */
  at(number: number): Chunk | undefined {
    return number < this.end ? this.items[number - this.base]?.chunk : undefined;
  }

  /** From the chunk of that number on: pass the `end` of an earlier list for what has come since. */
  *from(number: number): Generator<Chunk, void, undefined> {
    for (let at = Math.max(number, this.first); at < this.end; at += 1) {
      const chunk = this.at(at);
      // A later list has let go of it meanwhile.
      if (chunk !== undefined) yield chunk;
    }
  }

  [Symbol.iterator](): Generator<Chunk, void, undefined> {
    return this.from(this.first);
  }
}

export const NO_CHUNKS = new ChunkList([], { base: 0, first: 0, end: 0 }, { version: 0, bytes: 0, droppedBytes: 0 });

/** Makes the lists. */
export class ChunkLog {
  private readonly maxBytes: number;
  private items: (Kept | undefined)[];
  private base: number;
  private first: number;
  private version: number;
  private bytes: number;
  private droppedBytes: number;
  /** Of all chunks that ever came, and of those that were let go of. */
  private cost: number;
  private droppedCost: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
    this.items = [];
    this.base = 0;
    this.first = 0;
    this.version = 0;
    this.bytes = 0;
    this.droppedBytes = 0;
    this.cost = 0;
    this.droppedCost = 0;
  }

  push(chunk: Chunk): void {
    this.version += 1;
    this.bytes += bytesOf(chunk);
    this.cost += CHUNK_BYTES + bytesOf(chunk);
    this.items.push({ chunk, cost: this.cost });
    // The newest one stays, however large it is.
    while (this.cost - this.droppedCost > this.maxBytes && this.first < this.end - 1) this.drop();
  }

  list(): ChunkList {
    const { items, base, first, end, version, bytes, droppedBytes } = this;
    return new ChunkList(items, { base, first, end }, { version, bytes, droppedBytes });
  }

  /** The number of the first chunk that is kept. */
  get start(): number {
    return this.first;
  }

  get end(): number {
    return this.base + this.items.length;
  }

  at(number: number): Chunk | undefined {
    return this.items[number - this.base]?.chunk;
  }

  /** What the chunks from that number on cost. */
  costFrom(number: number): number {
    if (number >= this.end) return 0;
    return this.cost - (number <= this.first ? this.droppedCost : (this.items[number - 1 - this.base]?.cost ?? 0));
  }

  private drop(): void {
    const at = this.first - this.base;
    const item = this.items[at];
    // At once, and not only where the array is made anew: earlier lists share it, and must not keep what is too much.
    this.items[at] = undefined;
    this.first += 1;
    if (item !== undefined) {
      this.bytes -= bytesOf(item.chunk);
      this.droppedBytes += bytesOf(item.chunk);
      this.droppedCost = item.cost;
    }
    if (at < this.items.length / 2) return;
    this.items = this.items.slice(at + 1);
    this.base += at + 1;
  }
}

const bytesOf = (chunk: Chunk): number => (chunk.type === 'output' ? chunk.bytes.length : 0);
