// Callers that wait for a log to grow.

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

  /** Adds a waiter. Returns the function that removes it. */
  add(place: number, wake: () => void): () => void {
    const waiter = { place, wake };
    this.#waiting.add(waiter);
    return () => {
      this.#waiting.delete(waiter);
    };
  }

  /** Wakes all waiters for growth beyond a place before `place`. A waiter that throws does not stop the others. */
  wake(place: number): void {
    const failures: unknown[] = [];
    // A copy: a woken waiter often waits again at once, and this call must not wake it a second time.
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
