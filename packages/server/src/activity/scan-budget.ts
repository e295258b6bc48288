// Whose turn it is to look at the output of a session: one at a time, with pauses in which everybody else has theirs. All
// looks together take a tenth of a core, however many sessions flood. Knows no session.

/** So many times as long as a look has taken nobody looks. */
const REST = 9;
/** Shorter pauses add up to one: a timer is late by more. */
const LEAST_REST_MS = 2;
/** A disk that is slow is no work of ours. */
const MOST_REST_MS = 200;

export class LookTurns {
  readonly #waiting: (() => Promise<void>)[] = [];
  #isTaken = false;
  #owedMs = 0;

  /** Resolves when it has looked, and rejects with what that threw. */
  take(look: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => look().then(resolve, reject));
      this.#next();
    });
  }

  #next(): void {
    if (this.#isTaken) return;
    const look = this.#waiting.shift();
    if (look === undefined) return;
    this.#isTaken = true;
    const began = performance.now();
    void look().then(() => {
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
