// Notices viewers that are gone without a word, and those that take nothing. One clock for all of a gateway's sockets.

import type { Code } from '@binnacle/protocol';
import { Ticks } from '../../base/running-time.ts';

export interface LivenessTimes {
  /** Between our pings. Three unanswered ones end a connection: 45 s, below the 60 s after which proxies cut. */
  readonly heartbeatMs: number;
  /** A socket that takes nothing for this long is cut; its viewer comes back where it was. */
  readonly stallMs: number;
}

export const LIVENESS_TIMES: LivenessTimes = { heartbeatMs: 15_000, stallMs: 30_000 };
const MISSED_PINGS = 3;

export interface Watched {
  /** Monotonic ms of the last frame that came; undefined for transports on which none ever comes. */
  readonly heardAt: number | undefined;
  /** Monotonic ms since when the socket is full; undefined while it takes what it gets. */
  readonly fullSince: number | undefined;
  ping(): void;
  cut(code: Extract<Code, 'no_pong' | 'too_slow' | 'going_away'>): void;
}

export class Liveness {
  readonly times: LivenessTimes;
  readonly #watched = new Set<Watched>();
  readonly #timer: NodeJS.Timeout;
  readonly #ticks = new Ticks();
  readonly #lookMs: number;
  #nextPing: number;
  /** Monotonic ms since when we have looked without a pause: what came during one may not be read yet. */
  #awakeSince = performance.now();

  constructor(times: LivenessTimes = LIVENESS_TIMES) {
    this.times = times;
    this.#nextPing = performance.now() + times.heartbeatMs;
    // Looks often enough that no limit is passed by more than a fifth.
    this.#lookMs = Math.min(times.heartbeatMs, times.stallMs) / 5;
    this.#timer = setInterval(() => this.#look(), this.#lookMs);
    this.#timer.unref();
  }

  watch(connection: Watched): () => void {
    this.#watched.add(connection);
    return () => this.#watched.delete(connection);
  }

  get count(): number {
    return this.#watched.size;
  }

  /** The gateway stops: everybody is told, as far as their protocol has a word for it, and cut. */
  stop(): void {
    clearInterval(this.#timer);
    for (const connection of [...this.#watched]) connection.cut('going_away');
  }

  #look(): void {
    const now = performance.now();
    if (this.#ticks.isLate(this.#lookMs)) this.#awakeSince = now;
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
  }
}
