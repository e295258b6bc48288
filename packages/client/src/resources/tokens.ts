// Tokens and logins: list, create, revoke.

import type { Scope } from '@binnacle/protocol';
import type { Http } from '../transport/http.ts';

/** Request for a token. */
export interface NewToken {
  /** Name for people, shown in lists and in the audit. */
  readonly name: string;
  /** Rights of the token. Each of `view`, `input`, `create` and `admin` contains those before it. */
  readonly scope: Scope;
  /** Milliseconds until the token expires. Default: never. */
  readonly ttlMs?: number;
  /**
   * Person or bot that the token speaks for: 1 to 64 characters of `A-Z a-z 0-9 . _ @ -`. Default: a user of its own.
   */
  readonly user?: string;
}

/** A token or a browser's login, without its secret. */
export interface TokenInfo {
  /** Id, for `Tokens.issued` and `Tokens.revoke`. */
  readonly id: string;
  /** Name for people. */
  readonly name: string;
  /** Rights of the token. */
  readonly scope: Scope;
  /** Person or bot that the token speaks for. */
  readonly user: string;
  /** `cookie` is the login of a browser. */
  readonly kind: 'token' | 'cookie';
  /** Unix time in milliseconds. */
  readonly createdAt: number;
  /** Unix time in milliseconds; null for a token that does not expire. */
  readonly expiresAt: number | null;
  /** Unix time in milliseconds; null before the first use. */
  readonly lastUsed: number | null;
  /** Token or login that created this one; null for the first token and for tokens that are older than this record. */
  readonly madeBy: { readonly id: string; readonly name: string; readonly user: string } | null;
}

/** Everything that a token has issued and that is still valid. All but `tokens` ends together with the token. */
export interface IssuedByToken {
  /** Tokens that it created. */
  readonly tokens: readonly TokenInfo[];
  /** Logins of browsers that used its login links. */
  readonly logins: readonly TokenInfo[];
  /** Share links that it created. `expiresAt` is a Unix time in milliseconds. */
  readonly shares: readonly {
    readonly id: string;
    readonly label: string;
    readonly kind: 'session' | 'conversation';
    readonly mode: 'view' | 'type';
    readonly expiresAt: number;
  }[];
  /** Number of its login links that are not used yet. */
  readonly links: number;
}

/** A new token, with its secret. */
export interface CreatedToken extends TokenInfo {
  /** The secret. The gateway shows it this once and stores a hash. */
  readonly token: string;
}

/** The tokens of a gateway, as `Binnacle.tokens`. All methods need the scope `admin`. */
export interface Tokens {
  /** Returns all tokens and logins. */
  list(): Promise<TokenInfo[]>;
  /**
   * Creates a token. Throws `bad_request`, `forbidden`.
   *
   * @example
   * ```ts
   * const { token } = await binnacle.tokens.create({ name: 'ci', scope: 'ingest', ttlMs: 30 * 86_400_000 });
   * ```
   */
  create(token: NewToken): Promise<CreatedToken>;
  /** Returns everything that a token has issued and that is still valid. Throws `not_found`. */
  issued(id: string): Promise<IssuedByToken>;
  /**
   * Revokes a token at once. Its logins, share links and login links end with it. `issued` decides about the tokens
   * that it created; without `issued`, throws `token_has_issued` if there are any. Throws `not_found`.
   *
   * @example
   * ```ts
   * const [oldest] = await binnacle.tokens.list();
   * if (oldest !== undefined) await binnacle.tokens.revoke(oldest.id, { issued: 'revoke' });
   * ```
   */
  revoke(id: string, options?: { readonly issued?: 'revoke' | 'keep' }): Promise<void>;
}

export function tokensOver(http: Http): Tokens {
  return {
    list: async () => (await http.json<{ tokens: TokenInfo[] }>({ path: '/v1/tokens' })).tokens,
    create: (token) => http.json({ method: 'POST', path: '/v1/tokens', body: token }),
    issued: (id) => http.json({ path: `/v1/tokens/${encodeURIComponent(id)}/issued` }),
    revoke: (id, { issued } = {}) =>
      http.json({
        method: 'DELETE',
        path: `/v1/tokens/${encodeURIComponent(id)}`,
        ...(issued === undefined ? {} : { query: { issued } }),
      }),
  };
}
