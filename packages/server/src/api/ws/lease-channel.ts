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
import type { Principal } from '../../access/principal.ts';
import type { ConnectionPresence } from '../../presence/connection-presence.ts';
import type { LeaseRecipient, Watchers } from '../../presence/presence.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { ttlOf } from '../schemas/fields.ts';

type LeaseFrame = Extract<ClientFrame, { t: 'lease' }>;

export interface HelmDeskParts {
  readonly connection: string;
  readonly principal: Principal;
  readonly seen: SeenSessions;
  readonly watchers: Watchers;
  readonly seats: ConnectionPresence;
  isFollowing(session: string): boolean;
  /** Reports that a followed session is deleted or no longer visible to this client. Nothing more is sent about it. */
  lost(session: string, why: BinnacleError): void;
  say(body: ServerBody): boolean;
  ok(ref: number | undefined, result?: OkResult): void;
}

export class HelmDesk implements LeaseRecipient {
  readonly #parts: HelmDeskParts;
  readonly #held = new Set<string>();
  /** Sessions whose lease this connection is handing over now: the change must not be reported as a loss. */
  readonly #giving = new Set<string>();
  /** Functions that stop the lease notifications, by session. */
  readonly #heard = new Map<string, () => void>();
  readonly #withdraw: () => void;
  #isOver = false;

  constructor(parts: HelmDeskParts) {
    this.#parts = parts;
    this.#withdraw = parts.watchers.offerLeaseRecipient(parts.connection, this);
  }

  /** True while this connection holds the lease of any session. */
  get isDriving(): boolean {
    return this.#held.size > 0;
  }

  async handle(frame: LeaseFrame, session: Session): Promise<void> {
    const { connection, ok } = this.#parts;
    const { lease: helm } = session;
    switch (frame.action) {
      case 'acquire':
      case 'take': {
        const options = { take: frame.action === 'take', connection };
        const ttlMs = ttlOf(frame);
        // A guest cannot choose another name.
        const { name, reach } = this.#parts.principal;
        const holder = reach === null ? (frame.holder ?? name) : name;
        const granted = await helm.acquire(holder, ttlMs === undefined ? options : { ...options, ttlMs });
        if (this.#isOver) helm.connectionOnClose(connection);
        ok(frame.ref, granted);
        break;
      }
      case 'renew':
        ok(frame.ref, helm.renew(frame.lease, connection));
        break;
      case 'release':
        helm.release(frame.lease, connection);
        ok(frame.ref, { released: true });
        break;
      case 'ask':
        this.#ask(session);
        ok(frame.ref);
        break;
      case 'hand_over':
        await this.#handOver(session, frame.lease, frame.to ?? '');
        ok(frame.ref, { released: true });
        break;
    }
    if (helm.belongsTo(connection)) this.#holds(session);
  }

  leaseRequested(session: Session, by: Watcher): void {
    // The request names the asker, to guests as well: everyone who can see the session sees who steers, and the asker
    // wants to.
    this.#parts.say({ t: 'lease_asked', session: session.id, by });
  }

  leaseTransferred(session: Session, lease: Lease, by: string): void {
    if (this.#isOver) {
      session.lease.connectionOnClose(this.#parts.connection);
      return;
    }
    this.#holds(session);
    this.#parts.say({ t: 'lease_given', session: session.id, lease, by });
  }

  /** Starts notifications of lease changes for a session that this connection follows or steers. */
  hear(session: Session): void {
    if (this.#heard.has(session.id)) return;
    let last = leaseKey(session.lease.info);
    const stopListening = session.listen({
      changed: () => {
        const info = session.lease.info;
        if (leaseKey(info) === last) return;
        last = leaseKey(info);
        this.#helmOnChange(session, info);
      },
      deleted: () => this.#parts.lost(session.id, new BinnacleError('session_gone')),
    });
    const letGo = this.#parts.seen.hold(session, (why) => this.#lose(session, why));
    this.#heard.set(session.id, () => {
      stopListening();
      letGo();
    });
  }

  unhear(session: string): void {
    if (this.#held.has(session)) return;
    this.#heard.get(session)?.();
    this.#heard.delete(session);
  }

  stop(): void {
    this.#isOver = true;
    this.#withdraw();
    for (const unhear of this.#heard.values()) unhear();
    this.#heard.clear();
    for (const id of this.#held) this.#letGo(id);
    this.#held.clear();
  }

  #holds(session: Session): void {
    this.#held.add(session.id);
    this.hear(session);
  }

  #ask(session: Session): void {
    const { connection, principal, seats, watchers } = this.#parts;
    const own = seats.own(session.id);
    const { lease: helm, id } = session;
    if (helm.info === null) throw new BinnacleError('helm_free');
    if (helm.belongsTo(connection)) throw new BinnacleError('bad_request', { message: 'You hold the helm yourself.' });
    const hand = watchers.leaseRecipientOf(helm.connection);
    if (hand === undefined) throw new BinnacleError('holder_unreachable', { details: { holder: helm.info.holder } });
    const retryAfterMs = watchers.requestAgainIn(id, principal.id);
    if (retryAfterMs > 0) throw new BinnacleError('asked_lately', { details: { retryAfterMs } });
    hand.leaseRequested(session, own);
  }

  async #handOver(session: Session, lease: string | undefined, to: string): Promise<void> {
    const { connection, principal, watchers } = this.#parts;
    const { lease: helm, id } = session;
    const seat = watchers.find(id, to);
    if (seat === undefined) throw new BinnacleError('watcher_not_found');
    if (seat.connection === connection) {
      throw new BinnacleError('bad_request', { message: 'That is you: hand the helm over to somebody else.' });
    }
    const hand = watchers.leaseRecipientOf(seat.connection);
    if (!seat.watcher.maySteer || hand === undefined || seat.connection === undefined) {
      throw new BinnacleError('watcher_cannot_steer', { message: `${seat.watcher.name} can only watch.` });
    }
    const by = helm.info?.holder ?? principal.name;
    this.#giving.add(id);
    try {
      const given = await helm.transfer(lease, seat.watcher.name, { from: connection, connection: seat.connection });
      hand.leaseTransferred(session, given, by);
    } finally {
      this.#giving.delete(id);
    }
  }

  /** Handles the loss of access to a session: stops its notifications and releases its lease. */
  #lose(session: Session, why: BinnacleError): void {
    if (this.#held.delete(session.id)) session.lease.connectionOnClose(this.#parts.connection);
    this.#parts.lost(session.id, why);
  }

  #helmOnChange(session: Session, info: LeaseInfo | null): void {
    const { id } = session;
    const isOurs = session.lease.belongsTo(this.#parts.connection);
    const wasOurs = this.#held.has(id);
    if (isOurs) this.#held.add(id);
    else this.#held.delete(id);
    const frame = { t: 'lease', session: id, lease: info, yours: isOurs } as const;
    if (!wasOurs || isOurs || this.#giving.has(id)) this.#parts.say(frame);
    else this.#parts.say({ ...frame, lost: lossOf(session).toWire() });
    if (!isOurs && !this.#parts.isFollowing(id)) this.unhear(id);
  }

  #letGo(session: string): void {
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
  if (info === null) return new BinnacleError('lease_lost', { message: 'The helm was released.' });
  return new BinnacleError('taken_over', {
    message: `${info.holder} took the helm.`,
    details: { holder: info.holder },
  });
}
