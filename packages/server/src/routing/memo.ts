// What was made of an object, for as long as that object says the same. Notices changes made in place.

/** How one kind of object is read. What is made is made of a copy. */
export interface Making<Source extends object, Copy, Made> {
  /** A copy of all that matters. */
  read(source: Source): Copy;
  /** How many things were copied. */
  sizeOf(copy: Copy): number;
  /** How many there are now, where that costs nothing to know. */
  sizeNow?(source: Source): number;
  /** Compares every value; allocates as little as it can. */
  saysStill(copy: Copy, source: Source): boolean;
  make(copy: Copy): Made;
}

export interface Keeping {
  /** Up to so many things are all compared at every call. */
  readonly comparedEachTime: number;
  /** Of more, all are compared once in so many ms of a monotonic clock, and their number at every call. */
  readonly comparedEveryMs: number;
}

/** 16 bindings are compared in some 0.2 µs; 100 000 in some milliseconds, which is too much for every message. */
export const KEEPING: Keeping = { comparedEachTime: 16, comparedEveryMs: 1000 };

/** For clones: an object that was never seen is compared with so many of those that were. */
const RECENT = 4;

export interface Product<Copy, Made> {
  readonly copy: Copy;
  readonly made: Made;
}

interface Entry<Copy, Made> {
  readonly product: Product<Copy, Made>;
  comparedAt: number;
}

export class Kept<Source extends object, Copy, Made> {
  readonly #making: Making<Source, Copy, Made>;
  readonly #keeping: Keeping;
  /** An entry goes with its object. */
  readonly #entries = new WeakMap<Source, Entry<Copy, Made>>();
  /** Most callers have one config: it is found without a look into the map. */
  #last: { readonly source: Source; readonly entry: Entry<Copy, Made> } | undefined;
  /** Newest first. */
  #recent: readonly Product<Copy, Made>[] = [];

  constructor(making: Making<Source, Copy, Made>, keeping: Keeping) {
    this.#making = making;
    this.#keeping = keeping;
  }

  /** Made anew where the object is seen to say something else than before. `now`: in ms, monotonic. */
  of(source: Source, now: number): Product<Copy, Made> {
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

  /** For an object that was never seen, and for one that says something else. A clone of a recent one costs one comparison. */
  renew(source: Source, now: number): Product<Copy, Made> {
    const product = this.#recent.find((one) => this.#isLike(one, source)) ?? this.#make(source);
    if (this.#recent[0] !== product) {
      this.#recent = [product, ...this.#recent.filter((one) => one !== product)].slice(0, RECENT);
    }
    const entry = { product, comparedAt: now };
    this.#entries.set(source, entry);
    this.#last = { source, entry };
    return product;
  }

  #isLike({ copy }: Product<Copy, Made>, source: Source): boolean {
    const { sizeNow, sizeOf, saysStill } = this.#making;
    return (sizeNow === undefined || sizeNow(source) === sizeOf(copy)) && saysStill(copy, source);
  }

  #make(source: Source): Product<Copy, Made> {
    const copy = this.#making.read(source);
    return { copy, made: this.#making.make(copy) };
  }
}
