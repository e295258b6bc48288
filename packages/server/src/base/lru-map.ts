// A bounded map that forgets the least recently used entry first.

export interface LruMapOptions<K, V> {
  /** Entries that stay although they are the least recently used: the map may exceed its maximum by their number. */
  isPinned?(value: V): boolean;
  /** Called for each entry that was evicted, after its removal. */
  evicted?(value: V, key: K): void;
}

/**
 * A map in order of use, the least recently used entry first. `get` and `set` use an entry. For a hot path with many
 * entries see `log/page-cache.ts`: a Map that is deleted from and added to leaves holes in its hash chain.
 *
 * @example
 * const tokens = new LruMap<string, Token>(100);
 * tokens.set('a', token); // evicts the least recently used entry if there were 100 others
 */
export class LruMap<K, V> {
  readonly #max: number;
  readonly #options: LruMapOptions<K, V>;
  readonly #map = new Map<K, V>();

  /** `max`: maximum entries. */
  constructor(max: number, options: LruMapOptions<K, V> = {}) {
    this.#max = max;
    this.#options = options;
  }

  get size(): number {
    return this.#map.size;
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  /** Returns the value without a change to the order of use. */
  peek(key: K): V | undefined {
    return this.#map.get(key);
  }

  get(key: K): V | undefined {
    const value = this.#map.get(key);
    if (value !== undefined) this.#use(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#use(key, value);
    if (this.#map.size > this.#max) this.#evict();
  }

  delete(key: K): boolean {
    return this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }

  keys(): IterableIterator<K> {
    return this.#map.keys();
  }

  values(): IterableIterator<V> {
    return this.#map.values();
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#map[Symbol.iterator]();
  }

  #use(key: K, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
  }

  #evict(): void {
    for (const [key, value] of this.#map) {
      if (this.#options.isPinned?.(value) === true) continue;
      this.#map.delete(key);
      this.#options.evicted?.(value, key);
      if (this.#map.size <= this.#max) return;
    }
  }
}
