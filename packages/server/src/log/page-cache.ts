// A least-recently-used cache of pages, shared by all logs of a gateway.

import type { BuiltPage, PageMemory } from './page.ts';

export interface PageCacheOptions {
  /**
   * Maximum bytes of cached pages; 0 disables the cache. Default 32 MiB: some 500 pages, so that a thousand viewers
   * near a few heads share them.
   */
  readonly maxBytes?: number;
}

interface CachedPage {
  readonly key: string;
  readonly page: BuiltPage;
  newer: CachedPage | undefined;
  older: CachedPage | undefined;
}

/**
 * Bytes per slab. Pages at a live head are small and many; an allocation of 3 us per page would be a large part of a
 * read.
 */
const SLAB_BYTES = 64 * 1024;
const SLAB_SHARE = SLAB_BYTES / 4;
/**
 * Unit of the sizes of larger buffers, which are reused. V8 counts their bytes against the heap, and without reuse ran
 * one full collection per 10 MiB of output, at a third of the gateway's processor time.
 */
const STEP_BYTES = 16 * 1024;
/** Maximum bytes of returned buffers that wait for the next page. The garbage collector gets the rest. */
const SPARE_BYTES = 4 * 1024 * 1024;

/** Allocates the memory of pages, and evicts the least recently used pages first. */
export class PageCache implements PageMemory {
  readonly #maxBytes: number;
  readonly #pages: Map<string, CachedPage>;
  // A linked list in order of use. A Map in order of use, by delete and set, leaves holes in its hash chain, and then
  // needs 15 us to find the page that all viewers read.
  #newest: CachedPage | undefined;
  #oldest: CachedPage | undefined;
  #bytes: number;
  #slab: Buffer;
  #slabUsed: number;
  /** Returned buffers by size. */
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

  /** Approximate bytes of all cached pages. */
  get bytes(): number {
    return this.#bytes;
  }

  get enabled(): boolean {
    return this.#maxBytes > 0;
  }

  /** Returns a page without a change to the order of use. */
  peek(key: string): BuiltPage | undefined {
    return this.#pages.get(key)?.page;
  }

  get(key: string): BuiltPage | undefined {
    const cached = this.#pages.get(key);
    if (cached === undefined) return undefined;
    if (cached !== this.#newest) {
      this.#unlink(cached);
      this.#link(cached);
    }
    return cached.page;
  }

  set(key: string, page: BuiltPage): void {
    // A page that fills a large part of the cache would evict all others.
    const isCacheable = page.cost <= this.#maxBytes / 4;
    // Before the drop, which may be of the same page.
    if (isCacheable) page.hold();
    const before = this.#pages.get(key);
    if (before !== undefined) this.#drop(before);
    if (!isCacheable) return;
    const cached = { key, page, newer: undefined, older: undefined };
    this.#pages.set(key, cached);
    this.#link(cached);
    this.#bytes += page.cost;
    while (this.#bytes > this.#maxBytes && this.#oldest !== undefined) this.#drop(this.#oldest);
  }

  /** Allocates memory for a page. Small pages share a slab, which is freed with the last of them. */
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
    // Small memory is a part of a slab, which is not free yet.
    if (memory.length <= SLAB_SHARE || this.#spareBytes + memory.length > SPARE_BYTES) return;
    this.#spareBytes += memory.length;
    const same = this.#spare.get(memory.length);
    if (same === undefined) this.#spare.set(memory.length, [memory]);
    else same.push(memory);
  }

  /** Returns the key of the page at a position of a log, for readers with the same options. */
  static key(log: string, place: number, offset: number): string {
    return `${log}/${place}/${offset}`;
  }

  /**
   * Drops the pages of a removed log. `log` as in `key`. O(n) over all pages, which is acceptable for a rare deletion.
   */
  forget(log: string): void {
    for (const cached of [...this.#pages.values()]) if (cached.key.startsWith(`${log}/`)) this.#drop(cached);
  }

  #drop(cached: CachedPage): void {
    this.#pages.delete(cached.key);
    this.#unlink(cached);
    this.#bytes -= cached.page.cost;
    cached.page.release();
  }

  #link(cached: CachedPage): void {
    cached.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = cached;
    this.#newest = cached;
    this.#oldest ??= cached;
  }

  #unlink(cached: CachedPage): void {
    if (cached.newer === undefined) this.#newest = cached.older;
    else cached.newer.older = cached.older;
    if (cached.older === undefined) this.#oldest = cached.newer;
    else cached.older.newer = cached.newer;
    cached.newer = undefined;
    cached.older = undefined;
  }
}
