// Rows of browsers that subscribed to notifications: the addresses of their push services, and the keys for the
// encryption.

import { BinnacleError } from '@binnacle/protocol';
import { transaction } from './schema.ts';
import { type Database, type Statement, toDisk } from './sqlite.ts';

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

export class PushSubscriptionStore {
  readonly #db: Database;
  readonly #limits: { readonly all: number; readonly ofUser: number };
  readonly #put: Statement;
  readonly #drop: Statement;
  readonly #dropOwn: Statement;
  readonly #dropIssuer: Statement;
  readonly #after: Statement;
  readonly #ofUser: Statement;
  readonly #get: Statement;
  readonly #count: Statement;
  readonly #countOfUser: Statement;
  readonly #issuers: Statement;

  constructor(db: Database, limits = { all: MAX_SUBSCRIPTIONS, ofUser: MAX_SUBSCRIPTIONS_OF_USER }) {
    this.#db = db;
    this.#limits = limits;
    this.#put = db.prepare(
      `INSERT INTO push_subscriptions (endpoint, p256dh, auth, user, issuer, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#drop = db.prepare('DELETE FROM push_subscriptions WHERE endpoint = ?');
    this.#dropOwn = db.prepare('DELETE FROM push_subscriptions WHERE endpoint = ? AND user = ?');
    this.#dropIssuer = db.prepare('DELETE FROM push_subscriptions WHERE issuer = ?');
    this.#after = db.prepare('SELECT * FROM push_subscriptions WHERE n > ? ORDER BY n LIMIT ?');
    this.#ofUser = db.prepare('SELECT * FROM push_subscriptions WHERE user = ? ORDER BY n');
    this.#get = db.prepare('SELECT * FROM push_subscriptions WHERE endpoint = ?');
    this.#count = db.prepare('SELECT count(*) AS n FROM push_subscriptions');
    this.#countOfUser = db.prepare('SELECT count(*) AS n FROM push_subscriptions WHERE user = ?');
    this.#issuers = db.prepare('SELECT DISTINCT issuer FROM push_subscriptions');
  }

  /**
   * Stores a subscription. A browser has one: the last subscriber replaces any earlier one. Throws
   * `too_many_push_subscriptions`, `disk_full`.
   */
  put(one: Omit<PushSubscriptionRecord, 'n' | 'createdAt'>, now: number): void {
    toDisk(() =>
      transaction(this.#db, () => {
        this.#drop.run(one.endpoint);
        this.checkRoom(one.endpoint, one.user);
        this.#put.run(one.endpoint, one.p256dh, one.auth, one.user, one.issuer, now);
      }),
    );
  }

  /** Throws `too_many_push_subscriptions`. An existing row of the same endpoint is not counted twice. */
  checkRoom(endpoint: string, user: string): void {
    const known = this.get(endpoint);
    const all = countIn(this.#count.get()) - (known === undefined ? 0 : 1);
    const ofUser = countIn(this.#countOfUser.get(user)) - (known?.user === user ? 1 : 0);
    if (all < this.#limits.all && ofUser < this.#limits.ofUser) return;
    throw new BinnacleError('too_many_push_subscriptions', {
      details: { limit: this.#limits.all, limitOfUser: this.#limits.ofUser },
    });
  }

  get(endpoint: string): PushSubscriptionRecord | undefined {
    const row = this.#get.get(endpoint);
    return row === undefined ? undefined : toRecord(row);
  }

  /** Returns false if there is none. */
  drop(endpoint: string): boolean {
    return Number(this.#drop.run(endpoint).changes) > 0;
  }

  /** Returns false if this user has none at the endpoint. */
  dropOwn(endpoint: string, user: string): boolean {
    return Number(this.#dropOwn.run(endpoint, user).changes) > 0;
  }

  dropIssuer(issuer: string): void {
    this.#dropIssuer.run(issuer);
  }

  /** Returns subscriptions after `n`, oldest first. */
  after(n: number, limit: number): readonly PushSubscriptionRecord[] {
    return this.#after.all(n, limit).map(toRecord);
  }

  ofUser(user: string): readonly PushSubscriptionRecord[] {
    return this.#ofUser.all(user).map(toRecord);
  }

  /** Returns the issuers of all subscriptions. */
  issuers(): readonly string[] {
    return this.#issuers.all().map((row) => (row as { readonly issuer: string }).issuer);
  }
}

const countIn = (row: unknown): number => (row as { readonly n: number }).n;

function toRecord(found: unknown): PushSubscriptionRecord {
  const { created_at: createdAt, ...row } = found as Omit<PushSubscriptionRecord, 'createdAt'> & { created_at: number };
  return { ...row, createdAt };
}
