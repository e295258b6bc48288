// Share links: created and administered by their owner; redeemed by guests, who see what the link shows. Knows no page.

import type { BinnacleError, SessionInfo } from '@binnacle/protocol';
import type { Http } from '../transport/http.ts';
import type { WebSocketLike } from '../transport/options.ts';

/** `type` allows input and the lease, and no other write. */
export type ShareMode = 'view' | 'type';

/** Request for a share link: `session` or `conversation`, one of the two. */
export interface NewShare {
  /** Id of a session. */
  readonly session?: string;
  /** Key of a conversation. */
  readonly conversation?: string;
  /** Default `view`. `type` needs the scope `input`. */
  readonly mode?: ShareMode;
  /** Milliseconds until the link expires. Default one day, maximum 30 days. */
  readonly expiresInMs?: number;
  /** Maximum number of browsers and clients that may redeem it. Default: unlimited. */
  readonly uses?: number;
  /** Text for people, shown to guests too. */
  readonly label?: string;
}

/** A guest who has the session or the conversation open. */
export interface ShareViewer {
  /** Id of the guest. */
  readonly id: string;
  /** Name that the guest chose, or `guest N`. */
  readonly name: string;
  /** Unix time in milliseconds. */
  readonly since: number;
  /** Whether the guest holds the lease. */
  readonly driving: boolean;
}

/** A share link, without its secret. */
export interface ShareInfo {
  /** Id, for `Shares.get` and `Shares.revoke`. */
  readonly id: string;
  /** Text for people. */
  readonly label: string;
  /** Id of the session that it shows; null for a conversation. */
  readonly session: string | null;
  /** Key of the conversation that it shows; null for a session. */
  readonly conversation: string | null;
  /** Rights of guests. */
  readonly mode: ShareMode;
  /** `open`, or the reason why it admits nobody else. */
  readonly state: 'open' | 'used_up' | 'expired' | 'revoked';
  /** Maximum number of uses; null: unlimited. */
  readonly uses: number | null;
  /** Number of uses so far. */
  readonly used: number;
  /** User who created it. */
  readonly by: string;
  /** Unix time in milliseconds. */
  readonly createdAt: number;
  /** Unix time in milliseconds. */
  readonly expiresAt: number;
  /** Unix time in milliseconds; null unless revoked. */
  readonly revokedAt: number | null;
  /** User who revoked it; null unless revoked. */
  readonly revokedBy: string | null;
  /** Guests who have it open now. */
  readonly viewers: readonly ShareViewer[];
}

/** A new share link, with its secret. */
export interface CreatedShare extends ShareInfo {
  /** The secret. The gateway shows it this once. */
  readonly secret: string;
  /** The link to pass on. */
  readonly url: string;
}

/** A share link with its history. */
export interface ShareDetails extends ShareInfo {
  /** Everyone who has ever redeemed it. Times are Unix times in milliseconds. */
  readonly guests: readonly { readonly id: string; readonly name: string; readonly redeemedAt: number }[];
  /** History of the link, with the network address where it is known. Times are Unix times in milliseconds. */
  readonly audit: readonly {
    readonly at: number;
    readonly what: 'made' | 'redeemed' | 'refused' | 'revoked';
    readonly by: string;
    readonly address: string | null;
  }[];
}

/** Preview of a share link, for a visitor who has its secret and has not redeemed it. */
export interface SharePreview {
  /** Kind of the shared resource. */
  readonly kind: 'session' | 'conversation';
  /** Rights of guests. */
  readonly mode: ShareMode;
  /** Text for people. */
  readonly label: string;
  /** Unix time in milliseconds. */
  readonly expiresAt: number;
  /** Uses that are left; null: unlimited. */
  readonly usesLeft: number | null;
}

/** A redeemed link: the credentials of a guest. */
export interface RedeemedShare {
  /** The `token` for a client of the guest. See also `guestSocket`. */
  readonly credential: string;
  /** Name of the guest. */
  readonly name: string;
  /** Id of the session; null for a conversation. */
  readonly session: string | null;
  /** Key of the conversation; null for a session. */
  readonly conversation: string | null;
  /** Rights of the guest. */
  readonly mode: ShareMode;
  /** Text for people. */
  readonly label: string;
  /** Unix time in milliseconds. */
  readonly expiresAt: number;
}

/** Shared resource of a guest. */
export interface SharedResource {
  /** Id of the session; null for a conversation. */
  readonly session: string | null;
  /** Key of the conversation; null for a session. */
  readonly conversation: string | null;
  /** Rights of the guest. */
  readonly mode: ShareMode;
  /** Text for people. */
  readonly label: string;
  /** Unix time in milliseconds. */
  readonly expiresAt: number;
  /** The sessions that the guest may follow: the shared one, or those that the conversation shows. */
  readonly sessions: readonly SessionInfo[];
}

/**
 * Share links, as `Binnacle.shares`.
 *
 * @example
 * ```ts
 * const { url } = await binnacle.shares.create({ session: session.id, mode: 'view', expiresInMs: 3_600_000 });
 * console.log(url);
 *
 * // a visitor:
 * import { connect } from '@binnacle/client';
 *
 * const secret = 'SECRET';
 * const visitor = connect({ url: 'http://127.0.0.1:7117' });
 * const { credential } = await visitor.shares.redeem(secret, { name: 'Ada' });
 * const guest = connect({ url: 'http://127.0.0.1:7117', token: credential });
 * console.log((await guest.shares.shown()).sessions);
 * ```
 */
export class Shares {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Creates a share link. Throws `session_not_found`, `conversation_not_found`, `too_many_shares`, `forbidden`. */
  async create(share: NewShare): Promise<CreatedShare> {
    return await this.#http.json({ method: 'POST', path: '/v1/shares', body: share });
  }

  /**
   * Returns the links of this user, or all of them for the scope `admin`. `over` includes those that admit nobody any
   * more.
   */
  async list(options: { readonly over?: boolean } = {}): Promise<ShareInfo[]> {
    const query = options.over === true ? { over: '1' } : {};
    return (await this.#http.json<{ shares: ShareInfo[] }>({ path: '/v1/shares', query })).shares;
  }

  /** Returns a link with its guests and its history. Throws `share_not_found`. */
  async get(id: string): Promise<ShareDetails> {
    return await this.#http.json({ path: `/v1/shares/${encodeURIComponent(id)}` });
  }

  /** Revokes a link at once and closes the connections of its guests. Throws `share_not_found`. */
  async revoke(id: string): Promise<void> {
    await this.#http.json({ method: 'DELETE', path: `/v1/shares/${encodeURIComponent(id)}` });
  }

  /**
   * Returns what a link would show, without using it up. Throws `unauthorized`, `share_expired`, `share_revoked`,
   * `share_used_up`.
   */
  async preview(secret: string): Promise<SharePreview> {
    return await this.#http.json({ method: 'POST', path: '/v1/shares/look', body: { secret } });
  }

  /**
   * Redeems a link, which takes one use. `id` (16 to 64 random characters) makes a repetition harmless, for an answer
   * that was lost. Throws `share_expired`, `share_revoked`, `share_used_up`, `too_many_guests`.
   */
  async redeem(secret: string, options: { readonly name?: string; readonly id?: string } = {}): Promise<RedeemedShare> {
    return await this.#http.json({ method: 'POST', path: '/v1/shares/redeem', body: { secret, ...options } });
  }

  /** Returns what a guest sees. Throws `not_found` for everyone else. */
  async shown(): Promise<SharedResource> {
    return await this.#http.json({ path: '/v1/shared' });
  }
}

/**
 * Returns a `makeSocket` for the client of a guest in a browser. Browsers send no headers with a WebSocket, so the
 * credential goes as a subprotocol.
 *
 * @example
 * ```ts
 * import { connect, guestSocket } from '@binnacle/client';
 *
 * const credential = 'CREDENTIAL';
 * const guest = connect({ url: location.origin, token: credential, makeSocket: guestSocket(credential) });
 * ```
 */
export const guestSocket =
  (credential: string) =>
  (url: string): WebSocketLike =>
    new WebSocket(url, ['binnacle', `binnacle.guest.${credential}`]) as unknown as WebSocketLike;

/** Returns whether an error says that a link is over for good. */
export const isShareOver = ({ code }: BinnacleError): boolean =>
  code === 'share_expired' || code === 'share_revoked' || code === 'share_used_up';
