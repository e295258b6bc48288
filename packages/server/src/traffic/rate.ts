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

interface Bucket {
  events: number;
  bytes: number;
  at: number;
}

export class Rates {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  /** What each sender has used and not got back. Those that have used nothing are not in it. */
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
    const bucket = this.#used.get(sender) ?? { events: 0, bytes: 0, at: now };
    const seconds = (now - bucket.at) / 1000;
    bucket.at = now;
    bucket.events = Math.max(0, bucket.events - seconds * eventsPerSecond);
    bucket.bytes = Math.max(0, bucket.bytes - seconds * bytesPerSecond);
    const waitMs = Math.max(
      waitOf(bucket.events, events, eventsPerSecond),
      waitOf(bucket.bytes, bytes, bytesPerSecond),
    );
    if (waitMs === 0) {
      bucket.events += events;
      bucket.bytes += bytes;
    }
    if (bucket.events === 0 && bucket.bytes === 0) this.#used.delete(sender);
    else this.#used.set(sender, bucket);
    return waitMs;
  }
}

function waitOf(used: number, more: number, perSecond: number): number {
  const over = used === 0 ? 0 : used + more - perSecond * BURST_SECONDS;
  return over <= 0 ? 0 : Math.ceil((Math.min(over, used) / perSecond) * 1000);
}
