// Tokens and logins as lists show them, without their secrets.

import type { MadeBy } from '../store/issued.ts';
import type { ShareRecord } from '../store/shares.ts';
import type { TokenRecord } from '../store/tokens.ts';

/** A bearer token or a browser login, without its secret. Times in ms since 1970. */
export interface TokenInfo extends Omit<TokenRecord, 'sha256'> {
  readonly kind: 'token' | 'cookie';
  /** Token or login that requested this one; null for records from before this was stored. */
  readonly madeBy: MadeBy | null;
}

/** Everything that a token or a login has issued. All but `tokens` ends together with its issuer. */
export interface IssuedCredentials {
  /** Tokens, also those made through other tokens in between. They end only on request. */
  readonly tokens: readonly TokenInfo[];
  readonly logins: readonly TokenInfo[];
  readonly shares: readonly ShareRecord[];
  /** Number of login links that have not been used. */
  readonly links: number;
}

export const toInfo = (record: TokenRecord, kind: 'token' | 'cookie', madeBy: MadeBy | null): TokenInfo => ({
  madeBy,
  id: record.id,
  name: record.name,
  scope: record.scope,
  user: record.user,
  kind,
  createdAt: record.createdAt,
  expiresAt: record.expiresAt,
  lastUsed: record.lastUsed,
});
