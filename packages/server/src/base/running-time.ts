// Time in which this process could run. A timer that fires much too late means that the process was stopped (SIGSTOP, a
// suspended machine) or busy: messages of the other side are still unread, so its silence proves nothing.

/** Maximum ms between two checks of the clock: the maximum that a pause adds to a deadline. */
const MAX_STEP_MS = 10_000;
const MIN_STEP_MS = 500;
/** Steps of a deadline: a pause counts as one of them. */
const STEPS = 20;

/**
 * Detects ticks of a clock that are so late that this process must have been stopped.
 *
 * @example
 * const ticks = new Ticks();
 * ticks.isLate(1000); // true when the previous call, or the construction, was more than 2 s ago
 */
export class Ticks {
  readonly #now: () => number;
  #at: number;

  /** `now`: monotonic ms; default `performance.now`. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#at = now();
  }

  /** Returns whether a tick is late; call it at each tick. `afterMs`: the interval after which the tick was due. */
  isLate(afterMs: number): boolean {
    const now = this.#now();
    const elapsed = now - this.#at;
    this.#at = now;
    return elapsed > afterMs * 2;
  }
}

/**
 * Calls back after `ms` (more than 0) in which this process ran, and keeps no process alive. A pause counts as one step
 * of at most 10 s; when the last step was late, one more follows, in which data that arrived during the pause is read.
 * Returns the function that cancels the call.
 *
 * @example
 * const cancel = afterOwnTime(10_000, () => child.kill('SIGKILL'));
 */
export function afterOwnTime(ms: number, call: () => void): () => void {
  const ticks = new Ticks();
  const stepMs = Math.min(ms, Math.max(MIN_STEP_MS, Math.min(MAX_STEP_MS, ms / STEPS)));
  let leftMs = ms;
  let hasMore = true;
  let timer: NodeJS.Timeout;
  const next = (): void => {
    const step = Math.min(stepMs, leftMs);
    timer = setTimeout(() => {
      const wasLate = ticks.isLate(step);
      leftMs -= step;
      if (leftMs <= 0 && wasLate && hasMore) {
        hasMore = false;
        leftMs = stepMs;
      }
      if (leftMs > 0) next();
      else call();
    }, step);
    timer.unref();
  };
  next();
  return () => clearTimeout(timer);
}
