// Retries of operations that failed because the disk was full.

const RETRY_MS = 500;

export class RetryQueue {
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /** Schedules a retry. One per name: a later one replaces the earlier. */
  later(name: string, act: () => void): void {
    clearTimeout(this.#timers.get(name));
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      act();
    }, RETRY_MS);
    timer.unref();
    this.#timers.set(name, timer);
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
