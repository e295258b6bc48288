// What could not be kept for want of room on the disk, and is tried again. Knows not what it is.

const RETRY_MS = 500;

export class Retries {
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /** One of each name: the last one counts. */
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
