// A bounded queue per key: a fixed number of operations run, a few more wait, and when the queue is full a new
// operation displaces the oldest waiting one.

import { BinnacleError } from '@binnacle/protocol';

/** Default bounds: enough for two pages of one person, each with superseded requests. */
const BOUNDS = { atOnce: 1, waiting: 4 };

export interface KeyedQueueBounds {
  readonly atOnce: number;
  readonly waiting: number;
}

interface QueuedOperation {
  enter(): void;
  leave(): void;
}

export class KeyedQueue {
  /** Running and waiting operations by key; the waiting ones oldest first. */
  readonly #busy = new Map<string, { underWay: number; readonly waiting: QueuedOperation[] }>();
  readonly #bounds: KeyedQueueBounds;

  constructor(bounds: KeyedQueueBounds = BOUNDS) {
    this.#bounds = bounds;
  }

  /** Runs `act` in its turn. Throws `asked_again` if a newer operation displaced it, and the failures of `act`. */
  async run<T>(who: string, act: () => Promise<T>): Promise<T> {
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
    // The slot goes directly to the first waiting operation: a newcomer cannot overtake it.
    const next = busy.waiting.shift();
    if (next !== undefined) next.enter();
    else if (busy.underWay > 1) busy.underWay -= 1;
    else this.#busy.delete(who);
  }
}
