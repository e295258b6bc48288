// Calls back at a time of day, once; also in weeks, which one timer of Node cannot wait for.

const MAX_TIMER_MS = 2 ** 31 - 1;

export class Alarm {
  #timer: NodeJS.Timeout | undefined;

  /** `at`: ms since 1970. Takes the place of what was set before. Keeps no process alive. */
  set(at: number, call: () => void): void {
    this.clear();
    const leftMs = Math.max(0, at - Date.now());
    const look = (): void => (leftMs > MAX_TIMER_MS ? this.set(at, call) : call());
    this.#timer = setTimeout(look, Math.min(leftMs, MAX_TIMER_MS));
    this.#timer.unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
