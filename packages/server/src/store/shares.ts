// Rows of share links, of the guests who redeemed them, and of their audit.

import { BinnacleError, type Code, type Scope } from '@binnacle/protocol';
import type { TrustedTime } from '../base/trusted-time.ts';
import { transaction } from './schema.ts';
import type { Database, Statement } from './sqlite.ts';

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

export class ShareStore {
  readonly #db: Database;
  readonly #insert: Statement;
  readonly #get: Statement;
  readonly #byHash: Statement;
  readonly #list: Statement;
  readonly #count: Statement;
  readonly #countOfUser: Statement;
  readonly #forget: Statement;
  readonly #surplus: Statement;
  readonly #use: Statement;
  readonly #revoke: Statement;
  readonly #byIssuer: Statement;
  readonly #otherAdmins: Statement;
  readonly #insertGuest: Statement;
  readonly #guestByHash: Statement;
  readonly #guest: Statement;
  readonly #guests: Statement;
  readonly #countGuests: Statement;
  readonly #note: Statement;
  readonly #countRefused: Statement;
  readonly #audit: Statement;
  readonly #time: TrustedTime;

  constructor(db: Database, time: TrustedTime) {
    this.#time = time;
    this.#db = db;
    this.#insert = db.prepare(
      `INSERT INTO shares
         (id, label, kind, target, mode, sha256, uses, issuer, by_name, by_user, by_scope, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#get = db.prepare('SELECT * FROM shares WHERE id = ?');
    this.#byHash = db.prepare('SELECT * FROM shares WHERE sha256 = ?');
    this.#list = db.prepare('SELECT * FROM shares ORDER BY created_at DESC, id DESC');
    const isOpen = 'revoked_at IS NULL AND expires_at > ?';
    this.#count = db.prepare(`SELECT count(*) AS n FROM shares WHERE ${isOpen}`);
    this.#countOfUser = db.prepare(`SELECT count(*) AS n FROM shares WHERE ${isOpen} AND by_user = ?`);
    this.#forget = db.prepare('DELETE FROM shares WHERE coalesce(revoked_at, expires_at) <= ?');
    this.#surplus = db.prepare(
      `DELETE FROM shares WHERE id IN (
         SELECT id FROM shares WHERE revoked_at IS NOT NULL OR expires_at <= ?
         ORDER BY coalesce(revoked_at, expires_at) DESC LIMIT -1 OFFSET ${MAX_OVER})`,
    );
    this.#use = db.prepare(
      `UPDATE shares SET used = used + 1 WHERE id = ? AND ${isOpen} AND (uses IS NULL OR used < uses)`,
    );
    this.#revoke = db.prepare('UPDATE shares SET revoked_at = ?, revoked_by = ? WHERE id = ? AND revoked_at IS NULL');
    this.#byIssuer = db.prepare('SELECT id FROM shares WHERE issuer = ? AND revoked_at IS NULL');
    this.#otherAdmins = db.prepare(
      "SELECT DISTINCT issuer FROM shares WHERE substr(issuer, 1, 6) = 'admin:' AND issuer <> ? AND revoked_at IS NULL",
    );
    this.#insertGuest = db.prepare(
      'INSERT INTO share_guests (id, share, n, name, sha256, redeemed_at) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#guestByHash = db.prepare('SELECT * FROM share_guests WHERE sha256 = ?');
    this.#guest = db.prepare('SELECT * FROM share_guests WHERE id = ?');
    this.#guests = db.prepare('SELECT * FROM share_guests WHERE share = ? ORDER BY n');
    this.#countGuests = db.prepare('SELECT count(*) AS n FROM share_guests WHERE share = ?');
    this.#note = db.prepare('INSERT INTO share_audit (share, at, what, by, address) VALUES (?, ?, ?, ?, ?)');
    this.#countRefused = db.prepare("SELECT count(*) AS n FROM share_audit WHERE share = ? AND what = 'refused'");
    this.#audit = db.prepare('SELECT at, what, by, address FROM share_audit WHERE share = ? ORDER BY at, rowid');
  }

  /** Throws `too_many_shares`. */
  insert(share: NewShare, address: string | null): ShareRecord {
    const { id, label, kind, target, mode, sha256, uses, issuer, by, createdAt, expiresAt } = share;
    const isFull =
      countIn(this.#count.get(createdAt)) >= MAX_SHARES ||
      countIn(this.#countOfUser.get(createdAt, by.user)) >= MAX_SHARES_OF_USER;
    if (isFull) {
      throw new BinnacleError('too_many_shares', { details: { limit: MAX_SHARES, limitOfUser: MAX_SHARES_OF_USER } });
    }
    transaction(this.#db, () => {
      const now = this.#time.now();
      this.#forget.run(now - KEEP_MS);
      this.#surplus.run(now);
      const { name, user, scope } = by;
      this.#insert.run(id, label, kind, target, mode, sha256, uses, issuer, name, user, scope, createdAt, expiresAt);
      this.#note.run(id, createdAt, 'made', name, address);
    });
    return { id, label, kind, target, mode, uses, used: 0, by, createdAt, expiresAt, revokedAt: null, revokedBy: null };
  }

  get(id: string): ShareRecord | undefined {
    return toShare(this.#get.get(id));
  }

  /** Finds ended links as well: the caller checks `shareEndOf`. */
  findByHash(sha256: Uint8Array): ShareRecord | undefined {
    return toShare(this.#byHash.get(sha256));
  }

  /** Lists all links, ended ones included, newest first. */
  list(): readonly ShareRecord[] {
    return this.#list.all().flatMap((row) => toShare(row) ?? []);
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
    return transaction(this.#db, () => {
      const n = countIn(this.#countGuests.get(share.id)) + 1;
      if (n > MAX_GUESTS) throw new BinnacleError('too_many_guests', { details: { limit: MAX_GUESTS } });
      if (Number(this.#use.run(share.id, now).changes) === 0) {
        throw new BinnacleError('share_used_up', { details: { uses: share.uses } });
      }
      const name = guest.name === '' ? `guest ${n}` : `${guest.name} (guest)`;
      this.#insertGuest.run(guest.id, share.id, n, name, guest.sha256, now);
      this.#note.run(share.id, now, 'redeemed', name, address);
      return { ...guest, n, name, redeemedAt: now };
    });
  }

  findGuest(sha256: Uint8Array): { readonly guest: GuestRecord; readonly share: string } | undefined {
    const row = this.#guestByHash.get(sha256) as GuestRow | undefined;
    return row === undefined ? undefined : { guest: toGuest(row), share: row.share };
  }

  guest(id: string): GuestRecord | undefined {
    const row = this.#guest.get(id) as GuestRow | undefined;
    return row === undefined ? undefined : toGuest(row);
  }

  guests(share: string): readonly GuestRecord[] {
    return this.#guests.all(share).map((row) => toGuest(row as GuestRow));
  }

  /** Returns false if the link was revoked before, or does not exist. */
  revoke(id: string, by: string, now: number, address: string | null): boolean {
    return transaction(this.#db, () => {
      if (Number(this.#revoke.run(now, by, id).changes) === 0) return false;
      this.#note.run(id, now, 'revoked', by, address);
      return true;
    });
  }

  /** Returns the links of an issuer that were not revoked. */
  listByIssuer(issuer: string): readonly string[] {
    return this.#byIssuer.all(issuer).map((row) => (row as { readonly id: string }).id);
  }

  /** Returns issuers that were an admin token, other than the current one. */
  listOtherAdminIssuers(current: string): readonly string[] {
    return this.#otherAdmins.all(current).map((row) => (row as { readonly issuer: string }).issuer);
  }

  /** Records that a client with the secret was refused. */
  refused(id: string, code: Code, now: number, address: string | null): void {
    if (countIn(this.#countRefused.get(id)) < MAX_REFUSED) this.#note.run(id, now, 'refused', code, address);
  }

  /** Returns the audit, oldest first. */
  audit(id: string): readonly ShareAuditEntry[] {
    return this.#audit.all(id) as unknown as readonly ShareAuditEntry[];
  }
}

const countIn = (row: unknown): number => (row as { readonly n: number }).n;

interface ShareRow {
  readonly id: string;
  readonly label: string;
  readonly kind: ShareKind;
  readonly target: string;
  readonly mode: ShareMode;
  readonly uses: number | null;
  readonly used: number;
  readonly by_name: string;
  readonly by_user: string;
  readonly by_scope: Scope;
  readonly created_at: number;
  readonly expires_at: number;
  readonly revoked_at: number | null;
  readonly revoked_by: string | null;
}

interface GuestRow {
  readonly id: string;
  readonly share: string;
  readonly n: number;
  readonly name: string;
  readonly sha256: Uint8Array;
  readonly redeemed_at: number;
}

function toShare(found: unknown): ShareRecord | undefined {
  if (found === undefined) return undefined;
  const row = found as ShareRow;
  const { id, label, kind, target, mode, uses, used } = row;
  return {
    ...{ id, label, kind, target, mode, uses, used },
    by: { name: row.by_name, user: row.by_user, scope: row.by_scope },
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    revokedBy: row.revoked_by,
  };
}

const toGuest = ({ id, n, name, sha256, redeemed_at: redeemedAt }: GuestRow): GuestRecord => ({
  ...{ id, n, name, sha256, redeemedAt },
});
