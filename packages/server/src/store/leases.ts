// Rows of leases: the holder of the write lease of each session, across restarts of the gateway.

import type { SessionId } from '@binnacle/protocol';
import type { Database, Statement } from './sqlite.ts';

export interface LeaseRecord {
  readonly sessionId: SessionId;
  /** Null without a holder; the row stays, because `fence` must never decrease. */
  readonly holder: string | null;
  /** SHA-256 of the holder's secret. */
  readonly leaseSha256: Uint8Array | null;
  readonly fence: number;
}

export class LeaseStore {
  readonly #put: Statement;
  readonly #get: Statement;
  readonly #withHolder: Statement;

  constructor(db: Database) {
    // A fence smaller than the stored one is never written: it would let an old holder write again.
    this.#put = db.prepare(
      `INSERT INTO leases (session_id, holder, lease_sha256, fence) VALUES (?, ?, ?, ?)
       ON CONFLICT (session_id) DO UPDATE SET holder = excluded.holder, lease_sha256 = excluded.lease_sha256,
         fence = excluded.fence WHERE excluded.fence >= leases.fence`,
    );
    this.#get = db.prepare('SELECT * FROM leases WHERE session_id = ?');
    this.#withHolder = db.prepare('SELECT * FROM leases WHERE holder IS NOT NULL');
  }

  /** Returns false, and changes nothing, if a newer fence is stored. */
  put(lease: LeaseRecord): boolean {
    return Number(this.#put.run(lease.sessionId, lease.holder, lease.leaseSha256, lease.fence).changes) > 0;
  }

  get(sessionId: SessionId): LeaseRecord | undefined {
    const row = this.#get.get(sessionId);
    return row === undefined ? undefined : toRecord(row as Row);
  }

  listWithHolder(): readonly LeaseRecord[] {
    return this.#withHolder.all().map((row) => toRecord(row as Row));
  }
}

interface Row {
  readonly session_id: SessionId;
  readonly holder: string | null;
  readonly lease_sha256: Uint8Array | null;
  readonly fence: number;
}

const toRecord = (row: Row): LeaseRecord => ({
  sessionId: row.session_id,
  holder: row.holder,
  leaseSha256: row.lease_sha256,
  fence: row.fence,
});
