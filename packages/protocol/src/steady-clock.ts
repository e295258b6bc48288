// The two clocks of a machine, and a time made of both: readable as a date, and never going back.

/** The two clocks of a machine. */
export interface Clocks {
  /** Unix time in milliseconds. People and time servers set it, forward and back. */
  wall(): number;
  /** Milliseconds since an unspecified moment. Nobody sets it, and it may stand still while the machine sleeps. */
  monotonic(): number;
}

// Browsers and Node have it; what is built for both knows neither.
declare const performance: { now(): number };

/** The clocks of this machine. */
export const REAL_CLOCKS: Clocks = { wall: () => Date.now(), monotonic: () => performance.now() };

/**
 * Behind the machine's clock by more than this, time has leapt: the machine slept, or its clock was set forward. Only
 * the clock knows how long a sleep was, so it is followed.
 */
const LEAP_MS = 1000;

/** Time that never goes back and is not stretched when somebody sets the clock. After a sleep it follows the clock. */
export class SteadyClock {
  readonly #clocks: Clocks;
  /** Milliseconds to add to the monotonic clock for a Unix time. */
  #base: number;

  constructor(clocks: Clocks = REAL_CLOCKS) {
    this.#clocks = clocks;
    this.#base = clocks.wall() - clocks.monotonic();
  }

  /** Returns the time: whole milliseconds since 1970. */
  now(): number {
    const passed = this.#clocks.monotonic();
    const wall = this.#clocks.wall();
    if (wall - (this.#base + passed) > LEAP_MS) this.#base = wall - passed;
    return Math.round(this.#base + passed);
  }
}
