// The two clocks of a machine, and the time that is made of both: it is what people read, and nobody sets it back.

export interface Clocks {
  /** ms since 1970; people and time servers set it, forward and back. */
  wall(): number;
  /** ms since anything; nobody sets it, and it may stand still while the machine sleeps. */
  monotonic(): number;
}

// Browsers and Node have it; what is built for both knows neither.
declare const performance: { now(): number };

export const REAL_CLOCKS: Clocks = { wall: () => Date.now(), monotonic: () => performance.now() };

/**
 * Behind the machine's clock by more than this, it has leapt: the machine slept, or its clock was set forward. Only the
 * clock can tell how long a sleep was, so it is followed.
 */
const LEAP_MS = 1000;

/** Times that never go back and are not stretched when somebody sets the clock; behind a sleep they follow it. */
export class SteadyClock {
  readonly #clocks: Clocks;
  /** What the monotonic clock lacks to be ms since 1970. */
  #base: number;

  constructor(clocks: Clocks = REAL_CLOCKS) {
    this.#clocks = clocks;
    this.#base = clocks.wall() - clocks.monotonic();
  }

  /** Whole ms since 1970. */
  now(): number {
    const passed = this.#clocks.monotonic();
    const wall = this.#clocks.wall();
    if (wall - (this.#base + passed) > LEAP_MS) this.#base = wall - passed;
    return Math.round(this.#base + passed);
  }
}
