// A rate limit: an amount per second in the long run, with a burst.

/** Burst, in seconds of the rate. */
const BURST_SECONDS = 2;

/**
 * A leaky bucket: what is taken drains at the rate.
 *
 * @example
 * const limit = new RateLimit(50);
 * const waitMs = limit.waitMs(10); // 0: ten may come now
 * limit.take(10);
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #now: () => number;
  #used = 0;
  #at: number;

  /** `perSecond`: Infinity for no limit. `now`: monotonic ms. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#at = now();
  }

  /** Returns the ms before this much may come. An amount of any size may come while nothing is used. */
  waitMs(amount: number): number {
    const used = this.#usedAt(this.#now());
    const over = used === 0 ? 0 : used + amount - this.#perSecond * BURST_SECONDS;
    return over <= 0 ? 0 : Math.ceil((Math.min(over, used) / this.#perSecond) * 1000);
  }

  /** Counts an amount, below 0 to give it back. Returns the ms for which nothing more may follow. */
  take(amount: number): number {
    const now = this.#now();
    this.#used = this.#usedAt(now) + amount;
    this.#at = now;
    const over = this.#used - this.#perSecond * BURST_SECONDS;
    return over <= 0 ? 0 : (over / this.#perSecond) * 1000;
  }

  /** True if all that was taken has drained. */
  get isUnused(): boolean {
    return this.#usedAt(this.#now()) === 0;
  }

  // Without a limit the rate is Infinity, and Infinity times 0 is NaN.
  #usedAt(now: number): number {
    const seconds = (now - this.#at) / 1000;
    return Math.max(0, seconds === 0 ? this.#used : this.#used - seconds * this.#perSecond);
  }
}
