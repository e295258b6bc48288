// The time by which something is old enough to be deleted, or to be ended for good. The wall clock, unless it has leapt
// ahead by more than a day: a leap may be a mistake that somebody corrects, and what was deleted does not come back.
// Everything that acts once and for all on the age of something asks here, and nothing else does.

import { type Clocks, REAL_CLOCKS } from '@binnacle/protocol';

const DAY_MS = 24 * 3600_000;
const HOUR_MS = 3600_000;

export interface TrustedTimes {
  /** The wall clock may be ahead by so much at once: less is a sleep, or a time server. Default: a day. */
  readonly leapMs: number;
  /** A clock that stays ahead for so long is right. Counted with the monotonic clock. Default: an hour. */
  readonly waitMs: number;
}

export const TRUSTED_TIMES: TrustedTimes = { leapMs: DAY_MS, waitMs: HOUR_MS };

/** State that the next process goes on from. */
export interface TrustedState {
  /** ms since 1970. */
  readonly at: number;
  /** Part of `waitMs` that has passed since the clock leapt; 0: no leap. */
  readonly waitedMs: number;
}

export class TrustedTime {
  readonly #clocks: Clocks;
  readonly #times: TrustedTimes;
  /** The time at the last look. */
  #at: number;
  /** When that was, monotonic. */
  #lookedAt: number;
  #waitedMs: number;
  /** How far the wall clock is ahead; 0: not so far that it is doubted. */
  #aheadMs: number;

  /**
   * `before`: what an earlier process knew, where there was one; a machine that starts with a wrong clock is found out
   * by it. A gateway that was off for more than a day waits its hour, too: nothing tells the one from the other.
   */
  constructor(clocks: Clocks = REAL_CLOCKS, before?: TrustedState, times: Partial<TrustedTimes> = {}) {
    this.#clocks = clocks;
    this.#times = { ...TRUSTED_TIMES, ...times };
    this.#at = before?.at ?? clocks.wall();
    this.#lookedAt = clocks.monotonic();
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
    const lookedAt = this.#clocks.monotonic();
    const passedMs = lookedAt - this.#lookedAt;
    const at = this.#at + passedMs;
    const aheadMs = wall - at;
    this.#lookedAt = lookedAt;
    if (aheadMs > leapMs) {
      // The moment of the leap since the last look is unknown: the wait begins now. A second leap begins another wait.
      const isNew = aheadMs - this.#aheadMs > leapMs;
      this.#waitedMs = isNew ? 0 : this.#waitedMs + passedMs;
      this.#aheadMs = aheadMs;
      this.#at = at;
      if (this.#waitedMs < waitMs) return Math.round(at);
    }
    // Set back, the clock is followed at once: nothing is deleted too soon by that.
    this.#waitedMs = 0;
    this.#aheadMs = 0;
    this.#at = wall;
    return Math.round(wall);
  }

  /**
   * Returns what is left, in ms, of a duration that began at `since` by the clock of whoever kept it: never more than
   * the whole duration, so a time in the future counts as now; and nothing is over because the clock has just leapt.
   *
   * @example
   * setTimeout(end, trusted.leftOf(run.startedAt, timeoutMs));
   */
  leftOf(since: number, durationMs: number): number {
    return Math.max(0, Math.min(durationMs, since + durationMs - this.now()));
  }

  /** State that the next process is given as `before`. */
  get state(): TrustedState {
    return { at: this.now(), waitedMs: Math.round(this.#waitedMs) };
  }

  /** Whether the wall clock is ahead and not believed yet. */
  get isWaiting(): boolean {
    this.now();
    return this.#aheadMs > 0;
  }
}
