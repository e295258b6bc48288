// Callers that wait for a log to grow: viewers at once, followers after some bytes or some time.

import { AT_ONCE, type Pace } from './log.ts';

interface Waiter {
  readonly place: number;
  readonly wake: () => void;
  readonly pace: Pace;
  /** Runs from the first growth that the pace leaves unread. */
  timer: NodeJS.Timeout | undefined;
}

export class Waiters {
  readonly #urgent = new Set<Waiter>();
  /** The few waiters with another pace than at once. */
  readonly #paced = new Set<Waiter>();

  /**
   * Adds a waiter of a log with its head at `head`, for which `isDue` is false. Returns the function that removes the
   * waiter.
   */
  add(place: number, head: number, wake: () => void, pace: Pace): () => void {
    const waiter: Waiter = { place, wake, pace, timer: undefined };
    const waiting = pace.maxDelayMs <= 0 ? this.#urgent : this.#paced;
    waiting.add(waiter);
    if (place < head) this.#wakeLater(waiter);
    return () => {
      clearTimeout(waiter.timer);
      waiting.delete(waiter);
    };
  }

  /** Pace of the next report that the waiters need: the strictest. Undefined if none needs one. */
  get pace(): Pace | undefined {
    if (this.#urgent.size > 0) return AT_ONCE;
    let strictest: Pace | undefined;
    for (const { pace, timer } of this.#paced) {
      if (timer !== undefined) continue;
      strictest = {
        atLeast: Math.min(pace.atLeast, strictest?.atLeast ?? pace.atLeast),
        maxDelayMs: Math.min(pace.maxDelayMs, strictest?.maxDelayMs ?? pace.maxDelayMs),
      };
    }
    return strictest;
  }

  /**
   * Wakes all waiters for growth beyond a place before `head`, now or at their pace. `delayMs`: time that the report of
   * the growth may have waited already. A waiter that throws does not stop the others.
   */
  wake(head: number, delayMs: number): void {
    const failures: unknown[] = [];
    // A copy: a woken waiter often waits again at once, and this call must not wake it a second time.
    for (const waiter of [...this.#urgent]) {
      if (waiter.place >= head || !this.#urgent.delete(waiter)) continue;
      try {
        waiter.wake();
      } catch (cause) {
        failures.push(cause);
      }
    }
    for (const waiter of [...this.#paced]) {
      const { place, pace } = waiter;
      if (place >= head || !this.#paced.has(waiter)) continue;
      if (!isDue(head - place, pace) && pace.maxDelayMs > delayMs) this.#wakeLater(waiter);
      else this.#wakePaced(waiter, failures);
    }
    if (failures.length > 0) throw failures[0];
  }

  #wakeLater(waiter: Waiter): void {
    waiter.timer ??= setTimeout(() => this.#wakePaced(waiter), waiter.pace.maxDelayMs).unref();
  }

  #wakePaced(waiter: Waiter, failures?: unknown[]): void {
    clearTimeout(waiter.timer);
    this.#paced.delete(waiter);
    try {
      waiter.wake();
    } catch (cause) {
      if (failures === undefined) throw cause;
      failures.push(cause);
    }
  }
}

/** True if a waiter with this pace is woken for a log that has grown by so many bytes. */
export const isDue = (grown: number, { atLeast, maxDelayMs }: Pace): boolean =>
  grown > 0 && (maxDelayMs <= 0 || grown >= atLeast);
