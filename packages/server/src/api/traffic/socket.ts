// WebSocket of one viewer of /ws/pty-traffic: its subscriptions and messages.

import { randomUUID } from 'node:crypto';
import { BinnacleError, defined, type TrafficServerMessage } from '@binnacle/protocol';
import { SerialQueue } from '../../base/serial-queue.ts';
import { VERSION } from '../../base/version.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { type PeerParts, SocketPeer, type SocketProtocol } from '../stream/socket-peer.ts';
import { resumeByTurns } from '../stream/wire.ts';
import { parseTrafficMessage, type Subscribe } from './messages.ts';
import { type SubscriptionOutlet, TrafficSubscription } from './subscription.ts';

/** Maximum subscriptions per connection: each of them handles every change of any session. */
const MAX_SUBSCRIPTIONS = 16;
export interface TrafficParts extends PeerParts {
  /** The sessions that the principal may see. */
  readonly seen: SeenSessions;
  /** Maximum sessions followed at once. */
  readonly maxFollowed: number;
  /** Default: 16. */
  readonly maxSubscriptions?: number;
  onClose(): void;
}

export class TrafficSocket implements SubscriptionOutlet, SocketProtocol {
  readonly maxFollowed: number;
  readonly wire: SocketPeer;
  readonly #parts: TrafficParts;
  readonly #maxSubscriptions: number;
  readonly #subscriptions = new Map<string, TrafficSubscription>();
  /** Serial queue of subscriptions being opened, in order of request. */
  readonly #opening = new SerialQueue();
  #followed = 0;
  #isAdvancing = false;

  constructor(parts: TrafficParts) {
    this.#parts = parts;
    this.maxFollowed = parts.maxFollowed;
    this.#maxSubscriptions = parts.maxSubscriptions ?? MAX_SUBSCRIPTIONS;
    this.wire = new SocketPeer(parts, this);
    this.wire.begin();
    this.say({ type: 'connected', connection_id: randomUUID(), timestamp: Date.now(), version: VERSION });
  }

  get hasLine(): boolean {
    for (const { hasLine } of this.#subscriptions.values()) if (hasLine) return true;
    return false;
  }

  admit(): boolean {
    if (this.#followed >= this.maxFollowed) return false;
    this.#followed += 1;
    return true;
  }

  leave(): void {
    this.#followed -= 1;
    this.advanceSoon();
  }

  advanceSoon(): void {
    if (this.#isAdvancing || this.wire.isOver) return;
    this.#isAdvancing = true;
    setImmediate(() => {
      this.#isAdvancing = false;
      const [first] = this.#subscriptions;
      for (const subscription of [...this.#subscriptions.values()]) subscription.advance();
      // Rotates the order, so that another subscription is first the next time.
      if (first !== undefined && this.#subscriptions.delete(first[0])) this.#subscriptions.set(...first);
    });
  }

  say(message: TrafficServerMessage): void {
    this.wire.reply(JSON.stringify(message));
  }

  ping(): void {
    // A ping queued after unread output proves nothing; liveness measures the stall.
    if (!this.wire.isFull) this.say({ type: 'ping', timestamp: Date.now() });
    this.wire.pingSocket();
  }

  resume(): void {
    resumeByTurns(
      this.#subscriptions,
      (subscription) => subscription.resume(),
      () => this.wire.isFull,
    );
  }

  stop(): void {
    for (const subscription of this.#subscriptions.values()) subscription.stop();
    this.#subscriptions.clear();
  }

  closed(): void {
    this.#parts.onClose();
  }

  received(data: Buffer, isBinary: boolean): void {
    const message = parseTrafficMessage(data, isBinary);
    switch (message.type) {
      case 'bad':
        this.#refuse(message.id, message.error);
        return;
      case 'ping':
        this.say({ type: 'pong', timestamp: message.timestamp, server_timestamp: Date.now() });
        return;
      case 'pong':
        return;
      case 'unsubscribe':
        this.#drop(message.id);
        this.say({ type: 'unsubscribed', id: message.id });
        return;
      case 'subscribe':
        this.#subscribe(message);
    }
  }

  #subscribe(request: Subscribe): void {
    const { id } = request;
    if (this.#subscriptions.size >= this.#maxSubscriptions && !this.#subscriptions.has(id)) {
      const details = { limit: this.#maxSubscriptions };
      this.#refuse(id, new BinnacleError('too_many_subscriptions', { details }));
      return;
    }
    this.#drop(id);
    const subscription = new TrafficSubscription(request, this.#parts.seen, this);
    this.#subscriptions.set(id, subscription);
    this.wire.follow(
      this.#opening.run(() => this.#open(subscription)),
      () => undefined,
    );
  }

  async #open(subscription: TrafficSubscription): Promise<void> {
    try {
      // A subscription dropped while it waited in the queue: nothing was sent about it, and nothing will be.
      if (!subscription.isOver) await subscription.open();
    } catch (error) {
      if (subscription.isOver) return;
      this.#drop(subscription.id);
      this.#refuse(subscription.id, error);
    }
  }

  #drop(id: string): void {
    const subscription = this.#subscriptions.get(id);
    this.#subscriptions.delete(id);
    subscription?.stop();
  }

  #refuse(id: string | undefined, error: unknown): void {
    const known = BinnacleError.of(error);
    this.say({ type: 'error', ...defined({ id }), error: known.toWire() });
  }
}
