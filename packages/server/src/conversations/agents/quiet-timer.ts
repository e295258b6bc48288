// A timer for quiet: calls back when an agent has sent nothing for a while, and late output of earlier work is over.

/** Maximum wait of a message for quiet, ms. A message to an agent that is never quiet is then sent anyway. */
const MAX_WAIT_MS = 15_000;

export class QuietTimer {
  #timer: NodeJS.Timeout | undefined;
  /** Monotonic end of the current wait. */
  #until: number | undefined;

  /**
   * Restarts the timer. Call after each output of the agent. `quietMs`: length of quiet to wait for; undefined: no
   * wait.
   */
  arm(quietMs: number | undefined, call: () => void): void {
    this.stop(quietMs === undefined);
    if (quietMs === undefined) return;
    const now = performance.now();
    this.#until ??= now + MAX_WAIT_MS;
    this.#timer = setTimeout(call, Math.max(0, Math.min(quietMs, this.#until - now)));
  }

  /** Stops the timer. `isOver`: the next call of `arm` begins a new wait. */
  stop(isOver = true): void {
    clearTimeout(this.#timer);
    if (isOver) this.#until = undefined;
  }
}
