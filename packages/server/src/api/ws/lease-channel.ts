// The leases of one WebSocket connection: acquires, requests and hands them over, and notifies the client of lease
// changes in the sessions that it follows.

import {
  BinnacleError,
  type ClientFrame,
  type Lease,
  type LeaseInfo,
  type OkResult,
  type ServerBody,
  type Watcher,
} from '@binnacle/protocol';
import { holderNameOf } from '../../access/guest-policy.ts';
import type { Principal } from '../../access/principal.ts';
import type { ConnectionPresence } from '../../presence/connection-presence.ts';
import type { LeaseRecipient, Watchers } from '../../presence/presence.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { ttlOf } from '../schemas/fields.ts';

type LeaseFrame = Extract<ClientFrame, { t: 'lease' }>;

export interface LeaseChannelParts {
  readonly connection: string;
  readonly principal: Principal;
  readonly seen: SeenSessions;
  readonly watchers: Watchers;
  readonly presence: ConnectionPresence;
  isFollowing(session: string): boolean;
  /** Reports that a followed session is deleted or no longer visible to this client. Nothing more is sent about it. */
  lost(session: string, why: BinnacleError): void;
  say(body: ServerBody): boolean;
  ok(ref: number | undefined, result?: OkResult): void;
}

export class LeaseChannel implements LeaseRecipient {
  readonly #parts: LeaseChannelParts;
  readonly #leased = new Set<string>();
  /** Sessions whose lease this connection is handing over now: the change must not be reported as a loss. */
  readonly #transferring = new Set<string>();
  /** Functions that stop the lease notifications, by session. */
  readonly #watched = new Map<string, () => void>();
  readonly #withdraw: () => void;
  #isOver = false;

  constructor(parts: LeaseChannelParts) {
    this.#parts = parts;
    this.#withdraw = parts.watchers.offerLeaseRecipient(parts.connection, this);
  }

  get guest(): string | undefined {
    const { guest, id } = this.#parts.principal;
    return guest === null ? undefined : id;
  }

  get isDriving(): boolean {
    return this.#leased.size > 0;
  }

  async handle(frame: LeaseFrame, session: Session): Promise<void> {
    const { connection, ok } = this.#parts;
    const { lease: sessionLease } = session;
    switch (frame.action) {
      case 'acquire':
      case 'take': {
        const options = { take: frame.action === 'take', connection };
        const ttlMs = ttlOf(frame);
        const holder = holderNameOf(this.#parts.principal, frame.holder);
        const granted = await sessionLease.acquire(holder, ttlMs === undefined ? options : { ...options, ttlMs });
        if (this.#isOver) sessionLease.connectionOnClose(connection);
        ok(frame.ref, granted);
        break;
      }
      case 'renew':
        ok(frame.ref, sessionLease.renew(frame.lease, connection));
        break;
      case 'release':
        sessionLease.release(frame.lease, connection);
        ok(frame.ref, { released: true });
        break;
      case 'ask':
        this.#requestLease(session);
        ok(frame.ref);
        break;
      case 'hand_over':
        await this.#transfer(session, frame.lease, frame.to ?? '');
        ok(frame.ref, { released: true });
        break;
    }
    if (sessionLease.belongsTo(connection)) this.#addLease(session);
  }

  leaseRequested(session: Session, by: Watcher): void {
    // The request names its sender, to guests as well: everyone who can see the session sees who steers, and the sender
    // wants to.
    this.#parts.say({ t: 'lease_asked', session: session.id, by });
  }

  leaseTransferred(session: Session, lease: Lease, by: string): void {
    if (this.#isOver) {
      session.lease.connectionOnClose(this.#parts.connection);
      return;
    }
    this.#addLease(session);
    this.#parts.say({ t: 'lease_given', session: session.id, lease, by });
  }

  /** Starts notifications of lease changes for a session that this connection follows or steers. */
  watch(session: Session): void {
    if (this.#watched.has(session.id)) return;
    let last = leaseKey(session.lease.info);
    const stopListening = session.listen({
      changed: () => {
        const info = session.lease.info;
        if (leaseKey(info) === last) return;
        last = leaseKey(info);
        this.#leaseOnChange(session, info);
      },
      deleted: () => this.#parts.lost(session.id, new BinnacleError('session_gone')),
    });
    const release = this.#parts.seen.hold(session, (why) => this.#loseAccess(session, why));
    this.#watched.set(session.id, () => {
      stopListening();
      release();
    });
  }

  unwatch(session: string): void {
    if (this.#leased.has(session)) return;
    this.#watched.get(session)?.();
    this.#watched.delete(session);
  }

  stop(): void {
    this.#isOver = true;
    this.#withdraw();
    for (const unwatch of this.#watched.values()) unwatch();
    this.#watched.clear();
    for (const id of this.#leased) this.#release(id);
    this.#leased.clear();
  }

  #addLease(session: Session): void {
    this.#leased.add(session.id);
    this.watch(session);
  }

  #requestLease(session: Session): void {
    const { connection, principal, presence, watchers } = this.#parts;
    const own = presence.own(session.id);
    const { lease: sessionLease, id } = session;
    if (sessionLease.info === null) throw new BinnacleError('helm_free');
    if (sessionLease.belongsTo(connection))
      throw new BinnacleError('bad_request', { message: 'You are in control yourself.' });
    const recipient = watchers.leaseRecipientOf(sessionLease.connection);
    if (recipient === undefined)
      throw new BinnacleError('holder_unreachable', { details: { holder: sessionLease.info.holder } });
    const retryAfterMs = watchers.requestAgainIn(id, principal.id);
    if (retryAfterMs > 0) throw new BinnacleError('asked_lately', { details: { retryAfterMs } });
    recipient.leaseRequested(session, own);
  }

  async #transfer(session: Session, lease: string | undefined, to: string): Promise<void> {
    const { connection, principal, watchers } = this.#parts;
    const { lease: sessionLease, id } = session;
    const entry = watchers.find(id, to);
    if (entry === undefined) throw new BinnacleError('watcher_not_found');
    if (entry.connection === connection) {
      throw new BinnacleError('bad_request', { message: 'This watcher is you: hand over control to another watcher.' });
    }
    const recipient = watchers.leaseRecipientOf(entry.connection);
    if (!entry.watcher.maySteer || recipient === undefined || entry.connection === undefined) {
      throw new BinnacleError('watcher_cannot_steer', { message: `${entry.watcher.name} can only watch.` });
    }
    const by = sessionLease.info?.holder ?? principal.name;
    this.#transferring.add(id);
    try {
      const transferred = await sessionLease.transfer(lease, entry.watcher.name, {
        from: connection,
        connection: entry.connection,
      });
      recipient.leaseTransferred(session, transferred, by);
    } finally {
      this.#transferring.delete(id);
    }
  }

  /** Handles the loss of access to a session: stops its notifications and releases its lease. */
  #loseAccess(session: Session, why: BinnacleError): void {
    if (this.#leased.delete(session.id)) session.lease.connectionOnClose(this.#parts.connection);
    this.#parts.lost(session.id, why);
  }

  #leaseOnChange(session: Session, info: LeaseInfo | null): void {
    const { id } = session;
    const isOurs = session.lease.belongsTo(this.#parts.connection);
    const wasOurs = this.#leased.has(id);
    if (isOurs) this.#leased.add(id);
    else this.#leased.delete(id);
    const frame = { t: 'lease', session: id, lease: info, yours: isOurs } as const;
    if (!wasOurs || isOurs || this.#transferring.has(id)) this.#parts.say(frame);
    else this.#parts.say({ ...frame, lost: lossOf(session).toWire() });
    if (!isOurs && !this.#parts.isFollowing(id)) this.unwatch(id);
  }

  #release(session: string): void {
    try {
      this.#parts.seen.get(session).lease.connectionOnClose(this.#parts.connection);
    } catch {
      // The session was deleted together with its lease.
    }
  }
}

const leaseKey = (info: LeaseInfo | null): string => (info === null ? '' : `${info.fence} ${info.holder}`);

/** Returns the reason why a holder lost the lease. */
function lossOf({ isHosted, lease: { info } }: Session): BinnacleError {
  if (!isHosted) return new BinnacleError('session_exited');
  if (info === null) return new BinnacleError('lease_lost', { message: 'Control was released.' });
  return new BinnacleError('taken_over', {
    message: `${info.holder} took control.`,
    details: { holder: info.holder },
  });
}
