// A cache of products made from objects, valid as long as the object has the same content. Detects changes in place.

/** Functions for one kind of source object. The product is made from a copy. */
export interface MemoFunctions<Source extends object, Copy, Made> {
  /** Copies all relevant values. */
  read(source: Source): Copy;
  /** Returns the number of copied items. */
  sizeOf(copy: Copy): number;
  /** Returns the current number of items. Only for sources where that costs nothing. */
  sizeNow?(source: Source): number;
  /** Compares every value; allocates as little as possible. */
  saysStill(copy: Copy, source: Source): boolean;
  make(copy: Copy): Made;
}

export interface MemoLimits {
  /** Maximum items that are all compared on every call. */
  readonly comparedEachTime: number;
  /**
   * Interval in ms, by a monotonic clock, at which more items are all compared. Their number is compared on every call.
   */
  readonly comparedEveryMs: number;
}

/**
 * Default intervals: 16 bindings are compared in some 0.2 µs; 100 000 in some milliseconds, which is too much for every
 * message.
 */
export const MEMO_LIMITS: MemoLimits = { comparedEachTime: 16, comparedEveryMs: 1000 };

/** Maximum recent products with which an unknown object is compared. It may be a clone. */
const RECENT = 4;

export interface MemoProduct<Copy, Made> {
  readonly copy: Copy;
  readonly made: Made;
}

interface Entry<Copy, Made> {
  readonly product: MemoProduct<Copy, Made>;
  comparedAt: number;
}

export class ContentMemo<Source extends object, Copy, Made> {
  readonly #making: MemoFunctions<Source, Copy, Made>;
  readonly #keeping: MemoLimits;
  /** Entries by object. The garbage collector removes an entry with its object. */
  readonly #entries = new WeakMap<Source, Entry<Copy, Made>>();
  /** The last entry: most callers have one config, which needs no look-up in the map. */
  #last: { readonly source: Source; readonly entry: Entry<Copy, Made> } | undefined;
  /** Newest first. */
  #recent: readonly MemoProduct<Copy, Made>[] = [];

  constructor(making: MemoFunctions<Source, Copy, Made>, keeping: MemoLimits) {
    this.#making = making;
    this.#keeping = keeping;
  }

  /** Returns the product of an object, made again after a detected change. `now`: in ms, monotonic. */
  of(source: Source, now: number): MemoProduct<Copy, Made> {
    const entry = this.#last?.source === source ? this.#last.entry : this.#entries.get(source);
    if (entry === undefined) return this.renew(source, now);
    const { product } = entry;
    const size = this.#making.sizeOf(product.copy);
    if (this.#making.sizeNow !== undefined && this.#making.sizeNow(source) !== size) {
      return this.renew(source, now);
    }
    if (size > this.#keeping.comparedEachTime) {
      if (now - entry.comparedAt < this.#keeping.comparedEveryMs) return product;
      entry.comparedAt = now;
    }
    return this.#making.saysStill(product.copy, source) ? product : this.renew(source, now);
  }

  /** Returns the product of an unknown or changed object. A clone of a recent object costs one comparison. */
  renew(source: Source, now: number): MemoProduct<Copy, Made> {
    const product = this.#recent.find((one) => this.#isLike(one, source)) ?? this.#make(source);
    if (this.#recent[0] !== product) {
      this.#recent = [product, ...this.#recent.filter((one) => one !== product)].slice(0, RECENT);
    }
    const entry = { product, comparedAt: now };
    this.#entries.set(source, entry);
    this.#last = { source, entry };
    return product;
  }

  #isLike({ copy }: MemoProduct<Copy, Made>, source: Source): boolean {
    const { sizeNow, sizeOf, saysStill } = this.#making;
    return (sizeNow === undefined || sizeNow(source) === sizeOf(copy)) && saysStill(copy, source);
  }

  #make(source: Source): MemoProduct<Copy, Made> {
    const copy = this.#making.read(source);
    return { copy, made: this.#making.make(copy) };
  }
}
