// Supervision of a plugin's process from outside: heartbeat, memory, and the budget of restarts. Reports when a process
// must be ended, and ends none itself.

import { readFileSync } from 'node:fs';
import { afterOwnTime, Ticks } from '../../base/running-time.ts';

export interface Clock {
  /** Monotonic, ms. */
  now(): number;
  /** Calls back after `ms` in which this process ran. Returns the function that cancels the call. */
  after(ms: number, call: () => void): () => void;
}

export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  after: afterOwnTime,
};

/** Detects a stuck process, which answers no pings. A process that is slow, or behind a slow gateway, does answer. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #times: { readonly pingMs: number; readonly silentMs: number };
  readonly #events: { ping(n: number): void; tick(): void; silent(): void };
  #cancel: (() => void) | undefined;
  #heardAt: number;
  readonly #ticks: Ticks;
  #pings = 0;
  #pongs = 0;
  #isSuspended = false;

  constructor(
    clock: Clock,
    times: { readonly pingMs: number; readonly silentMs: number },
    events: { ping(n: number): void; tick(): void; silent(): void },
  ) {
    this.#clock = clock;
    this.#times = times;
    this.#events = events;
    this.#heardAt = clock.now();
    this.#ticks = new Ticks(() => clock.now());
    this.#next();
  }

  /** Records the arrival of a whole frame. */
  heard(): void {
    this.#heardAt = this.#clock.now();
  }

  /** Records a pong. Returns false for a pong without a ping. */
  pong(n: number): boolean {
    if (n !== this.#pongs + 1 || n > this.#pings) return false;
    this.#pongs = n;
    return true;
  }

  /** Suspends the check while the gateway itself does not read. */
  suspend(isSuspended: boolean): void {
    this.#isSuspended = isSuspended;
    this.heard();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #next(): void {
    this.#cancel = this.#clock.after(this.#times.pingMs, () => this.#tick());
  }

  #tick(): void {
    this.#next();
    const now = this.#clock.now();
    // The gateway was suspended or busy: messages from that time are not read yet.
    const wasLate = this.#ticks.isLate(this.#times.pingMs);
    if (wasLate || this.#isSuspended) this.#heardAt = now;
    if (this.#pings > this.#pongs && now - this.#heardAt >= this.#times.silentMs) {
      this.stop();
      this.#events.silent();
      return;
    }
    // Limits unanswered pings: further ones would add nothing.
    if (this.#pings - this.#pongs < 8) {
      this.#pings += 1;
      this.#events.ping(this.#pings);
    }
    this.#events.tick();
  }
}

/** Limits the restarts of a plugin within a window, with a growing back-off. */
export class RestartBudget {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #limits: { readonly restarts: number; readonly restartWindowMs: number };
  /** Times of the restarts within the window. */
  #times: number[] = [];

  constructor(clock: Pick<Clock, 'now'>, limits: { readonly restarts: number; readonly restartWindowMs: number }) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get spent(): number {
    const since = this.#clock.now() - this.#limits.restartWindowMs;
    this.#times = this.#times.filter((at) => at > since);
    return this.#times.length;
  }

  /** Takes one restart. Returns the delay in ms, or undefined if the budget is used up. */
  take(): number | undefined {
    const spent = this.spent;
    if (spent >= this.#limits.restarts) return undefined;
    this.#times.push(this.#clock.now());
    return Math.min(100 * 2 ** spent, 5000);
  }
}

/**
 * Returns the resident memory of a process and its descendants, in bytes; undefined if the kernel does not report it
 * (no /proc).
 */
export function residentBytes(pid: number): number | undefined {
  let total: number | undefined;
  const left = [pid];
  // Bounded: a process that forks faster than this loop reads must not keep the loop running.
  for (let seen = 0; seen < 1000; seen++) {
    const next = left.pop();
    if (next === undefined) break;
    const kb = /^VmRSS:\s+(\d+)/m.exec(read(`/proc/${next}/status`))?.[1];
    if (kb !== undefined) total = (total ?? 0) + Number(kb) * 1024;
    for (const child of read(`/proc/${next}/task/${next}/children`).split(' ')) {
      if (child !== '') left.push(Number(child));
    }
  }
  return total;
}

/** Returns '' for a process that is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
