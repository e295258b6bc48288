// Share links: made and looked after by who shares; redeemed, and what they show, by who comes. Knows no page.

import type { BinnacleError, SessionInfo } from '@binnacle/protocol';
import type { Http } from '../transport/http.ts';
import type { WebSocketLike } from '../transport/options.ts';

/** `type`: input and the helm, and nothing else that writes. */
export type ShareMode = 'view' | 'type';

export interface NewShare {
  /** The id of a session, or the key of a conversation: one of the two. */
  readonly session?: string;
  readonly conversation?: string;
  /** Default `view`; `type` takes the scope `input`. */
  readonly mode?: ShareMode;
  /** Default a day, at most 30. */
  readonly expiresInMs?: number;
  /** Browsers and clients that may redeem it. Default: any number. */
  readonly uses?: number;
  readonly label?: string;
}

/** Somebody who has something of it open now. */
export interface ShareViewer {
  readonly id: string;
  /** As they named themselves, or `guest N`. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Has the helm. */
  readonly driving: boolean;
}

export interface ShareInfo {
  readonly id: string;
  readonly label: string;
  readonly session: string | null;
  readonly conversation: string | null;
  readonly mode: ShareMode;
  readonly state: 'open' | 'used_up' | 'expired' | 'revoked';
  readonly uses: number | null;
  readonly used: number;
  /** Who made it. */
  readonly by: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
  readonly revokedBy: string | null;
  readonly viewers: readonly ShareViewer[];
}

export interface CreatedShare extends ShareInfo {
  /** Shown this once. */
  readonly secret: string;
  /** The link. */
  readonly url: string;
}

export interface ShareDetails extends ShareInfo {
  /** All that ever redeemed it. */
  readonly guests: readonly { readonly id: string; readonly name: string; readonly redeemedAt: number }[];
  readonly audit: readonly {
    readonly at: number;
    readonly what: 'made' | 'redeemed' | 'refused' | 'revoked';
    readonly by: string;
    readonly address: string | null;
  }[];
}

/** What a link would show, to who has its secret and has not come in. */
export interface ShareOutlook {
  readonly kind: 'session' | 'conversation';
  readonly mode: ShareMode;
  readonly label: string;
  readonly expiresAt: number;
  /** Null: any number. */
  readonly usesLeft: number | null;
}

export interface RedeemedShare {
  /** The `token` of a client of its own; see also `guestSocket`. */
  readonly credential: string;
  readonly name: string;
  readonly session: string | null;
  readonly conversation: string | null;
  readonly mode: ShareMode;
  readonly label: string;
  readonly expiresAt: number;
}

/** What a guest is shown. */
export interface Shared {
  readonly session: string | null;
  readonly conversation: string | null;
  readonly mode: ShareMode;
  readonly label: string;
  readonly expiresAt: number;
  readonly sessions: readonly SessionInfo[];
}

export class Shares {
  private readonly http: Http;

  constructor(http: Http) {
    this.http = http;
  }

  async create(share: NewShare): Promise<CreatedShare> {
    return await this.http.json({ method: 'POST', path: '/v1/shares', body: share });
  }

  /** `over`: also those that let nobody in any more. */
  async list(options: { readonly over?: boolean } = {}): Promise<ShareInfo[]> {
    const query = options.over === true ? { over: '1' } : {};
    return (await this.http.json<{ shares: ShareInfo[] }>({ path: '/v1/shares', query })).shares;
  }

  async get(id: string): Promise<ShareDetails> {
    return await this.http.json({ path: `/v1/shares/${encodeURIComponent(id)}` });
  }

  async revoke(id: string): Promise<void> {
    await this.http.json({ method: 'DELETE', path: `/v1/shares/${encodeURIComponent(id)}` });
  }

  /** What its secret would show; takes no use. Throws why it shows nothing (any more). */
  async look(secret: string): Promise<ShareOutlook> {
    return await this.http.json({ method: 'POST', path: '/v1/shares/look', body: { secret } });
  }

  /** Takes one use; with the `id` (16 to 64 random characters) of before none, for an answer that was lost. */
  async redeem(secret: string, options: { readonly name?: string; readonly id?: string } = {}): Promise<RedeemedShare> {
    return await this.http.json({ method: 'POST', path: '/v1/shares/redeem', body: { secret, ...options } });
  }

  /** Of a guest: what it is shown. Throws `not_found` for everybody else. */
  async shown(): Promise<Shared> {
    return await this.http.json({ path: '/v1/shared' });
  }
}

/** For `makeSocket` in browsers, which send no headers with a WebSocket: the credential goes as a subprotocol. */
export const guestSocket =
  (credential: string) =>
  (url: string): WebSocketLike =>
    new WebSocket(url, ['binnacle', `binnacle.guest.${credential}`]) as unknown as WebSocketLike;

/** Whether a link is over for good. */
export const isShareOver = ({ code }: BinnacleError): boolean =>
  code === 'share_expired' || code === 'share_revoked' || code === 'share_used_up';
