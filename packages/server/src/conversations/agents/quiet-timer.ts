// Calls back when an agent has been quiet for a while: what it still tells of an earlier time has come to its end.

/** Maximum time, ms, that a message waits for quiet: an agent that never is gets it all the same. */
const MAX_WAIT_MS = 15_000;

export class Quiet {
  #timer: NodeJS.Timeout | undefined;
  /** Monotonic, of the wait that is under way. */
  #until: number | undefined;

  /** Behind everything that an agent tells. `quietMs`: how much quiet is waited for; undefined: none. */
  look(quietMs: number | undefined, call: () => void): void {
    this.stop(quietMs === undefined);
    if (quietMs === undefined) return;
    const now = performance.now();
    this.#until ??= now + MAX_WAIT_MS;
    this.#timer = setTimeout(call, Math.max(0, Math.min(quietMs, this.#until - now)));
  }

  /** `isOver`: the next wait is another one. */
  stop(isOver = true): void {
    clearTimeout(this.#timer);
    if (isOver) this.#until = undefined;
  }
}
