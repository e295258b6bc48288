// Pages that somebody may want again, for all logs of a gateway. Knows neither files nor readers.

import type { BuiltPage, PageMemory } from './page.ts';

export interface PageCacheOptions {
  /** Bytes of pages to keep. Default 32 MiB: some 500 pages, so a thousand viewers near a few heads share them. 0: none. */
  readonly maxBytes?: number;
}

interface Kept {
  readonly key: string;
  readonly page: BuiltPage;
  newer: Kept | undefined;
  older: Kept | undefined;
}

/** Pages at a live head are small and many; the allocator's 3 us for each would be a good part of a read. */
const SLAB_BYTES = 64 * 1024;
const SLAB_SHARE = SLAB_BYTES / 4;
/**
 * Larger ones are used again: V8 counts their bytes against the heap, and collected all of it once in 10 MiB of output,
 * at a third of the gateway's processor time.
 */
const STEP_BYTES = 16 * 1024;
/** Pages that came back and wait for the next; what is beyond it, the collector takes. */
const SPARE_BYTES = 4 * 1024 * 1024;

/** Least recently used pages go first. */
export class PageCache implements PageMemory {
  readonly #maxBytes: number;
  readonly #pages: Map<string, Kept>;
  // A list of its own: a Map that is kept in order of use by delete and set leaves its holes in the hash chain, and the
  // page that everybody reads then costs 15 us to find.
  #newest: Kept | undefined;
  #oldest: Kept | undefined;
  #bytes: number;
  #slab: Buffer;
  #slabUsed: number;
  /** By size. */
  readonly #spare: Map<number, Buffer[]>;
  #spareBytes: number;

  constructor(options: PageCacheOptions = {}) {
    this.#maxBytes = options.maxBytes ?? 32 * 1024 * 1024;
    this.#pages = new Map();
    this.#newest = undefined;
    this.#oldest = undefined;
    this.#bytes = 0;
    this.#slab = Buffer.alloc(0);
    this.#slabUsed = 0;
    this.#spare = new Map();
    this.#spareBytes = 0;
  }

  /** Bytes held, about. */
  get bytes(): number {
    return this.#bytes;
  }

  get enabled(): boolean {
    return this.#maxBytes > 0;
  }

  /** Leaves the order of use as it is. */
  peek(key: string): BuiltPage | undefined {
    return this.#pages.get(key)?.page;
  }

  get(key: string): BuiltPage | undefined {
    const kept = this.#pages.get(key);
    if (kept === undefined) return undefined;
    if (kept !== this.#newest) {
      this.#unlink(kept);
      this.#link(kept);
    }
    return kept.page;
  }

  set(key: string, page: BuiltPage): void {
    // One that fills a good part of the cache would throw out everybody else's.
    const isKept = page.cost <= this.#maxBytes / 4;
    // Before the drop, which may be of this same page.
    if (isKept) page.hold();
    const before = this.#pages.get(key);
    if (before !== undefined) this.#drop(before);
    if (!isKept) return;
    const kept = { key, page, newer: undefined, older: undefined };
    this.#pages.set(key, kept);
    this.#link(kept);
    this.#bytes += page.cost;
    while (this.#bytes > this.#maxBytes && this.#oldest !== undefined) this.#drop(this.#oldest);
  }

  /** Memory for a page. Small pages share a slab, which lives as long as the last of them. */
  allocate(bytes: number): Buffer {
    if (bytes > SLAB_SHARE) {
      const size = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
      const spare = this.#spare.get(size)?.pop();
      if (spare === undefined) return Buffer.allocUnsafeSlow(size);
      this.#spareBytes -= size;
      return spare;
    }
    if (this.#slabUsed + bytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#slabUsed = 0;
    }
    const start = this.#slabUsed;
    this.#slabUsed += bytes;
    return this.#slab.subarray(start, start + bytes);
  }

  recycle(memory: Buffer): void {
    // A part of a slab: the slab is not free yet.
    if (memory.length <= SLAB_SHARE || this.#spareBytes + memory.length > SPARE_BYTES) return;
    this.#spareBytes += memory.length;
    const same = this.#spare.get(memory.length);
    if (same === undefined) this.#spare.set(memory.length, [memory]);
    else same.push(memory);
  }

  /** Key of the page that a log, as one reader sees it, has at a position. */
  static key(log: string, place: number, offset: number): string {
    return `${log}/${place}/${offset}`;
  }

  /** Drops the pages of a log that is gone. `log` as for `key`. Looks at every page: for the rare deletion. */
  forget(log: string): void {
    for (const kept of [...this.#pages.values()]) if (kept.key.startsWith(`${log}/`)) this.#drop(kept);
  }

  #drop(kept: Kept): void {
    this.#pages.delete(kept.key);
    this.#unlink(kept);
    this.#bytes -= kept.page.cost;
    kept.page.release();
  }

  #link(kept: Kept): void {
    kept.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = kept;
    this.#newest = kept;
    this.#oldest ??= kept;
  }

  #unlink(kept: Kept): void {
    if (kept.newer === undefined) this.#newest = kept.older;
    else kept.newer.older = kept.older;
    if (kept.older === undefined) this.#oldest = kept.newer;
    else kept.older.newer = kept.newer;
    kept.newer = undefined;
    kept.older = undefined;
  }
}
