// Rows of tokens and browser logins, by the hash of their secret.

import { BinnacleError, type Scope } from '@binnacle/protocol';
import type { TrustedTime } from '../base/trusted-time.ts';
import type { Database } from './sqlite.ts';
import { type Columns, Store } from './table.ts';

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

const TOKEN = {
  id: 'text',
  name: 'text',
  scope: 'text',
  user: 'text',
  sha256: 'blob',
  createdAt: 'integer',
  expiresAt: 'integer',
  lastUsed: 'integer',
} as const satisfies Columns<TokenRecord>;

export class TokenStore extends Store {
  readonly #time: TrustedTime;
  readonly #tokens = this.sql.table<TokenRecord>('tokens', TOKEN);
  readonly #withSecrets = this.sql.table<TokenRecord & { readonly secretExpiresAt: number | null }>('tokens', {
    ...TOKEN,
    secretExpiresAt: 'integer',
  });
  readonly #insert = this.#withSecrets.insert();
  readonly #byHash = this.#withSecrets.get('sha256');
  readonly get = this.#tokens.get('id');
  readonly #byUser = this.sql.value(
    'SELECT id FROM tokens WHERE user = ? UNION SELECT id FROM logins WHERE user = ? LIMIT 1',
  );
  readonly #list = this.#tokens.list('WHERE expires_at IS NULL OR expires_at > ? ORDER BY id');
  readonly #count = this.sql.count('tokens');
  readonly #touch = this.#tokens.update(['lastUsed'], ['id']);
  readonly #renew = this.#withSecrets.update(['sha256', 'secretExpiresAt', 'expiresAt'], ['id']);
  readonly #expire = this.sql.run('DELETE FROM tokens WHERE expires_at <= ?');
  /** Returns false if there is no such token. */
  readonly remove = this.#tokens.remove('id');

  constructor(db: Database, time: TrustedTime) {
    super(db);
    this.#time = time;
  }

  /** Throws `too_many_tokens` at `MAX_TOKENS`. */
  insert(token: NewToken): TokenRecord {
    const now = Date.now();
    // Expired rows grant no access; they stay until the clock that reports the expiry is trusted.
    this.#expire(this.#time.now());
    if (this.#count() >= MAX_TOKENS) throw new BinnacleError('too_many_tokens', { details: { limit: MAX_TOKENS } });
    const { secretExpiresAt = null, ...fields } = token;
    const record = { ...fields, createdAt: now, lastUsed: null };
    this.#insert({ ...record, secretExpiresAt });
    return record;
  }

  /** Finds expired tokens as well: the caller compares the times. `expiresAt` is the end of the secret. */
  findByHash(hash: Uint8Array): TokenRecord | undefined {
    const row = this.#byHash(hash);
    if (row === undefined) return undefined;
    const { secretExpiresAt, ...token } = row;
    return secretExpiresAt === null ? token : { ...token, expiresAt: secretExpiresAt };
  }

  /** Gives a token another secret; the earlier secret becomes invalid. */
  renew(
    id: string,
    secret: { readonly sha256: Uint8Array; readonly secretExpiresAt: number; readonly expiresAt: number },
  ): void {
    this.#renew(secret, id);
  }

  /** Returns whether a token or a login has this user. */
  hasUser(user: string): boolean {
    return this.#byUser(user, user) !== undefined;
  }

  /** Returns the valid tokens, oldest first. */
  list(): readonly TokenRecord[] {
    return this.#list(Date.now());
  }

  /** Records the use, at most once per minute. */
  touch(token: TokenRecord): void {
    const now = Date.now();
    if (now - (token.lastUsed ?? 0) >= LAST_USED_EVERY_MS) note(() => this.#touch({ lastUsed: now }, token.id));
  }
}

export class LoginStore extends Store {
  readonly #time: TrustedTime;
  readonly #logins = this.sql.table<TokenRecord>('logins', TOKEN);
  readonly #insert = this.sql
    .table<LoginRecord & Pick<NewLogin, 'keySha256'>>('logins', {
      ...TOKEN,
      keySha256: ['key_sha256', 'blob'],
      issuer: 'text',
    })
    .insert();
  /** Finds a login by the digest of its key. Finds expired logins as well: the caller compares the times. */
  readonly findByKey = this.#logins.find('WHERE key_sha256 = ?');
  readonly get = this.#logins.get('id');
  readonly #list = this.#logins.list('WHERE expires_at > ? ORDER BY id');
  /** Returns the issuer of a login's ticket; undefined for an id that is no login. */
  readonly issuerOf = this.sql.value<string>('SELECT issuer FROM logins WHERE id = ?');
  /** Returns the logins from tickets of a principal. */
  readonly listByIssuer = this.sql.values<string>('SELECT id FROM logins WHERE issuer = ?');
  /** Returns issuers that were an admin token, other than the current one. */
  readonly listOtherAdminIssuers = this.sql.values<string>(
    "SELECT DISTINCT issuer FROM logins WHERE substr(issuer, 1, 6) = 'admin:' AND issuer <> ?",
  );
  readonly #touch = this.#logins.update(['lastUsed'], ['id']);
  readonly #expire = this.sql.run('DELETE FROM logins WHERE expires_at <= ?');
  // The smallest scope ends first: otherwise a viewer could log all others out by issuing tickets.
  readonly #surplus = this.sql.values<string>(
    `SELECT id FROM logins ORDER BY CASE scope WHEN 'admin' THEN 0 WHEN 'create' THEN 1 WHEN 'input' THEN 2 ELSE 3 END,
       created_at DESC, id DESC LIMIT -1 OFFSET ?`,
  );
  readonly remove = this.#logins.remove('id');

  constructor(db: Database, time: TrustedTime) {
    super(db);
    this.#time = time;
  }

  /** Returns the new row, and the ids of the logins that ended because of it. */
  insert(login: NewLogin): { readonly record: LoginRecord; readonly ended: readonly string[] } {
    const now = Date.now();
    // Expired rows grant no access; they stay until the clock that reports the expiry is trusted.
    this.#expire(this.#time.now());
    const { keySha256, ...fields } = login;
    const record = { ...fields, createdAt: now, lastUsed: null };
    this.#insert({ ...record, keySha256 });
    const ended = this.#surplus(MAX_LOGINS);
    for (const old of ended) this.remove(old);
    return { record, ended };
  }

  /** Returns the valid logins, oldest first. */
  list(): readonly TokenRecord[] {
    return this.#list(Date.now());
  }

  touch(login: TokenRecord): void {
    const now = Date.now();
    if (now - (login.lastUsed ?? 0) >= LAST_USED_EVERY_MS) note(() => this.#touch({ lastUsed: now }, login.id));
  }
}

/** Records a use. On a full disk the use is not recorded, and the request continues. */
function note(write: () => void): void {
  try {
    write();
  } catch {
    // The next use tries again.
  }
}
