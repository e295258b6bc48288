// Rows of browsers that subscribed to notifications: the addresses of their push services, and the keys for the
// encryption.

import { BinnacleError } from '@binnacle/protocol';
import { transaction } from './schema.ts';
import { type Database, toDisk } from './sqlite.ts';
import { Store } from './table.ts';

export interface PushSubscriptionRecord {
  /** Grows with each row: reads continue after it. */
  readonly n: number;
  /** An address of the push service for this browser alone. A secret: it is enough to send messages to the browser. */
  readonly endpoint: string;
  /** The browser's public key, an uncompressed point on P-256. */
  readonly p256dh: Uint8Array;
  readonly auth: Uint8Array;
  readonly user: string;
  /** Issuer of the subscriber's logins: the row ends with it. */
  readonly issuer: string;
  readonly createdAt: number;
}

/** Maximum browsers per user: more than a person has, and each costs a request for every notification. */
export const MAX_SUBSCRIPTIONS_OF_USER = 20;
export const MAX_SUBSCRIPTIONS = 10_000;

export class PushSubscriptionStore extends Store {
  readonly #limits: { readonly all: number; readonly ofUser: number };
  readonly #subscriptions = this.sql.table<PushSubscriptionRecord>('push_subscriptions', {
    n: 'integer',
    endpoint: 'text',
    p256dh: 'blob',
    auth: 'blob',
    user: 'text',
    issuer: 'text',
    createdAt: 'integer',
  });
  readonly #insert = this.#subscriptions.insert('endpoint', 'p256dh', 'auth', 'user', 'issuer', 'createdAt');
  readonly get = this.#subscriptions.get('endpoint');
  /** Returns false if there is none. */
  readonly drop = this.#subscriptions.remove('endpoint');
  /** Returns false if this user has none at the endpoint. */
  readonly dropOwn = this.#subscriptions.remove('endpoint', 'user');
  readonly dropIssuer = this.#subscriptions.remove('issuer');
  /** Returns subscriptions after a number `n`, oldest first, up to a limit. */
  readonly after = this.#subscriptions.list('WHERE n > ? ORDER BY n LIMIT ?');
  readonly ofUser = this.#subscriptions.list('WHERE user = ? ORDER BY n');
  /** Returns the issuers of all subscriptions. */
  readonly issuers = this.sql.values<string>('SELECT DISTINCT issuer FROM push_subscriptions');
  readonly #count = this.sql.count('push_subscriptions');
  readonly #countOfUser = this.sql.count('push_subscriptions WHERE user = ?');

  constructor(db: Database, limits = { all: MAX_SUBSCRIPTIONS, ofUser: MAX_SUBSCRIPTIONS_OF_USER }) {
    super(db);
    this.#limits = limits;
  }

  /**
   * Stores a subscription. A browser has one: the last subscriber replaces any earlier one. Throws
   * `too_many_push_subscriptions`, `disk_full`.
   */
  put(one: Omit<PushSubscriptionRecord, 'n' | 'createdAt'>, now: number): void {
    toDisk(() =>
      transaction(this.db, () => {
        this.drop(one.endpoint);
        this.checkRoom(one.endpoint, one.user);
        this.#insert({ ...one, createdAt: now });
      }),
    );
  }

  /** Throws `too_many_push_subscriptions`. An existing row of the same endpoint is not counted twice. */
  checkRoom(endpoint: string, user: string): void {
    const known = this.get(endpoint);
    const all = this.#count() - (known === undefined ? 0 : 1);
    const ofUser = this.#countOfUser(user) - (known?.user === user ? 1 : 0);
    if (all < this.#limits.all && ofUser < this.#limits.ofUser) return;
    throw new BinnacleError('too_many_push_subscriptions', {
      details: { limit: this.#limits.all, limitOfUser: this.#limits.ofUser },
    });
  }
}
