// Rows of tokens and browser logins, by the hash of their secret.

import { BinnacleError, type Scope } from '@binnacle/protocol';
import type { TrustedTime } from '../base/trusted-time.ts';
import type { Database, Statement } from './sqlite.ts';

/** Times are in whole ms since 1970. */
export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  /** The person or program of the token; several tokens may have one user. */
  readonly user: string;
  readonly sha256: Uint8Array;
  readonly createdAt: number;
  /** Null: valid until it is revoked. */
  readonly expiresAt: number | null;
  readonly lastUsed: number | null;
}

/** A browser that exchanged a ticket. */
export interface LoginRecord extends TokenRecord {
  readonly expiresAt: number;
  /**
   * Id of the principal that issued the ticket, whose user the login has. The login ends when that token is revoked.
   */
  readonly issuer: string;
}

/** `secretExpiresAt`: the end of its secret, if that is before the end of the token. */
export type NewToken = Omit<TokenRecord, 'createdAt' | 'lastUsed'> & { readonly secretExpiresAt?: number };
/** `sha256` is of the cookie, `keySha256` of the key that the page stores beside it. */
export type NewLogin = Omit<LoginRecord, 'createdAt' | 'lastUsed'> & { readonly keySha256: Uint8Array };

/** Maximum tokens: more than a team has tools. Each costs a row, so this only stops a runaway script. */
export const MAX_TOKENS = 1000;
/** Maximum logins. Beyond it the oldest login ends: forgotten browsers must not stop a person who scans codes. */
export const MAX_LOGINS = 1000;
/** Minimum ms between writes of `last_used`, or every request would be a write. */
const LAST_USED_EVERY_MS = 60_000;

export class TokenStore {
  readonly #insert: Statement;
  readonly #byHash: Statement;
  readonly #byId: Statement;
  readonly #byUser: Statement;
  readonly #list: Statement;
  readonly #count: Statement;
  readonly #touch: Statement;
  readonly #renew: Statement;
  readonly #expire: Statement;
  readonly #remove: Statement;
  readonly #time: TrustedTime;

  constructor(db: Database, time: TrustedTime) {
    this.#time = time;
    this.#insert = db.prepare(
      `INSERT INTO tokens (id, name, scope, user, sha256, created_at, expires_at, secret_expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#byHash = db.prepare('SELECT * FROM tokens WHERE sha256 = ?');
    this.#byId = db.prepare('SELECT * FROM tokens WHERE id = ?');
    this.#byUser = db.prepare(
      'SELECT id FROM tokens WHERE user = ? UNION SELECT id FROM logins WHERE user = ? LIMIT 1',
    );
    this.#list = db.prepare('SELECT * FROM tokens WHERE expires_at IS NULL OR expires_at > ? ORDER BY id');
    this.#count = db.prepare('SELECT count(*) AS n FROM tokens');
    this.#touch = db.prepare('UPDATE tokens SET last_used = ? WHERE id = ?');
    this.#renew = db.prepare('UPDATE tokens SET sha256 = ?, secret_expires_at = ?, expires_at = ? WHERE id = ?');
    this.#expire = db.prepare('DELETE FROM tokens WHERE expires_at <= ?');
    this.#remove = db.prepare('DELETE FROM tokens WHERE id = ?');
  }

  /** Throws `too_many_tokens` at `MAX_TOKENS`. */
  insert(token: NewToken): TokenRecord {
    const now = Date.now();
    // Expired rows grant no access; they stay until the clock that reports the expiry is trusted.
    this.#expire.run(this.#time.now());
    const { n } = this.#count.get() as { readonly n: number };
    if (n >= MAX_TOKENS) throw new BinnacleError('too_many_tokens', { details: { limit: MAX_TOKENS } });
    const { secretExpiresAt = null, ...fields } = token;
    const { id, name, scope, user, sha256, expiresAt } = fields;
    this.#insert.run(id, name, scope, user, sha256, now, expiresAt, secretExpiresAt);
    return { ...fields, createdAt: now, lastUsed: null };
  }

  /** Finds expired tokens as well: the caller compares the times. `expiresAt` is the end of the secret. */
  findByHash(sha256: Uint8Array): TokenRecord | undefined {
    const row = this.#byHash.get(sha256) as (Row & { readonly secret_expires_at: number | null }) | undefined;
    const token = toToken(row);
    const ends = row?.secret_expires_at ?? null;
    return token === undefined || ends === null ? token : { ...token, expiresAt: ends };
  }

  /** Gives a token another secret; the earlier secret becomes invalid. */
  renew(
    id: string,
    secret: { readonly sha256: Uint8Array; readonly secretExpiresAt: number; readonly expiresAt: number },
  ): void {
    this.#renew.run(secret.sha256, secret.secretExpiresAt, secret.expiresAt, id);
  }

  get(id: string): TokenRecord | undefined {
    return toToken(this.#byId.get(id));
  }

  /** Returns whether a token or a login has this user. */
  hasUser(user: string): boolean {
    return this.#byUser.get(user, user) !== undefined;
  }

  /** Returns the valid tokens, oldest first. */
  list(): readonly TokenRecord[] {
    return this.#list.all(Date.now()).flatMap((row) => toToken(row) ?? []);
  }

  /** Records the use, at most once per minute. */
  touch(token: TokenRecord): void {
    const now = Date.now();
    if (now - (token.lastUsed ?? 0) >= LAST_USED_EVERY_MS) note(() => this.#touch.run(now, token.id));
  }

  /** Returns false if there is no such token. */
  remove(id: string): boolean {
    return Number(this.#remove.run(id).changes) > 0;
  }
}

export class LoginStore {
  readonly #insert: Statement;
  readonly #byKey: Statement;
  readonly #byId: Statement;
  readonly #list: Statement;
  readonly #byIssuer: Statement;
  readonly #otherAdmins: Statement;
  readonly #touch: Statement;
  readonly #expire: Statement;
  readonly #surplus: Statement;
  readonly #remove: Statement;
  readonly #time: TrustedTime;

  constructor(db: Database, time: TrustedTime) {
    this.#time = time;
    this.#insert = db.prepare(
      `INSERT INTO logins (id, name, scope, user, sha256, key_sha256, issuer, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#byKey = db.prepare('SELECT * FROM logins WHERE key_sha256 = ?');
    this.#byId = db.prepare('SELECT * FROM logins WHERE id = ?');
    this.#list = db.prepare('SELECT * FROM logins WHERE expires_at > ? ORDER BY id');
    this.#byIssuer = db.prepare('SELECT id FROM logins WHERE issuer = ?');
    this.#otherAdmins = db.prepare(
      "SELECT DISTINCT issuer FROM logins WHERE substr(issuer, 1, 6) = 'admin:' AND issuer <> ?",
    );
    this.#touch = db.prepare('UPDATE logins SET last_used = ? WHERE id = ?');
    this.#expire = db.prepare('DELETE FROM logins WHERE expires_at <= ?');
    // The smallest scope ends first: otherwise a viewer could log all others out by issuing tickets.
    this.#surplus = db.prepare(
      `SELECT id FROM logins ORDER BY CASE scope WHEN 'admin' THEN 0 WHEN 'create' THEN 1 WHEN 'input' THEN 2 ELSE 3 END,
         created_at DESC, id DESC LIMIT -1 OFFSET ?`,
    );
    this.#remove = db.prepare('DELETE FROM logins WHERE id = ?');
  }

  /** Returns the new row, and the ids of the logins that ended because of it. */
  insert(login: NewLogin): { readonly record: LoginRecord; readonly ended: readonly string[] } {
    const now = Date.now();
    // Expired rows grant no access; they stay until the clock that reports the expiry is trusted.
    this.#expire.run(this.#time.now());
    const { keySha256, ...fields } = login;
    const { id, name, scope, user, sha256, issuer, expiresAt } = fields;
    this.#insert.run(id, name, scope, user, sha256, keySha256, issuer, now, expiresAt);
    const ended = this.#surplus.all(MAX_LOGINS).map((row) => (row as { readonly id: string }).id);
    for (const old of ended) this.#remove.run(old);
    return { record: { ...fields, createdAt: now, lastUsed: null }, ended };
  }

  /** Finds a login by the digest of its key. Finds expired logins as well: the caller compares the times. */
  findByKey(keySha256: Uint8Array): TokenRecord | undefined {
    return toToken(this.#byKey.get(keySha256));
  }

  get(id: string): TokenRecord | undefined {
    return toToken(this.#byId.get(id));
  }

  /** Returns the valid logins, oldest first. */
  list(): readonly TokenRecord[] {
    return this.#list.all(Date.now()).flatMap((row) => toToken(row) ?? []);
  }

  /** Returns the issuer of a login's ticket; undefined for an id that is no login. */
  issuerOf(id: string): string | undefined {
    return (this.#byId.get(id) as { readonly issuer: string } | undefined)?.issuer;
  }

  /** Returns the logins from tickets of this principal. */
  listByIssuer(issuer: string): readonly string[] {
    return this.#byIssuer.all(issuer).map((row) => (row as { readonly id: string }).id);
  }

  /** Returns issuers that were an admin token, other than the current one. */
  listOtherAdminIssuers(current: string): readonly string[] {
    return this.#otherAdmins.all(current).map((row) => (row as { readonly issuer: string }).issuer);
  }

  touch(login: TokenRecord): void {
    const now = Date.now();
    if (now - (login.lastUsed ?? 0) >= LAST_USED_EVERY_MS) note(() => this.#touch.run(now, login.id));
  }

  remove(id: string): boolean {
    return Number(this.#remove.run(id).changes) > 0;
  }
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  readonly user: string;
  readonly sha256: Uint8Array;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly last_used: number | null;
}

/** Records a use. On a full disk the use is not recorded, and the request continues. */
function note(write: () => void): void {
  try {
    write();
  } catch {
    // The next use tries again.
  }
}

function toToken(found: unknown): TokenRecord | undefined {
  if (found === undefined) return undefined;
  const row = found as Row;
  return {
    id: row.id,
    name: row.name,
    scope: row.scope,
    user: row.user,
    sha256: row.sha256,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsed: row.last_used,
  };
}
