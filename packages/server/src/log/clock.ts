// The times of the entries of one log. They never go back and are not stretched when somebody sets the machine's clock:
// pauses between them are as long as they were. Knows no entry.

/**
 * Behind the machine's clock by more than this, it has leapt: the machine slept, or its clock was set forward. Only the
 * clock can tell how long a sleep was, so it is followed.
 */
const LEAP_MS = 1000;

export interface Clocks {
  /** ms since 1970; people and time servers set it. */
  wall(): number;
  /** ms since anything; nobody sets it, and it stands still while the machine sleeps. */
  monotonic(): number;
}

const REAL: Clocks = { wall: () => Date.now(), monotonic: () => performance.now() };

export class LogClock {
  readonly #clocks: Clocks;
  /** What the monotonic clock lacks to be ms since 1970. */
  #base: number;

  constructor(clocks: Clocks = REAL) {
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
