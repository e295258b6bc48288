// The lease of a session as a part of its store: the holder, requests for the lease, and how this client lost or got
// it. Knows no React.

import type { Lease, LeaseInfo, Watcher } from '@binnacle/protocol';
import type { LeaseRequest } from '../../session/client-lease.ts';
import type { Session } from '../../session/session.ts';
import { lostTo, type SteerOwner } from '../terminal/steer.ts';

/** The lease of a session, as components see it. */
export interface LeaseSnapshot {
  /** The holder of the lease; null if it is free. */
  readonly lease: LeaseInfo | null;
  /** Whether this client holds the lease. */
  readonly isYours: boolean;
  /** Whether this client is acquiring the lease. */
  readonly isBusy: boolean;
  /** Client that took the lease from this one; null if it expired; undefined if it was not lost. */
  readonly lostTo: string | null | undefined;
  /** The client that asks this one for the lease. */
  readonly requester: Watcher | undefined;
  /** Whether this client asked the holder for the lease. */
  readonly hasRequested: boolean;
  /** Name of the client that handed the lease to this one. */
  readonly receivedFrom: string | undefined;
}

export const NO_LEASE_YET: LeaseSnapshot = {
  lease: null,
  isYours: false,
  isBusy: false,
  lostTo: undefined,
  requester: undefined,
  hasRequested: false,
  receivedFrom: undefined,
};

/** Notices that a person reads and closes. */
export type LeaseReport = 'lostTo' | 'requester' | 'hasRequested' | 'receivedFrom';

export class LeaseFollower implements SteerOwner {
  /** Handle that all components share: the lease belongs to it. */
  readonly session: Session;
  readonly #changed: (change: Partial<LeaseSnapshot>) => void;
  readonly #undo: (() => void)[] = [];
  /** Fencing number of the last reported holder. */
  #fence: number | undefined;

  constructor(session: Session, changed: (change: Partial<LeaseSnapshot>) => void) {
    this.session = session;
    this.#changed = changed;
  }

  get holds(): boolean {
    return this.session.lease.current !== null;
  }

  begin(): void {
    const { lease } = this.session;
    this.#undo.push(
      lease.on('change', ({ lease: now }) => this.#takeHolder(now)),
      lease.on('requested', (requester) => this.#changed({ requester })),
      // The news of it came before it, and knew nothing of ours yet.
      lease.on('received', ({ by }) => {
        const { info } = lease;
        this.#changed({ lease: info, isYours: true, lostTo: undefined, hasRequested: false, receivedFrom: by });
      }),
      lease.on('lost', (error) => {
        this.#changed({ lease: lease.info, isYours: false, lostTo: lostTo(error) });
      }),
    );
  }

  stop(): void {
    for (const end of this.#undo.splice(0)) end();
  }

  /** Acquires the lease if it is free, or takes it from its holder. */
  async hold(action: 'acquire' | 'take', request: LeaseRequest = {}): Promise<Lease> {
    this.#changed({ isBusy: true });
    try {
      const lease = await this.session.lease[action](request);
      const { holder, fence, expiresInMs } = lease;
      this.#changed({ lease: { holder, fence, expiresInMs }, isYours: this.holds, lostTo: undefined });
      return lease;
    } finally {
      this.#changed({ isBusy: false });
    }
  }

  async release(): Promise<void> {
    this.#changed(this.holds ? NO_LEASE_YET : { lostTo: undefined });
    await this.session.lease.release();
  }

  /** Asks the holder for the lease. */
  async request(): Promise<void> {
    this.#changed({ hasRequested: true });
    try {
      await this.session.lease.request();
    } catch (error) {
      this.#changed({ hasRequested: false });
      throw error;
    }
  }

  /** Hands the lease over to a client that follows the session. */
  async transfer(to: string): Promise<void> {
    this.#changed({ requester: undefined });
    await this.session.lease.transferTo(to);
    this.#changed({ lease: this.session.lease.info, isYours: this.holds });
  }

  /** Forgets a report that was read. */
  dismiss(report: LeaseReport): void {
    this.#changed({ [report]: NO_LEASE_YET[report] });
  }

  #takeHolder(lease: LeaseInfo | null): void {
    // A new holder: requests to the former holder are obsolete.
    const isOther = lease?.fence !== this.#fence;
    this.#fence = lease?.fence;
    this.#changed({
      lease,
      isYours: this.holds,
      ...(isOther ? { hasRequested: false, requester: undefined } : {}),
    });
  }
}
