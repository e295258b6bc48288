// One thing at a time, or some, for each who asks: the next ones wait, a few at most, and a newer one takes the
// place of the oldest that waits. Knows nothing of what is done.

import { BinnacleError } from '@binnacle/protocol';

/** Two pages of one person, and what each asked for while it moved on. */
const BOUNDS = { atOnce: 1, waiting: 4 };

export interface AskersBounds {
  readonly atOnce: number;
  readonly waiting: number;
}

interface Waiting {
  enter(): void;
  leave(): void;
}

export class Askers {
  /** Of those for whom something is done: who waits behind it, oldest first. */
  readonly #busy = new Map<string, { underWay: number; readonly waiting: Waiting[] }>();
  readonly #bounds: AskersBounds;

  constructor(bounds: AskersBounds = BOUNDS) {
    this.#bounds = bounds;
  }

  /** Throws `asked_again`, and what `act` throws. */
  async inTurn<T>(who: string, act: () => Promise<T>): Promise<T> {
    await this.#enter(who);
    try {
      return await act();
    } finally {
      this.#leave(who);
    }
  }

  #enter(who: string): Promise<void> {
    const busy = this.#busy.get(who) ?? { underWay: 0, waiting: [] };
    if (busy.underWay < this.#bounds.atOnce) {
      busy.underWay += 1;
      this.#busy.set(who, busy);
      return Promise.resolve();
    }
    const { waiting } = busy;
    if (waiting.length >= this.#bounds.waiting) waiting.shift()?.leave();
    return new Promise((resolve, reject) => {
      waiting.push({ enter: resolve, leave: () => reject(new BinnacleError('asked_again')) });
    });
  }

  #leave(who: string): void {
    const busy = this.#busy.get(who);
    if (busy === undefined) return;
    // Handed on: nobody who comes meanwhile goes before those who wait.
    const next = busy.waiting.shift();
    if (next !== undefined) next.enter();
    else if (busy.underWay > 1) busy.underWay -= 1;
    else this.#busy.delete(who);
  }
}
