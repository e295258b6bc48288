// Who waits for a log to grow. Knows neither the log nor what they do then.

interface Waiter {
  readonly place: number;
  readonly wake: () => void;
}

export class Waiters {
  readonly #waiting: Set<Waiter>;

  constructor() {
    this.#waiting = new Set();
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Returns what takes it back. */
  add(place: number, wake: () => void): () => void {
    const waiter = { place, wake };
    this.#waiting.add(waiter);
    return () => {
      this.#waiting.delete(waiter);
    };
  }

  /** Wakes all who wait for growth beyond a place before `place`. One who throws does not keep the others asleep. */
  wake(place: number): void {
    const failures: unknown[] = [];
    // A copy: who is woken often waits again at once, and is not meant by this call.
    for (const waiter of [...this.#waiting]) {
      if (waiter.place >= place || !this.#waiting.delete(waiter)) continue;
      try {
        waiter.wake();
      } catch (cause) {
        failures.push(cause);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
