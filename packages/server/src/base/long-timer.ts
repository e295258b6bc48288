// A timer that fires once, also after weeks: longer than one timer of Node can wait. Independent of changes to the wall
// clock.

const MAX_TIMER_MS = 2 ** 31 - 1;

export class LongTimer {
  #timer: NodeJS.Timeout | undefined;

  /** Sets the timer and replaces an earlier one. `afterMs`: from now; below 0 counts as 0. Keeps no process alive. */
  set(afterMs: number, call: () => void): void {
    this.clear();
    const leftMs = Math.max(0, afterMs);
    const step = Math.min(leftMs, MAX_TIMER_MS);
    this.#timer = setTimeout(() => (leftMs > step ? this.set(leftMs - step, call) : call()), step);
    this.#timer.unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
