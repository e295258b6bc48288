// A timer that keeps no process alive, and that can wait longer than one timer of Node.

/** Maximum ms of a timer of Node (24.8 days): above it the timer fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Calls back once. Independent of changes to the wall clock.
 *
 * @example
 * const timer = new Timer();
 * timer.set(60_000, () => save());
 * timer.set(120_000, () => save()); // replaces the earlier call
 */
export class Timer {
  #timer: NodeJS.Timeout | undefined;

  /** True while a call is due. */
  get isSet(): boolean {
    return this.#timer !== undefined;
  }

  /** Sets the timer and replaces an earlier call. `afterMs`: from now; below 0 counts as 0. */
  set(afterMs: number, call: () => void): void {
    clearTimeout(this.#timer);
    const leftMs = Math.max(0, afterMs);
    const step = Math.min(leftMs, MAX_TIMER_MS);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (leftMs > step) this.set(leftMs - step, call);
      else call();
    }, step);
    this.#timer.unref();
  }

  /** Sets the timer unless a call is due. */
  setOnce(afterMs: number, call: () => void): void {
    if (this.#timer === undefined) this.set(afterMs, call);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
