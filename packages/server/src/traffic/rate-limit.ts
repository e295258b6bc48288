// Rate limit per sender.

import { RateLimit } from '../base/rate-limit.ts';

export interface RateLimits {
  /** Maximum events per second, on average. Default 20 000. */
  readonly eventsPerSecond: number;
  /** Maximum bytes of bodies per second, on average. Default 64 MiB. */
  readonly bytesPerSecond: number;
}

export const RATE_LIMITS: RateLimits = { eventsPerSecond: 20_000, bytesPerSecond: 64 * 1024 * 1024 };
/** Number of senders above which those with a full allowance are dropped. */
const MAX_SENDERS = 1000;

interface SenderUse {
  readonly events: RateLimit;
  readonly bytes: RateLimit;
}

export class SenderRateLimit {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  readonly #senders = new Map<string, SenderUse>();

  /** `now`: monotonic, ms. */
  constructor(limits: RateLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * Returns the ms to wait before this much may come; 0: it is allowed, and counted. A request of any size is allowed
   * while nothing is used.
   */
  take(sender: string, events: number, bytes: number): number {
    const use = this.#senders.get(sender) ?? this.#add(sender);
    const waitMs = Math.max(use.events.waitMs(events), use.bytes.waitMs(bytes));
    if (waitMs > 0) return waitMs;
    use.events.take(events);
    use.bytes.take(bytes);
    return 0;
  }

  #add(sender: string): SenderUse {
    if (this.#senders.size >= MAX_SENDERS) this.#sweep();
    const { eventsPerSecond, bytesPerSecond } = this.#limits;
    const use = {
      events: new RateLimit(eventsPerSecond, this.#now),
      bytes: new RateLimit(bytesPerSecond, this.#now),
    };
    this.#senders.set(sender, use);
    return use;
  }

  #sweep(): void {
    for (const [sender, { events, bytes }] of this.#senders) {
      if (events.isUnused && bytes.isUnused) this.#senders.delete(sender);
    }
  }
}
