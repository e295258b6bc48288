// Clocks that a test sets. Both go on by `pass`; only the wall clock is set.

import type { Clocks } from '@binnacle/protocol';

export class SetClocks implements Clocks {
  #wall: number;
  #monotonic = 1000;

  constructor(wall = 1_700_000_000_000) {
    this.#wall = wall;
  }

  wall(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  pass(ms: number): void {
    this.#wall += ms;
    this.#monotonic += ms;
  }

  /** Sets the clock of the machine forward by so much, or back. */
  set(byMs: number): void {
    this.#wall += byMs;
  }
}
