// Budget for reading the output of sessions: one scan at a time, with pauses for all other work. All reads together
// take at most a tenth of a core, for any number of flooding sessions.

/** Length of the pause after a read, as a multiple of the read's duration. */
const REST = 9;
/** Minimum pause. Shorter pauses first add up to this, because timers are late by more. */
const LEAST_REST_MS = 2;
/** Maximum pause: a read that waits for a slow disk uses no processor. */
const MOST_REST_MS = 200;

export class ScanBudget {
  readonly #waiting: (() => Promise<void>)[] = [];
  #isTaken = false;
  #owedMs = 0;

  /** Runs `scan` in its turn. Resolves after it, and rejects with its error. */
  take(scan: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => scan().then(resolve, reject));
      this.#next();
    });
  }

  #next(): void {
    if (this.#isTaken) return;
    const scan = this.#waiting.shift();
    if (scan === undefined) return;
    this.#isTaken = true;
    const began = performance.now();
    void scan().then(() => {
      this.#owedMs += REST * (performance.now() - began);
      const free = (): void => {
        this.#isTaken = false;
        this.#next();
      };
      if (this.#owedMs < LEAST_REST_MS) {
        setImmediate(free);
        return;
      }
      const restMs = Math.min(MOST_REST_MS, this.#owedMs);
      this.#owedMs = 0;
      setTimeout(free, restMs).unref();
    });
  }
}
