// Rate limit per sender.

export interface RateLimits {
  /** Maximum events per second, on average. Default 20 000. */
  readonly eventsPerSecond: number;
  /** Maximum bytes of bodies per second, on average. Default 64 MiB. */
  readonly bytesPerSecond: number;
}

export const RATE_LIMITS: RateLimits = { eventsPerSecond: 20_000, bytesPerSecond: 64 * 1024 * 1024 };
/** Burst, in seconds of the rate. A request of any size is allowed while nothing is used. */
const BURST_SECONDS = 2;
/** Number of senders above which those with a full allowance are dropped. */
const MAX_SENDERS = 1000;

interface Bucket {
  readonly events: number;
  readonly bytes: number;
  readonly at: number;
}

export class SenderRateLimit {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  /** Used allowance of each sender at the time `at`. */
  readonly #used = new Map<string, Bucket>();

  /** `now`: monotonic, ms. */
  constructor(limits: RateLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Returns the ms to wait before this much may come; 0: it is allowed, and counted. */
  take(sender: string, events: number, bytes: number): number {
    const { eventsPerSecond, bytesPerSecond } = this.#limits;
    const now = this.#now();
    const used = this.#left(this.#used.get(sender), now);
    const waitMs = Math.max(waitOf(used.events, events, eventsPerSecond), waitOf(used.bytes, bytes, bytesPerSecond));
    if (waitMs > 0) return waitMs;
    this.#used.set(sender, { events: used.events + events, bytes: used.bytes + bytes, at: now });
    if (this.#used.size > MAX_SENDERS) this.#sweep(now);
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

// Special case: without a limit, perSecond is Infinity, and Infinity times 0 is NaN.
const leftOf = (used: number, seconds: number, perSecond: number): number =>
  seconds === 0 || used === 0 ? used : Math.max(0, used - seconds * perSecond);

function waitOf(used: number, more: number, perSecond: number): number {
  const over = used === 0 ? 0 : used + more - perSecond * BURST_SECONDS;
  return over <= 0 ? 0 : Math.ceil((Math.min(over, used) / perSecond) * 1000);
}
