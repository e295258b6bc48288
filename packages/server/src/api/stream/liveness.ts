// Detects dead and stalled viewers. One clock for all sockets of a gateway.

import type { Code } from '@binnacle/protocol';
import { Ticks } from '../../base/running-time.ts';
import { Timer } from '../../base/timer.ts';

export interface LivenessTimes {
  /** Interval between pings. Three unanswered pings end a connection: 45 s, below the 60 s after which proxies cut. */
  readonly heartbeatMs: number;
  /** Maximum stall of a full socket before it is cut. The viewer reconnects and resumes at its position. */
  readonly stallMs: number;
}

export const LIVENESS_TIMES: LivenessTimes = { heartbeatMs: 15_000, stallMs: 30_000 };
const MISSED_PINGS = 3;

export interface LiveConnection {
  /** Monotonic ms of the last received frame; undefined for transports that receive none. */
  readonly heardAt: number | undefined;
  /** Monotonic ms since which the socket is full; undefined while it accepts data. */
  readonly fullSince: number | undefined;
  ping(): void;
  cut(code: Extract<Code, 'no_pong' | 'too_slow' | 'going_away'>): void;
}

export class Liveness {
  readonly times: LivenessTimes;
  readonly #watched = new Set<LiveConnection>();
  /** Set while there are connections. */
  readonly #timer = new Timer();
  #ticks = new Ticks();
  readonly #checkMs: number;
  #nextPing: number;
  /**
   * Monotonic ms of the end of the last pause of this process. Data that arrived during a pause may still be unread.
   */
  #awakeSince = performance.now();

  constructor(times: LivenessTimes = LIVENESS_TIMES) {
    this.times = times;
    this.#nextPing = performance.now() + times.heartbeatMs;
    // Check interval: each limit is exceeded by a fifth at most.
    this.#checkMs = Math.min(times.heartbeatMs, times.stallMs) / 5;
  }

  watch(connection: LiveConnection): () => void {
    this.#watched.add(connection);
    if (!this.#timer.isSet) {
      this.#ticks = new Ticks();
      this.#checkLater();
    }
    return () => this.#watched.delete(connection);
  }

  get count(): number {
    return this.#watched.size;
  }

  /** Stops with the gateway: cuts all connections, with a reason where the protocol has one. */
  stop(): void {
    this.#timer.clear();
    for (const connection of [...this.#watched]) connection.cut('going_away');
  }

  #checkLater(): void {
    if (this.#watched.size > 0) this.#timer.setOnce(this.#checkMs, () => this.#check());
  }

  #check(): void {
    const now = performance.now();
    if (this.#ticks.isLate(this.#checkMs)) this.#awakeSince = now;
    const since = (at: number): number => Math.max(at, this.#awakeSince);
    const isPingDue = now >= this.#nextPing;
    if (isPingDue) this.#nextPing = now + this.times.heartbeatMs;
    const silence = now - this.times.heartbeatMs * MISSED_PINGS;
    for (const connection of [...this.#watched]) {
      const { fullSince, heardAt } = connection;
      if (fullSince !== undefined && now - since(fullSince) > this.times.stallMs) connection.cut('too_slow');
      else if (heardAt !== undefined && since(heardAt) < silence) connection.cut('no_pong');
      else if (isPingDue) connection.ping();
    }
    this.#checkLater();
  }
}
