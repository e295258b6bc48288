// Open connections per principal: each is closed once, when its principal is revoked or expires.

import { BinnacleError } from '@binnacle/protocol';
import { isOver, type Principal } from './principal.ts';

/** Delay between expiry checks. Sockets of an expired token must close within a second. */
const EXPIRY_CHECK_MS = 500;

interface Held {
  readonly principal: Principal;
  /** Ms since 1970. */
  readonly since: number;
  readonly close: (why: BinnacleError) => void;
}

export class OpenConnections {
  readonly #clock: () => number;
  readonly #held = new Set<Held>();
  readonly #timer: NodeJS.Timeout;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.#timer = setInterval(() => this.#closeExpired(), EXPIRY_CHECK_MS);
    this.#timer.unref();
  }

  /** Registers a connection. Returns the function that unregisters it; the end of its principal unregisters it too. */
  hold(principal: Principal, close: (why: BinnacleError) => void): () => void {
    const held: Held = { principal, since: this.#clock(), close };
    this.#held.add(held);
    return () => this.#held.delete(held);
  }

  /** Returns the guests with open connections: by link and by guest, the time since when. */
  guests(): ReadonlyMap<string, ReadonlyMap<string, number>> {
    const open = new Map<string, Map<string, number>>();
    for (const { principal, since } of this.#held) {
      if (principal.reach === null) continue;
      const guests = open.get(principal.reach.share) ?? new Map<string, number>();
      open.set(principal.reach.share, guests.set(principal.id, Math.min(since, guests.get(principal.id) ?? since)));
    }
    return open;
  }

  /** Closes all connections whose principal `isEnded` selects. */
  end(isEnded: (principal: Principal) => boolean, why: BinnacleError): void {
    for (const held of [...this.#held]) if (isEnded(held.principal)) this.#letGo(held, why);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#held.clear();
  }

  #closeExpired(): void {
    for (const held of [...this.#held]) {
      const { reach, expiresAt } = held.principal;
      if (reach === null && isOver(expiresAt)) {
        this.#letGo(held, new BinnacleError('revoked', { message: 'The token has expired.' }));
      }
      if (reach !== null && expiresAt !== null && expiresAt <= this.#clock()) {
        this.#letGo(held, new BinnacleError('share_expired'));
      }
    }
  }

  #letGo(held: Held, why: BinnacleError): void {
    if (this.#held.delete(held)) held.close(why);
  }
}
