// Calls back after a time, once; also after weeks, which one timer of Node cannot wait for. Nobody sets its clock.

const MAX_TIMER_MS = 2 ** 31 - 1;

export class Alarm {
  #timer: NodeJS.Timeout | undefined;

  /** `afterMs`: from now; below 0 counts as 0. Takes the place of what was set before. Keeps no process alive. */
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
