// The time for decisions about age that cannot be undone: to delete something, or to end it for good. It is the wall
// clock, unless that has leapt ahead by more than a day: the leap may be a mistake that will be corrected, and deleted
// data does not come back. All irreversible decisions about age use this time, and nothing else does.

import { type Clocks, REAL_CLOCKS } from '@binnacle/protocol';

const DAY_MS = 24 * 3600_000;
const HOUR_MS = 3600_000;

export interface TrustedTimes {
  /**
   * Maximum leap of the wall clock that is accepted at once: it can come from a sleep or a time server. Default: a day.
   */
  readonly leapMs: number;
  /** Time after which a clock that stays ahead counts as right, by the monotonic clock. Default: an hour. */
  readonly waitMs: number;
}

export const TRUSTED_TIMES: TrustedTimes = { leapMs: DAY_MS, waitMs: HOUR_MS };

/** State from which the next process continues. */
export interface TrustedState {
  /** ms since 1970. */
  readonly at: number;
  /** Part of `waitMs` that has passed since the clock leapt; 0: no leap. */
  readonly waitedMs: number;
}

export class TrustedTime {
  readonly #clocks: Clocks;
  readonly #times: TrustedTimes;
  /** The time at the last call. */
  #at: number;
  /** Monotonic time of the last call. */
  #readAt: number;
  #waitedMs: number;
  /** Milliseconds by which the wall clock is ahead; 0: within the accepted leap. */
  #aheadMs: number;

  /**
   * `before`: state of an earlier process, if there was one; it detects a machine that starts with a wrong clock. A
   * gateway that was off for more than a day waits `waitMs`, too: nothing distinguishes the two cases.
   */
  constructor(clocks: Clocks = REAL_CLOCKS, before?: TrustedState, times: Partial<TrustedTimes> = {}) {
    this.#clocks = clocks;
    this.#times = { ...TRUSTED_TIMES, ...times };
    this.#at = before?.at ?? clocks.wall();
    this.#readAt = clocks.monotonic();
    this.#waitedMs = before?.waitedMs ?? 0;
    this.#aheadMs = this.#waitedMs > 0 ? Number.POSITIVE_INFINITY : 0;
  }

  /**
   * Whole ms since 1970: the time to count ages from.
   *
   * @example
   * const isOld = exitedAt < trusted.now() - retainMs;
   */
  now(): number {
    const { leapMs, waitMs } = this.#times;
    const wall = this.#clocks.wall();
    const readAt = this.#clocks.monotonic();
    const passedMs = readAt - this.#readAt;
    const at = this.#at + passedMs;
    const aheadMs = wall - at;
    this.#readAt = readAt;
    if (aheadMs > leapMs) {
      // The moment of the leap since the last call is unknown: the wait begins now. A second leap begins another wait.
      const isNew = aheadMs - this.#aheadMs > leapMs;
      this.#waitedMs = isNew ? 0 : this.#waitedMs + passedMs;
      this.#aheadMs = aheadMs;
      this.#at = at;
      if (this.#waitedMs < waitMs) return Math.round(at);
    }
    // A clock that was set back is followed at once: that deletes nothing too early.
    this.#waitedMs = 0;
    this.#aheadMs = 0;
    this.#at = wall;
    return Math.round(wall);
  }

  /**
   * Returns the remaining ms of a duration that began at `since` by a wall clock. Never more than the whole duration,
   * so a time in the future counts as now; and nothing expires because the clock has just leapt.
   *
   * @example
   * setTimeout(end, trusted.leftOf(run.startedAt, timeoutMs));
   */
  leftOf(since: number, durationMs: number): number {
    return Math.max(0, Math.min(durationMs, since + durationMs - this.now()));
  }

  /** State for the `before` of the next process. */
  get state(): TrustedState {
    return { at: this.now(), waitedMs: Math.round(this.#waitedMs) };
  }

  /** True while the wall clock is ahead and not accepted yet. */
  get isWaiting(): boolean {
    this.now();
    return this.#aheadMs > 0;
  }
}
