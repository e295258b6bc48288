// Verified identities. A Principal is only made here, by comparing a secret with its stored digest.

import { createHash, timingSafeEqual } from 'node:crypto';
import { BinnacleError, type Scope } from '@binnacle/protocol';
import type { TrustedTime } from '../base/trusted-time.ts';
import { isGuessable, kindOfSecret } from '../data-dir/admin-token.ts';
import type { IssuedStore } from '../store/issued.ts';
import { reachOf, type ShareStore, shareEndOf } from '../store/shares.ts';
import type { LoginStore, TokenStore } from '../store/tokens.ts';
import { GuestPolicy } from './guest-policy.ts';

/** `share`: a guest of a share link. */
export type PrincipalKind = 'admin-token' | 'token' | 'cookie' | 'share';

/** Nominal by its private field: no object of the same shape passes as a principal. */
class VerifiedPrincipal {
  readonly id: string;
  readonly name: string;
  /** Scope from the server's record, never from the request. */
  readonly scope: Scope;
  /** The person or program that the principal speaks for. A login has the user of the token that issued its ticket. */
  readonly user: string;
  readonly kind: PrincipalKind;
  /** Limit to one shared target, within the scope. Null: everything that scope and user allow. */
  readonly guest: GuestPolicy | null;
  /** Ms since 1970; null: valid until revoked. */
  readonly expiresAt: number | null;
  /** Name under which logins from this principal's tickets are stored. Changes with the admin token. */
  readonly #issuer: string;

  constructor(
    record: {
      readonly id: string;
      readonly name: string;
      readonly scope: Scope;
      readonly user: string;
      readonly expiresAt: number | null;
    },
    kind: PrincipalKind,
    issuer: string,
    guest: GuestPolicy | null = null,
  ) {
    this.guest = guest;
    this.id = record.id;
    this.name = record.name;
    this.scope = record.scope;
    this.user = record.user;
    this.expiresAt = record.expiresAt;
    this.kind = kind;
    this.#issuer = issuer;
  }

  static issuerOf(principal: VerifiedPrincipal): string {
    return principal.#issuer;
  }
}

// Exports the type only: no other file can construct a principal.
export type Principal = VerifiedPrincipal;
export const issuerOf = (principal: Principal): string => VerifiedPrincipal.issuerOf(principal);

/** Key of a principal for fair queues and limits. All guests of one share link have the same key. */
export const callerKeyOf = ({ id, guest }: Pick<Principal, 'id' | 'guest'>): string =>
  guest === null ? id : `share:${guest.share}`;

export const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

const ADMIN_ID = 'admin';
/** User of the admin token, reserved for it. */
export const ADMIN_USER = 'admin';
const USER = /^[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,63}$/;

/** Returns the default user of a token. Uses both ends of the id: its first eight digits stay the same for a minute. */
export const ownUserOf = (tokenId: string): string => `token-${tokenId.slice(0, 8)}-${tokenId.slice(-8)}`;

export function freeUserOf(tokenId: string, isTaken: (user: string) => boolean): string {
  const user = ownUserOf(tokenId);
  return isTaken(user) ? `token-${tokenId}` : user;
}

/** Throws `bad_request` for an invalid or reserved user name. */
export function checkUser(user: string): string {
  const message = !USER.test(user)
    ? 'A user is 1 to 64 of A-Z, a-z, 0-9, ".", "_", "@" and "-", not beginning with a dot.'
    : /^(?:admin$|token-)/i.test(user)
      ? `The user "${user}" is reserved: "admin" is the admin token's, "token-…" is of tokens that name no user.`
      : undefined;
  if (message === undefined) return user;
  throw new BinnacleError('bad_request', {
    message,
    hint: 'Choose another name.',
    details: { in: 'body', field: 'user' },
  });
}
/** Prefix of the issuer of logins that come from the admin token; a digest of that token follows. */
export const ADMIN_ISSUER = 'admin:';

export interface CredentialStores {
  readonly tokens: TokenStore;
  readonly logins: LoginStore;
  readonly issued: IssuedStore;
  readonly shares: ShareStore;
  readonly time: TrustedTime;
}

/** Current rights of the owner of a token or login, for work that continues without a request. */
export interface CredentialOwner {
  readonly user: string;
  readonly scope: Scope;
  readonly guest: null;
  /** Ms since 1970; null: valid until revoked. */
  readonly expiresAt: number | null;
}

export class Credentials {
  readonly #tokens: TokenStore;
  readonly #logins: LoginStore;
  readonly #shares: ShareStore;
  readonly #time: TrustedTime;
  readonly #clock: () => number;
  readonly #adminHash: Buffer;
  readonly #adminIssuer: string;
  /** True if the operator chose an admin token that is short enough to be guessed. */
  readonly isAdminGuessable: boolean;

  /** `clock`: ms since 1970, for share links. */
  constructor(stores: CredentialStores, adminToken: string, clock: () => number) {
    this.#tokens = stores.tokens;
    this.#logins = stores.logins;
    this.#shares = stores.shares;
    this.#time = stores.time;
    this.#clock = clock;
    this.#adminHash = sha256(adminToken);
    this.isAdminGuessable = isGuessable(adminToken);
    this.#adminIssuer = `${ADMIN_ISSUER}${createHash('sha256').update(this.#adminHash).digest('hex').slice(0, 16)}`;
  }

  get adminIssuer(): string {
    return this.#adminIssuer;
  }

  /** Returns the principal of a bearer token. Costs one digest and one index lookup for any text. */
  verifyToken(token: string): Principal | undefined {
    const hash = sha256(token);
    const kind = kindOfSecret(token);
    if (kind === 'bg') return this.verifyGuest(hash);
    // Looked up in any case, so that the admin token takes as long as any other.
    const record = kind === 'bn' ? this.#tokens.findByHash(hash) : undefined;
    if (timingSafeEqual(hash, this.#adminHash)) {
      const admin = { id: ADMIN_ID, name: ADMIN_ID, scope: 'admin', user: ADMIN_USER, expiresAt: null } as const;
      return new VerifiedPrincipal(admin, 'admin-token', this.#adminIssuer);
    }
    if (record === undefined || !timingSafeEqual(hash, record.sha256) || isOver(record.expiresAt)) return undefined;
    this.#tokens.touch(record);
    return new VerifiedPrincipal(record, 'token', record.id);
  }

  /**
   * Returns the principal of a browser login, by the SHA-256 of its key or by the id that a pass names. Any of the
   * cookies may be the matching one. Throws `login_incomplete` if none matches.
   */
  verifyLogin(
    by: { readonly key: Buffer } | { readonly id: string },
    cookies: readonly string[],
  ): Principal | undefined {
    const record = 'key' in by ? this.#logins.findByKey(by.key) : this.#logins.get(by.id);
    if (record === undefined || isOver(record.expiresAt)) return undefined;
    if (!cookies.some((cookie) => timingSafeEqual(sha256(cookie), record.sha256))) {
      throw new BinnacleError('login_incomplete', {
        message: 'The cookie of the login is missing, or another program on this host has replaced it.',
        details: { missing: 'cookie' },
      });
    }
    this.#logins.touch(record);
    return new VerifiedPrincipal(record, 'cookie', record.id);
  }

  /**
   * Returns the principal of a guest, by the SHA-256 of its credential. Throws the reason if its share link has ended.
   */
  verifyGuest(hash: Buffer): Principal | undefined {
    const found = this.#shares.findGuest(hash);
    const share = found === undefined ? undefined : this.#shares.get(found.share);
    if (found === undefined || share === undefined || !timingSafeEqual(hash, found.guest.sha256)) return undefined;
    const over = shareEndOf(share, this.#clock());
    if (over !== undefined) throw new BinnacleError(over);
    const { id, name } = found.guest;
    const scope: Scope = share.mode === 'type' ? 'input' : 'view';
    // The guest's user is unique, and no token can have it: the guest owns nothing of the link's creator.
    const guest = { id, name, scope, user: `share:${id}`, expiresAt: share.expiresAt };
    return new VerifiedPrincipal(guest, 'share', id, new GuestPolicy(reachOf(share)));
  }

  /** Returns the current rights of the issuer stored as `issuerOf`; undefined after its end. */
  holderOf(issuer: string): CredentialOwner | undefined {
    if (issuer === this.#adminIssuer) return { user: ADMIN_USER, scope: 'admin', guest: null, expiresAt: null };
    const record = this.#tokens.get(issuer) ?? this.#logins.get(issuer);
    if (record === undefined || isOver(record.expiresAt)) return undefined;
    return { user: record.user, scope: record.scope, guest: null, expiresAt: record.expiresAt };
  }

  /** True if an issuer has ended for good. Expiry counts only while the clock is trusted. */
  hasEnded(issuer: string): boolean {
    if (issuer === this.#adminIssuer) return false;
    const record = this.#tokens.get(issuer) ?? this.#logins.get(issuer);
    return record === undefined || (record.expiresAt !== null && record.expiresAt <= this.#time.now());
  }

  /** Returns the reason why a principal is over; undefined while it is valid. */
  whyOver(principal: Principal): BinnacleError | undefined {
    if (principal.guest === null) return this.isLive(principal) ? undefined : new BinnacleError('revoked');
    const share = this.#shares.get(principal.guest.share);
    const over = share === undefined ? 'share_revoked' : shareEndOf(share, this.#clock());
    return over === undefined ? undefined : new BinnacleError(over);
  }

  /** False as soon as the principal was revoked or has expired. */
  isLive(principal: Principal): boolean {
    if (principal.kind === 'admin-token') return true;
    if (principal.kind === 'share') return this.whyOver(principal) === undefined;
    const store = principal.kind === 'token' ? this.#tokens : this.#logins;
    return !isOver(principal.expiresAt) && store.get(principal.id) !== undefined;
  }
}

export const isOver = (expiresAt: number | null): boolean => expiresAt !== null && expiresAt <= Date.now();
