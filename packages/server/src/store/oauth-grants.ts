// Rows of the grants that a person gave to a program by a login with OAuth; each grant is also a token. They contain
// digests only, no secrets. A grant ends with its token.

import { transaction } from './schema.ts';
import { Store } from './table.ts';

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

export class OAuthGrantStore extends Store {
  readonly #grants = this.sql.table<OAuthGrant>('oauth_grants', {
    token: 'text',
    client: 'text',
    resource: 'text',
    issuer: 'text',
    refreshSha256: ['refresh_sha256', 'blob'],
  });
  readonly insert = this.#grants.insert();
  readonly get = this.#grants.get('token');
  readonly findByRefresh = this.#grants.get('refreshSha256');
  readonly #tokenByUsed = this.sql.value<string>('SELECT token FROM oauth_used WHERE sha256 = ?');
  readonly #rotate = this.#grants.update(['refreshSha256'], ['token']);
  readonly #use = this.sql.run('INSERT INTO oauth_used (sha256, token) VALUES (?, ?)');
  readonly #trim = this.sql.run(
    'DELETE FROM oauth_used WHERE id IN (SELECT id FROM oauth_used WHERE token = ? ORDER BY id DESC LIMIT -1 OFFSET ?)',
  );
  readonly listIssuers = this.sql.values<string>('SELECT DISTINCT issuer FROM oauth_grants');
  /** Returns the tokens of the grants with this issuer. */
  readonly listByIssuer = this.sql.values<string>('SELECT token FROM oauth_grants WHERE issuer = ?');
  /** Returns the tokens of a user, the least recently used first. */
  readonly listOfUser = this.sql.values<string>(
    `SELECT token FROM oauth_grants JOIN tokens ON tokens.id = token WHERE tokens.user = ?
     ORDER BY coalesce(tokens.last_used, tokens.created_at)`,
  );

  /** Finds the grant by a refresh token that has been used. */
  findByUsed(sha256: Uint8Array): OAuthGrant | undefined {
    const token = this.#tokenByUsed(sha256);
    return token === undefined ? undefined : this.get(token);
  }

  /** Stores the next refresh token, and marks the previous one as used. `also` runs in the same transaction. */
  rotate({ token, refreshSha256 }: OAuthGrant, next: Uint8Array, also: () => void): void {
    transaction(this.db, () => {
      this.#use(refreshSha256, token);
      this.#rotate({ refreshSha256: next }, token);
      this.#trim(token, MAX_USED);
      also();
    });
  }
}
