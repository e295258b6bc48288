// Rows of leases: the holder of the write lease of each session, across restarts of the gateway.

import type { SessionId } from '@binnacle/protocol';
import { Store } from './table.ts';

export interface LeaseRecord {
  readonly sessionId: SessionId;
  /** Null without a holder; the row stays, because `fence` must never decrease. */
  readonly holder: string | null;
  /** SHA-256 of the holder's secret. */
  readonly leaseSha256: Uint8Array | null;
  readonly fence: number;
}

export class LeaseStore extends Store {
  readonly #leases = this.sql.table<LeaseRecord>('leases', {
    sessionId: 'text',
    holder: 'text',
    leaseSha256: ['lease_sha256', 'blob'],
    fence: 'integer',
  });
  // A fence smaller than the stored one is never written: it would let an old holder write again.
  readonly #put = this.#leases.upsert(
    ['sessionId'],
    ['holder', 'leaseSha256', 'fence'],
    'excluded.fence >= leases.fence',
  );
  readonly get = this.#leases.get('sessionId');

  /** Returns false, and changes nothing, if a newer fence is stored. */
  put(lease: LeaseRecord): boolean {
    return this.#put(lease) > 0;
  }
}
