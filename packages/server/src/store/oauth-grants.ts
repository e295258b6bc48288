// Rows of the grants that a person gave to a program by a login with OAuth; each grant is also a token. They contain
// digests only, no secrets. A grant ends with its token.

import { transaction } from './schema.ts';
import type { Database, Statement } from './sqlite.ts';

export interface OAuthGrant {
  /** The id of its token. */
  readonly token: string;
  /** The digest of the client's id. */
  readonly client: string;
  /** Resource for which the token was requested (RFC 8707). */
  readonly resource: string;
  /** Issuer behind the person who gave the grant: a token, or the admin token of that time. The grant ends with it. */
  readonly issuer: string;
  readonly refreshSha256: Uint8Array;
}

/** Maximum used refresh tokens remembered per grant. Four days at one per hour. */
const MAX_USED = 100;

export class OAuthGrantStore {
  readonly #db: Database;
  readonly #insert: Statement;
  readonly #get: Statement;
  readonly #byRefresh: Statement;
  readonly #byUsed: Statement;
  readonly #rotate: Statement;
  readonly #use: Statement;
  readonly #trim: Statement;
  readonly #issuers: Statement;
  readonly #byIssuer: Statement;
  readonly #ofUser: Statement;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare(
      'INSERT INTO oauth_grants (token, client, resource, issuer, refresh_sha256) VALUES (?, ?, ?, ?, ?)',
    );
    this.#get = db.prepare('SELECT * FROM oauth_grants WHERE token = ?');
    this.#byRefresh = db.prepare('SELECT * FROM oauth_grants WHERE refresh_sha256 = ?');
    this.#byUsed = db.prepare('SELECT token FROM oauth_used WHERE sha256 = ?');
    this.#rotate = db.prepare('UPDATE oauth_grants SET refresh_sha256 = ? WHERE token = ?');
    this.#use = db.prepare('INSERT INTO oauth_used (sha256, token) VALUES (?, ?)');
    this.#trim = db.prepare(
      'DELETE FROM oauth_used WHERE id IN (SELECT id FROM oauth_used WHERE token = ? ORDER BY id DESC LIMIT -1 OFFSET ?)',
    );
    this.#issuers = db.prepare('SELECT DISTINCT issuer FROM oauth_grants');
    this.#byIssuer = db.prepare('SELECT token FROM oauth_grants WHERE issuer = ?');
    // The least recently used grant is removed first.
    this.#ofUser = db.prepare(
      `SELECT token FROM oauth_grants JOIN tokens ON tokens.id = token WHERE tokens.user = ?
       ORDER BY coalesce(tokens.last_used, tokens.created_at)`,
    );
  }

  insert({ token, client, resource, issuer, refreshSha256 }: OAuthGrant): void {
    this.#insert.run(token, client, resource, issuer, refreshSha256);
  }

  get(token: string): OAuthGrant | undefined {
    return toGrant(this.#get.get(token));
  }

  findByRefresh(sha256: Uint8Array): OAuthGrant | undefined {
    return toGrant(this.#byRefresh.get(sha256));
  }

  /** Finds the grant by a refresh token that has been used. */
  findByUsed(sha256: Uint8Array): OAuthGrant | undefined {
    const row = this.#byUsed.get(sha256) as { readonly token: string } | undefined;
    return row === undefined ? undefined : this.get(row.token);
  }

  /** Stores the next refresh token, and marks the previous one as used. `also` runs in the same transaction. */
  rotate({ token, refreshSha256 }: OAuthGrant, next: Uint8Array, also: () => void): void {
    transaction(this.#db, () => {
      this.#use.run(refreshSha256, token);
      this.#rotate.run(next, token);
      this.#trim.run(token, MAX_USED);
      also();
    });
  }

  listIssuers(): readonly string[] {
    return this.#issuers.all().map((row) => (row as { readonly issuer: string }).issuer);
  }

  /** Returns the tokens of the grants with this issuer. */
  listByIssuer(issuer: string): readonly string[] {
    return this.#byIssuer.all(issuer).map(tokenOf);
  }

  /** Returns the tokens of a user, the least recently used first. */
  listOfUser(user: string): readonly string[] {
    return this.#ofUser.all(user).map(tokenOf);
  }
}

const tokenOf = (row: unknown): string => (row as { readonly token: string }).token;

interface Row {
  readonly token: string;
  readonly client: string;
  readonly resource: string;
  readonly issuer: string;
  readonly refresh_sha256: Uint8Array;
}

function toGrant(found: unknown): OAuthGrant | undefined {
  if (found === undefined) return undefined;
  const { token, client, resource, issuer, refresh_sha256 } = found as Row;
  return { token, client, resource, issuer, refreshSha256: refresh_sha256 };
}
