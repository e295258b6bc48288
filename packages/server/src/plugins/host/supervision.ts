// What keeps a plugin's process within bounds from outside: signs of life, memory, and how often it may come back.
// Ends nothing itself: it tells when something must be ended.

import { readFileSync } from 'node:fs';
import { afterOwnTime, Ticks } from '../../base/running-time.ts';

export interface Clock {
  /** Monotonic, ms. */
  now(): number;
  /** Calls back after `ms` in which this process ran; returns what cancels it. */
  after(ms: number, call: () => void): () => void;
}

export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  after: afterOwnTime,
};

/** A process that is stuck reads no pings. One that is slow, or behind a slow gateway, does. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #times: { readonly pingMs: number; readonly silentMs: number };
  readonly #told: { ping(n: number): void; tick(): void; silent(): void };
  #cancel: (() => void) | undefined;
  #heardAt: number;
  readonly #ticks: Ticks;
  #asked = 0;
  #answered = 0;
  #isHeld = false;

  constructor(
    clock: Clock,
    times: { readonly pingMs: number; readonly silentMs: number },
    told: { ping(n: number): void; tick(): void; silent(): void },
  ) {
    this.#clock = clock;
    this.#times = times;
    this.#told = told;
    this.#heardAt = clock.now();
    this.#ticks = new Ticks(() => clock.now());
    this.#next();
  }

  /** A whole frame came. */
  heard(): void {
    this.#heardAt = this.#clock.now();
  }

  /** False: nobody asked for that one. */
  pong(n: number): boolean {
    if (n !== this.#answered + 1 || n > this.#asked) return false;
    this.#answered = n;
    return true;
  }

  /** While we read nothing on purpose, silence is our doing. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
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
    // We were stopped or busy: what it said meanwhile is not read yet.
    const wasLate = this.#ticks.isLate(this.#times.pingMs);
    if (wasLate || this.#isHeld) this.#heardAt = now;
    if (this.#asked > this.#answered && now - this.#heardAt >= this.#times.silentMs) {
      this.stop();
      this.#told.silent();
      return;
    }
    // Pings that wait to be read need no others behind them.
    if (this.#asked - this.#answered < 8) {
      this.#asked += 1;
      this.#told.ping(this.#asked);
    }
    this.#told.tick();
  }
}

/** A plugin that ends may come back so often within so long; each time a little later. */
export class RestartBudget {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #limits: { readonly restarts: number; readonly restartsWithinMs: number };
  /** When it came back, within the window. */
  #times: number[] = [];

  constructor(clock: Pick<Clock, 'now'>, limits: { readonly restarts: number; readonly restartsWithinMs: number }) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get spent(): number {
    const since = this.#clock.now() - this.#limits.restartsWithinMs;
    this.#times = this.#times.filter((at) => at > since);
    return this.#times.length;
  }

  /** Ms to wait before it is launched again; undefined: not again. */
  take(): number | undefined {
    const spent = this.spent;
    if (spent >= this.#limits.restarts) return undefined;
    this.#times.push(this.#clock.now());
    return Math.min(100 * 2 ** spent, 5000);
  }
}

/** So much a second in the long run, and two seconds' worth at once. */
export class Allowance {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #perSecond: number;
  #used = 0;
  #at: number;

  constructor(clock: Pick<Clock, 'now'>, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#at = clock.now();
  }

  /** Counts it, and answers for how many ms nothing more may come. */
  take(amount: number): number {
    const now = this.#clock.now();
    this.#used = Math.max(0, this.#used - ((now - this.#at) / 1000) * this.#perSecond) + amount;
    this.#at = now;
    const over = this.#used - this.#perSecond * 2;
    return over <= 0 ? 0 : (over / this.#perSecond) * 1000;
  }
}

/** Resident memory of a process and all below it, in bytes. Undefined where the kernel does not tell (no /proc). */
export function residentBytes(pid: number): number | undefined {
  let total: number | undefined;
  const left = [pid];
  // Bounded: a process that forks faster than we look must not keep us looking.
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

/** Empty once it is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
