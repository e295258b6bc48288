// The rows of browsers that asked to be told: where their push services are, and the keys that only they can read with.

import { BinnacleError } from '@binnacle/protocol';
import { transaction } from './schema.ts';
import { type Database, type Statement, toDisk } from './sqlite.ts';

export interface PushSubscriptionRecord {
  /** Grows with each one: reads go on behind it. */
  readonly n: number;
  /** An address of the push service that is for this browser alone. A secret: who knows it can send there. */
  readonly endpoint: string;
  /** The browser's public key, an uncompressed point on P-256. */
  readonly p256dh: Uint8Array;
  readonly auth: Uint8Array;
  readonly user: string;
  /** Under what its logins are kept of whoever subscribed: the row ends with that. */
  readonly issuer: string;
  readonly createdAt: number;
}

/** Somebody's browsers: more than anybody has, and each costs a request whenever something waits. */
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
   * A browser has one: whoever subscribes last with it is told there, and nobody else any more. Throws
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

  /** Throws `too_many_push_subscriptions`. Whoever has this very endpoint does not count it twice. */
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

  /** False when there is none. */
  drop(endpoint: string): boolean {
    return Number(this.#drop.run(endpoint).changes) > 0;
  }

  /** False when this user has none there. */
  dropOwn(endpoint: string, user: string): boolean {
    return Number(this.#dropOwn.run(endpoint, user).changes) > 0;
  }

  dropIssuer(issuer: string): void {
    this.#dropIssuer.run(issuer);
  }

  /** Oldest first, behind the one that is named. */
  after(n: number, limit: number): readonly PushSubscriptionRecord[] {
    return this.#after.all(n, limit).map(toRecord);
  }

  ofUser(user: string): readonly PushSubscriptionRecord[] {
    return this.#ofUser.all(user).map(toRecord);
  }

  /** Whoever has one. */
  issuers(): readonly string[] {
    return this.#issuers.all().map((row) => (row as { readonly issuer: string }).issuer);
  }
}

const countIn = (row: unknown): number => (row as { readonly n: number }).n;

function toRecord(found: unknown): PushSubscriptionRecord {
  const { created_at: createdAt, ...row } = found as Omit<PushSubscriptionRecord, 'createdAt'> & { created_at: number };
  return { ...row, createdAt };
}
