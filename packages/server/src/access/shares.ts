// Share links: creation, redemption by guests, and revocation. A link refers to its target by id only.

import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BinnacleError, defined, type Scope, singleLine } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { kindOfSecret } from '../data-dir/admin-token.ts';
import {
  type GuestRecord,
  reachOf,
  type ShareAuditEntry,
  type ShareKind,
  type ShareMode,
  type ShareRecord,
  type ShareStore,
  shareEndOf,
} from '../store/shares.ts';
import type { AttemptLimiterOptions } from './attempt-limit.ts';
import { GuestPolicy } from './guest-policy.ts';
import { issuerOf, type Principal, sha256 } from './principal.ts';
import { SecretCheck } from './secret-check.ts';
import { offeredSecret } from './subprotocol.ts';

export interface SharesParts {
  readonly store: ShareStore;
  /** Ms since 1970. */
  readonly clock: () => number;
  readonly limiter?: AttemptLimiterOptions;
  /** Throws `forbidden` if the scope is not contained. */
  require(by: Principal, scope: Scope): void;
  /** Closes all open connections of the guests of a revoked link. */
  ended(share: string): void;
}

export interface ShareRequest {
  readonly kind: ShareKind;
  /** Id of the shared session or conversation, which the creator can see. */
  readonly target: string;
  readonly mode: ShareMode;
  readonly label: string;
  readonly expiresInMs: number;
  readonly uses: number | null;
}

/** Default time to live: a day. A link is usually opened on the day it is sent. */
export const SHARE_TTL_MS = 24 * 3600_000;
export const MAX_SHARE_TTL_MS = 30 * 24 * 3600_000;
const CREDENTIAL_PROTOCOL = 'binnacle.guest.';

/** Returns the guest credential in a WebSocket request; undefined without one. */
export function credentialIn(request: IncomingMessage): string | undefined {
  const credential = offeredSecret(request, CREDENTIAL_PROTOCOL);
  return credential !== undefined && kindOfSecret(credential) === 'bg' ? credential : undefined;
}

export class Shares {
  readonly #parts: SharesParts;
  readonly #check: SecretCheck;

  constructor(parts: SharesParts) {
    this.#parts = parts;
    this.#check = new SecretCheck(defined({ limiter: parts.limiter }));
  }

  /**
   * Makes a link. Its secret cannot be read again. The link never outlives `by` and never has more scope. Throws
   * `forbidden`, `too_many_shares`.
   */
  make(
    request: IncomingMessage,
    by: Principal,
    requested: ShareRequest,
  ): { readonly share: ShareRecord; readonly secret: string } {
    this.#parts.require(by, requested.mode === 'type' ? 'input' : 'view');
    const secret = `bs_${randomBytes(32).toString('base64url')}`;
    const { kind, target, mode, label, uses } = requested;
    const createdAt = this.#parts.clock();
    const requestedExpiry = createdAt + Math.min(requested.expiresInMs, MAX_SHARE_TTL_MS);
    const expiresAt = Math.min(requestedExpiry, by.expiresAt ?? Number.POSITIVE_INFINITY);
    const share = this.#parts.store.insert(
      {
        ...{ id: uuidv7(), label, kind, target, mode, uses, createdAt, expiresAt },
        sha256: sha256(secret),
        issuer: issuerOf(by),
        by: { name: by.name, user: by.user, scope: by.scope },
      },
      addressOf(request),
    );
    return { share, secret };
  }

  /**
   * Returns the link of a secret. Throws `unauthorized` for an unknown secret, the reason for an ended link, and
   * `rate_limited` for failures from an address with too many of them: a secret of 256 bits is always looked up, see
   * `SecretCheck`.
   */
  open(request: IncomingMessage, secret: string): ShareRecord {
    const share = this.#check.evaluate(request, secret, {
      verify: (text) => (kindOfSecret(text) === 'bs' ? this.#parts.store.findByHash(sha256(text)) : undefined),
      refuse: () =>
        new BinnacleError('unauthorized', {
          message: 'The share link is not valid.',
          hint: 'Copy the whole link, or ask the sender for a new link.',
        }),
    });
    this.#refuseOver(request, share);
    return share;
  }

  /** Returns the link that a secret opens, without using it up. Throws the errors of `open`, and `share_used_up`. */
  peek(request: IncomingMessage, secret: string): ShareRecord {
    const share = this.open(request, secret);
    if (this.stateOf(share) !== 'used_up') return share;
    this.#parts.store.refused(share.id, 'share_used_up', this.#parts.clock(), addressOf(request));
    throw new BinnacleError('share_used_up', { details: { uses: share.uses } });
  }

  /**
   * Uses the link once and gives the guest a credential. With the `id` of an earlier call: returns the same guest and
   * credential, and takes no further use (idempotent), so that a lost answer costs nothing. Throws the errors of
   * `open`, `share_used_up`, `too_many_guests`.
   */
  redeem(
    request: IncomingMessage,
    share: ShareRecord,
    redemption: { readonly secret: string; readonly name: string; readonly id: string | undefined },
  ): { readonly guest: GuestRecord; readonly credential: string } {
    // The link may have ended since `open`.
    this.#refuseOver(request, this.#parts.store.get(share.id) ?? share);
    const id = redemption.id ?? randomBytes(32).toString('base64url');
    // Derived from the secret: without the secret nobody can compute it from the id, and the server need not store it.
    const credential = `bg_${createHmac('sha256', redemption.secret).update(`guest ${id}`).digest('base64url')}`;
    const guest = { id: uuidv7(), name: guestName(redemption.name), sha256: sha256(credential) };
    const when = { now: this.#parts.clock(), address: addressOf(request) };
    try {
      return { guest: this.#parts.store.redeem(share, guest, when), credential };
    } catch (error) {
      if (error instanceof BinnacleError) this.#parts.store.refused(share.id, error.code, when.now, when.address);
      throw error;
    }
  }

  /** Lists links, newest first. Ended links are included only with `over`. */
  list(options: { readonly user?: string; readonly over?: boolean } = {}): readonly ShareRecord[] {
    const now = this.#parts.clock();
    return this.#parts.store
      .list()
      .filter((share) => options.user === undefined || share.by.user === options.user)
      .filter((share) => options.over === true || shareEndOf(share, now) === undefined);
  }

  /** Throws `share_not_found`. */
  get(id: string): ShareRecord {
    const share = this.#parts.store.get(id);
    if (share === undefined) throw new BinnacleError('share_not_found');
    return share;
  }

  stateOf(share: ShareRecord): 'open' | 'used_up' | 'expired' | 'revoked' {
    const over = shareEndOf(share, this.#parts.clock());
    if (over !== undefined) return over === 'share_revoked' ? 'revoked' : 'expired';
    return share.uses !== null && share.used >= share.uses ? 'used_up' : 'open';
  }

  policyOf(share: ShareRecord): GuestPolicy {
    return new GuestPolicy(reachOf(share));
  }

  guest(id: string): GuestRecord | undefined {
    return this.#parts.store.guest(id);
  }

  guests(id: string): readonly GuestRecord[] {
    return this.#parts.store.guests(id);
  }

  audit(id: string): readonly ShareAuditEntry[] {
    return this.#parts.store.audit(id);
  }

  /** Ends a link and all open connections of its guests. Does nothing for an ended link. */
  revoke(request: IncomingMessage, share: ShareRecord, by: Principal): void {
    this.#end(share.id, by.name, addressOf(request));
  }

  /** Ends the links that an issuer made. */
  endIssued(issuer: string): void {
    for (const id of this.#parts.store.listByIssuer(issuer)) this.#end(id, 'the end of the token that made it', null);
  }

  /** Lists the share links of an issuer that can still be used. */
  issuedBy(issuer: string): readonly ShareRecord[] {
    const now = this.#parts.clock();
    return this.#parts.store
      .listByIssuer(issuer)
      .flatMap((id) => this.#parts.store.get(id) ?? [])
      .filter((share) => shareEndOf(share, now) === undefined);
  }

  listOtherAdminIssuers(current: string): readonly string[] {
    return this.#parts.store.listOtherAdminIssuers(current);
  }

  #end(id: string, by: string, address: string | null): void {
    if (this.#parts.store.revoke(id, by, this.#parts.clock(), address)) this.#parts.ended(id);
  }

  #refuseOver(request: IncomingMessage, share: ShareRecord): void {
    const now = this.#parts.clock();
    const over = shareEndOf(share, now);
    if (over === undefined) return;
    this.#parts.store.refused(share.id, over, now, addressOf(request));
    throw new BinnacleError(over);
  }
}

const addressOf = (request: IncomingMessage): string | null => request.socket.remoteAddress ?? null;

// Maximum characters of a guest's name. The page shows 40 characters, of which ` (guest)` takes eight.
const MAX_NAME = 32;
/** Makes a guest's name one line without direction changes and invisible characters: no two guests may look alike. */
const guestName = (name: string): string =>
  singleLine(name.replace(/\p{Default_Ignorable_Code_Point}/gu, ''), {
    max: MAX_NAME,
    ellipsis: '',
    collapses: true,
  }).trim();
