// Open connections per principal: each is closed once, when its principal is revoked or expires.

import { BinnacleError } from '@binnacle/protocol';
import { Timer } from '../base/timer.ts';
import { isOver, type Principal } from './principal.ts';

/**
 * Delay between expiry checks while a connection can expire. Sockets of an expired token must close within a second.
 */
const EXPIRY_CHECK_MS = 500;

interface OpenConnection {
  readonly principal: Principal;
  /** Ms since 1970. */
  readonly since: number;
  readonly close: (why: BinnacleError) => void;
}

export class OpenConnections {
  readonly #clock: () => number;
  readonly #connections = new Set<OpenConnection>();
  readonly #timer = new Timer();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Registers a connection. Returns the function that unregisters it; the end of its principal unregisters it too. */
  hold(principal: Principal, close: (why: BinnacleError) => void): () => void {
    const connection: OpenConnection = { principal, since: this.#clock(), close };
    this.#connections.add(connection);
    if (principal.expiresAt !== null) this.#checkLater();
    return () => this.#connections.delete(connection);
  }

  /** Returns the guests with open connections: by link and by guest, the time since when. */
  guests(): ReadonlyMap<string, ReadonlyMap<string, number>> {
    const open = new Map<string, Map<string, number>>();
    for (const { principal, since } of this.#connections) {
      if (principal.guest === null) continue;
      const { share } = principal.guest;
      const guests = open.get(share) ?? new Map<string, number>();
      open.set(share, guests.set(principal.id, Math.min(since, guests.get(principal.id) ?? since)));
    }
    return open;
  }

  /** Closes all connections whose principal `isEnded` selects. */
  end(isEnded: (principal: Principal) => boolean, why: BinnacleError): void {
    for (const connection of [...this.#connections]) if (isEnded(connection.principal)) this.#letGo(connection, why);
  }

  stop(): void {
    this.#timer.clear();
    this.#connections.clear();
  }

  #checkLater(): void {
    this.#timer.setOnce(EXPIRY_CHECK_MS, () => {
      this.#closeExpired();
      if ([...this.#connections].some(({ principal }) => principal.expiresAt !== null)) this.#checkLater();
    });
  }

  #closeExpired(): void {
    for (const connection of [...this.#connections]) {
      const { guest, expiresAt } = connection.principal;
      if (guest === null && isOver(expiresAt)) {
        this.#letGo(connection, new BinnacleError('revoked', { message: 'The token has expired.' }));
      }
      if (guest !== null && expiresAt !== null && expiresAt <= this.#clock()) {
        this.#letGo(connection, new BinnacleError('share_expired'));
      }
    }
  }

  #letGo(connection: OpenConnection, why: BinnacleError): void {
    if (this.#connections.delete(connection)) connection.close(why);
  }
}
