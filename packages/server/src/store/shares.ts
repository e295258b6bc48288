// Rows of share links, of the guests who redeemed them, and of their audit.

import { BinnacleError, type Code, type Scope } from '@binnacle/protocol';
import type { TrustedTime } from '../base/trusted-time.ts';
import { transaction } from './schema.ts';
import type { Database } from './sqlite.ts';
import { type Columns, Store } from './table.ts';

/** `type`: input and the lease, and no other writes. */
export type ShareMode = 'view' | 'type';
export type ShareKind = 'session' | 'conversation';

/** Access of a guest by a share link. Clients without one have the access of their scope and user. */
export interface Reach {
  readonly share: string;
  readonly kind: ShareKind;
  /** Id of the session or the conversation. */
  readonly id: string;
  /** Maker of the link: a guest sees nothing that this user does not see now. */
  readonly maker: { readonly user: string; readonly scope: Scope };
}

/** Times are in whole ms since 1970. */
export interface ShareRecord {
  readonly id: string;
  readonly label: string;
  readonly kind: ShareKind;
  readonly target: string;
  readonly mode: ShareMode;
  /** Null: any number. */
  readonly uses: number | null;
  readonly used: number;
  readonly by: { readonly name: string; readonly user: string; readonly scope: Scope };
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
  readonly revokedBy: string | null;
}

export interface NewShare {
  readonly id: string;
  readonly label: string;
  readonly kind: ShareKind;
  readonly target: string;
  readonly mode: ShareMode;
  readonly sha256: Uint8Array;
  readonly uses: number | null;
  /** Id of the principal that made the link, which ends with it. */
  readonly issuer: string;
  readonly by: ShareRecord['by'];
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** A browser or a client that redeemed a link. */
export interface GuestRecord {
  readonly id: string;
  /** Ordinal among the link's guests. */
  readonly n: number;
  readonly name: string;
  readonly sha256: Uint8Array;
  readonly redeemedAt: number;
}

export interface ShareAuditEntry {
  readonly at: number;
  readonly what: 'made' | 'redeemed' | 'refused' | 'revoked';
  /** Name of the person or the guest; for `refused` the error code. */
  readonly by: string;
  readonly address: string | null;
}

export const MAX_SHARES = 1000;
export const MAX_SHARES_OF_USER = 100;
/** Maximum guests per link: a lecture hall. Each costs a row until the link is removed. */
export const MAX_GUESTS = 1000;
/** Time for which an ended link is retained, so that users learn why it ended. */
const KEEP_MS = 30 * 24 * 3600_000;
/** Maximum ended links that are retained. */
const MAX_OVER = 1000;
/** Maximum `refused` entries per link. Further ones add no information. */
const MAX_REFUSED = 100;

/** Returns the reason for which a link is closed; undefined while it is open. */
export function shareEndOf({ revokedAt, expiresAt }: ShareRecord, now: number): Code | undefined {
  if (revokedAt !== null) return 'share_revoked';
  return expiresAt <= now ? 'share_expired' : undefined;
}

export const reachOf = ({ id, kind, target, by }: ShareRecord): Reach => ({
  share: id,
  kind,
  id: target,
  maker: { user: by.user, scope: by.scope },
});

/** Condition of a link that is open at a time. */
const IS_OPEN = 'revoked_at IS NULL AND expires_at > ?';

type ShareRow = Omit<ShareRecord, 'by'> & {
  readonly byName: string;
  readonly byUser: string;
  readonly byScope: Scope;
};
type GuestRow = GuestRecord & { readonly share: string };

const SHARE = {
  id: 'text',
  label: 'text',
  kind: 'text',
  target: 'text',
  mode: 'text',
  uses: 'integer',
  used: 'integer',
  byName: 'text',
  byUser: 'text',
  byScope: 'text',
  createdAt: 'integer',
  expiresAt: 'integer',
  revokedAt: 'integer',
  revokedBy: 'text',
} as const satisfies Columns<ShareRow>;

const GUEST = {
  id: 'text',
  n: 'integer',
  name: 'text',
  sha256: 'blob',
  redeemedAt: 'integer',
} as const satisfies Columns<GuestRecord>;
const AUDIT = { at: 'integer', what: 'text', by: 'text', address: 'text' } as const satisfies Columns<ShareAuditEntry>;

export class ShareStore extends Store {
  readonly #time: TrustedTime;
  readonly #shares = this.sql.table<ShareRow>('shares', SHARE);
  readonly #insert = this.sql
    .table<ShareRow & Pick<NewShare, 'sha256' | 'issuer'>>('shares', { ...SHARE, sha256: 'blob', issuer: 'text' })
    .insert();
  readonly #get = this.#shares.get('id');
  readonly #byHash = this.#shares.find('WHERE sha256 = ?');
  readonly #list = this.#shares.list('ORDER BY created_at DESC, id DESC');
  readonly #count = this.sql.count(`shares WHERE ${IS_OPEN}`);
  readonly #countOfUser = this.sql.count(`shares WHERE ${IS_OPEN} AND by_user = ?`);
  readonly #forget = this.sql.run('DELETE FROM shares WHERE coalesce(revoked_at, expires_at) <= ?');
  readonly #dropSurplus = this.sql.run(
    `DELETE FROM shares WHERE id IN (
       SELECT id FROM shares WHERE revoked_at IS NOT NULL OR expires_at <= ?
       ORDER BY coalesce(revoked_at, expires_at) DESC LIMIT -1 OFFSET ${MAX_OVER})`,
  );
  readonly #use = this.sql.run(
    `UPDATE shares SET used = used + 1 WHERE id = ? AND ${IS_OPEN} AND (uses IS NULL OR used < uses)`,
  );
  readonly #revoke = this.#shares.update(['revokedAt', 'revokedBy'], ['id'], 'revoked_at IS NULL');
  /** Returns the links of an issuer that were not revoked. */
  readonly listByIssuer = this.sql.values<string>('SELECT id FROM shares WHERE issuer = ? AND revoked_at IS NULL');
  /** Returns issuers that were an admin token, other than the current one. */
  readonly listOtherAdminIssuers = this.sql.values<string>(
    "SELECT DISTINCT issuer FROM shares WHERE substr(issuer, 1, 6) = 'admin:' AND issuer <> ? AND revoked_at IS NULL",
  );
  readonly #guests = this.sql.table<GuestRecord>('share_guests', GUEST);
  readonly #guestsOfShares = this.sql.table<GuestRow>('share_guests', { ...GUEST, share: 'text' });
  readonly #insertGuest = this.#guestsOfShares.insert();
  readonly #guestByHash = this.#guestsOfShares.get('sha256');
  readonly guest = this.#guests.get('id');
  readonly guests = this.#guests.list('WHERE share = ? ORDER BY n');
  readonly #countGuests = this.sql.count('share_guests WHERE share = ?');
  readonly #note = this.sql
    .table<ShareAuditEntry & { readonly share: string }>('share_audit', { share: 'text', ...AUDIT })
    .insert();
  readonly #countRefused = this.sql.count("share_audit WHERE share = ? AND what = 'refused'");
  /** Returns the audit of a link, oldest first. */
  readonly audit = this.sql.table<ShareAuditEntry>('share_audit', AUDIT).list('WHERE share = ? ORDER BY at, rowid');

  constructor(db: Database, time: TrustedTime) {
    super(db);
    this.#time = time;
  }

  /** Throws `too_many_shares`. */
  insert({ by, ...share }: NewShare, address: string | null): ShareRecord {
    const { id, createdAt, sha256, issuer, ...fields } = share;
    if (this.#count(createdAt) >= MAX_SHARES || this.#countOfUser(createdAt, by.user) >= MAX_SHARES_OF_USER) {
      throw new BinnacleError('too_many_shares', { details: { limit: MAX_SHARES, limitOfUser: MAX_SHARES_OF_USER } });
    }
    const open = { ...fields, id, createdAt, used: 0, revokedAt: null, revokedBy: null };
    transaction(this.db, () => {
      const now = this.#time.now();
      this.#forget(now - KEEP_MS);
      this.#dropSurplus(now);
      this.#insert({ ...open, sha256, issuer, byName: by.name, byUser: by.user, byScope: by.scope });
      this.#note({ share: id, at: createdAt, what: 'made', by: by.name, address });
    });
    return { ...open, by };
  }

  get(id: string): ShareRecord | undefined {
    const row = this.#get(id);
    return row && toShare(row);
  }

  /** Finds ended links as well: the caller checks `shareEndOf`. */
  findByHash(sha256: Uint8Array): ShareRecord | undefined {
    const row = this.#byHash(sha256);
    return row && toShare(row);
  }

  /** Lists all links, ended ones included, newest first. */
  list(): readonly ShareRecord[] {
    return this.#list().map(toShare);
  }

  /**
   * Takes one use and adds the guest, in one transaction. For the hash of an existing guest, returns that guest without
   * a use. Throws `share_used_up` and `too_many_guests`.
   */
  redeem(
    share: ShareRecord,
    guest: { readonly id: string; readonly name: string; readonly sha256: Uint8Array },
    { now, address }: { readonly now: number; readonly address: string | null },
  ): GuestRecord {
    const known = this.findGuest(guest.sha256);
    if (known !== undefined && known.share === share.id) return known.guest;
    return transaction(this.db, () => {
      const n = this.#countGuests(share.id) + 1;
      if (n > MAX_GUESTS) throw new BinnacleError('too_many_guests', { details: { limit: MAX_GUESTS } });
      if (this.#use(share.id, now) === 0) {
        throw new BinnacleError('share_used_up', { details: { uses: share.uses } });
      }
      const name = guest.name === '' ? `guest ${n}` : `${guest.name} (guest)`;
      const made = { ...guest, n, name, redeemedAt: now };
      this.#insertGuest({ ...made, share: share.id });
      this.#note({ share: share.id, at: now, what: 'redeemed', by: name, address });
      return made;
    });
  }

  findGuest(sha256: Uint8Array): { readonly guest: GuestRecord; readonly share: string } | undefined {
    const row = this.#guestByHash(sha256);
    if (row === undefined) return undefined;
    const { share, ...guest } = row;
    return { guest, share };
  }

  /** Returns false if the link was revoked before, or does not exist. */
  revoke(id: string, by: string, now: number, address: string | null): boolean {
    return transaction(this.db, () => {
      if (this.#revoke({ revokedAt: now, revokedBy: by }, id) === 0) return false;
      this.#note({ share: id, at: now, what: 'revoked', by, address });
      return true;
    });
  }

  /** Records that a client with the secret was refused. */
  refused(id: string, code: Code, now: number, address: string | null): void {
    if (this.#countRefused(id) < MAX_REFUSED) this.#note({ share: id, at: now, what: 'refused', by: code, address });
  }
}

function toShare({ byName, byUser, byScope, ...share }: ShareRow): ShareRecord {
  return { ...share, by: { name: byName, user: byUser, scope: byScope } };
}
