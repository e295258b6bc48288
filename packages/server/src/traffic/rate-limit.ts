// How much one sender may send in a second. Knows no event.

export interface RateLimits {
  /** Events a second, on average. Default 20 000. */
  readonly eventsPerSecond: number;
  /** Bytes of bodies a second, on average. Default 64 MiB. */
  readonly bytesPerSecond: number;
}

export const RATE_LIMITS: RateLimits = { eventsPerSecond: 20_000, bytesPerSecond: 64 * 1024 * 1024 };
/** So much of a second may be used at once, and one request is always let through when nothing was sent before. */
const BURST_SECONDS = 2;
/** Those that have got all of it back are dropped when there are so many. */
const MAX_KEPT = 1000;

interface Bucket {
  readonly events: number;
  readonly bytes: number;
  readonly at: number;
}

export class Rates {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  /** What each sender has used and not got back, as it was at `at`. */
  readonly #used = new Map<string, Bucket>();

  /** `now`: monotonic, ms. */
  constructor(limits: RateLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Ms to wait before so much may come; 0: it was counted and may come now. */
  take(sender: string, events: number, bytes: number): number {
    const { eventsPerSecond, bytesPerSecond } = this.#limits;
    const now = this.#now();
    const used = this.#left(this.#used.get(sender), now);
    const waitMs = Math.max(waitOf(used.events, events, eventsPerSecond), waitOf(used.bytes, bytes, bytesPerSecond));
    if (waitMs > 0) return waitMs;
    this.#used.set(sender, { events: used.events + events, bytes: used.bytes + bytes, at: now });
    if (this.#used.size > MAX_KEPT) this.#sweep(now);
    return 0;
  }

  #left(bucket: Bucket | undefined, now: number): Bucket {
    if (bucket === undefined) return { events: 0, bytes: 0, at: now };
    const seconds = (now - bucket.at) / 1000;
    return {
      events: leftOf(bucket.events, seconds, this.#limits.eventsPerSecond),
      bytes: leftOf(bucket.bytes, seconds, this.#limits.bytesPerSecond),
      at: now,
    };
  }

  #sweep(now: number): void {
    for (const [sender, bucket] of this.#used) {
      const { events, bytes } = this.#left(bucket, now);
      if (events === 0 && bytes === 0) this.#used.delete(sender);
    }
  }
}

// No limit is Infinity, which times no time at all is not a number.
const leftOf = (used: number, seconds: number, perSecond: number): number =>
  seconds === 0 || used === 0 ? used : Math.max(0, used - seconds * perSecond);

function waitOf(used: number, more: number, perSecond: number): number {
  const over = used === 0 ? 0 : used + more - perSecond * BURST_SECONDS;
  return over <= 0 ? 0 : Math.ceil((Math.min(over, used) / perSecond) * 1000);
}
