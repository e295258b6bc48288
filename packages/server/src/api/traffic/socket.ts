// WebSocket of one viewer of /ws/pty-traffic: its subscriptions and messages. The only writer to its socket.

import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { BinnacleError, CODES, type Code, type TrafficServerMessage } from '@binnacle/protocol';
import type { WebSocket } from 'ws';
import type { Principal } from '../../access/principal.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { VERSION } from '../../base/version.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { LiveConnection, Liveness } from '../stream/liveness.ts';
import { parseTrafficMessage, type Subscribe } from './messages.ts';
import { type SubscriptionOutlet, TrafficSubscription } from './subscription.ts';

/** Maximum subscriptions per connection: each of them handles every change of any session. */
const MAX_SUBSCRIPTIONS = 16;
/** Maximum subscriptions being opened. At the limit the socket is not read until one is open. */
const MAX_UNDER_WAY = 64;
/** Maximum bytes sent per event-loop turn: see api/ws/websocket.ts. */
const TURN_BYTES = 64 * 1024;
/** Maximum bytes of replies that a stalled viewer leaves unread; output waits in the log. */
const MAX_UNTAKEN_BYTES = 1024 * 1024;
const CLOSE_MS = 1000;

export interface TrafficParts {
  /** The sessions that the principal may see. */
  readonly seen: SeenSessions;
  readonly liveness: Liveness;
  /** Maximum sessions followed at once. */
  readonly maxFollowed: number;
  /** Default: 16. */
  readonly maxSubscriptions?: number;
  /** Calls `close` when the principal loses access; see `Auth.hold`. */
  hold(principal: Principal, close: (why: BinnacleError) => void): () => void;
  onClose(): void;
}

export class TrafficSocket implements SubscriptionOutlet, LiveConnection {
  readonly maxFollowed: number;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #seen: SeenSessions;
  readonly #maxSubscriptions: number;
  readonly #subscriptions = new Map<string, TrafficSubscription>();
  readonly #release: (() => void)[];
  /** Serial queue of subscriptions being opened, in order of request. */
  readonly #opening = new SerialQueue();
  #underWay = 0;
  #followed = 0;
  #isAdvancing = false;
  #sentInTurn = 0;
  #untakenBytes = 0;
  #isOver = false;
  heardAt = performance.now();
  fullSince: number | undefined;

  constructor(ws: WebSocket, socket: Socket, principal: Principal, parts: TrafficParts) {
    this.#ws = ws;
    this.#socket = socket;
    this.#seen = parts.seen;
    this.maxFollowed = parts.maxFollowed;
    this.#maxSubscriptions = parts.maxSubscriptions ?? MAX_SUBSCRIPTIONS;
    this.#release = [
      parts.liveness.watch(this),
      parts.hold(principal, (why) => this.close(why.code)),
      () => parts.onClose(),
    ];
    socket.on('drain', this.#socketOnDrain);
    ws.on('message', (data, isBinary) => this.#wsOnMessage(data as Buffer, isBinary));
    // Some clients know only the ping of the WebSocket protocol and answer only that.
    for (const sign of ['ping', 'pong'] as const) {
      ws.on(sign, () => {
        this.heardAt = performance.now();
      });
    }
    ws.on('close', () => this.#wsOnClose());
    // Raised for a malformed frame. ws closes with the fitting code and then waits long for the peer's close frame; the
    // timer cuts that wait.
    ws.on('error', () => {
      this.#stop();
      setTimeout(() => this.#ws.terminate(), CLOSE_MS).unref();
    });
    this.say({ type: 'connected', connection_id: randomUUID(), timestamp: Date.now(), version: VERSION });
  }

  get hasRoom(): boolean {
    return !this.#isOver && !this.#socket.writableNeedDrain;
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
    if (this.#isAdvancing || this.#isOver) return;
    this.#isAdvancing = true;
    setImmediate(() => {
      this.#isAdvancing = false;
      const [first] = this.#subscriptions;
      for (const subscription of [...this.#subscriptions.values()]) subscription.advance();
      // Rotates the order, so that another subscription is first the next time.
      if (first !== undefined && this.#subscriptions.delete(first[0])) this.#subscriptions.set(...first);
    });
  }

  show(message: TrafficServerMessage): void {
    this.#send(message);
  }

  say(message: TrafficServerMessage): void {
    const length = this.#send(message);
    if (length === 0 || !this.#socket.writableNeedDrain) return;
    this.#untakenBytes += length;
    if (this.#untakenBytes > MAX_UNTAKEN_BYTES) this.close('too_slow');
  }

  ping(): void {
    // A ping queued after unread output proves nothing; liveness measures the stall.
    if (this.fullSince === undefined) this.say({ type: 'ping', timestamp: Date.now() });
    if (!this.#isOver) this.#ws.ping();
  }

  cut(code: Extract<Code, 'no_pong' | 'too_slow' | 'going_away'>): void {
    this.close(code);
  }

  /** Closes the socket with the close code and the reason. */
  close(code: Code): void {
    if (this.#isOver) return;
    this.#stop();
    const row = CODES[code];
    this.#ws.close('close' in row ? row.close : 1011, code);
    setTimeout(() => this.#ws.terminate(), CLOSE_MS).unref();
  }

  #send(message: TrafficServerMessage): number {
    if (this.#isOver) return 0;
    const text = JSON.stringify(message);
    this.#ws.send(text);
    this.#sentInTurn += text.length;
    if (this.#socket.writableNeedDrain) this.fullSince ??= performance.now();
    return text.length;
  }

  readonly #socketOnDrain = (): void => {
    // The socket of a fast reader drains within the same event-loop turn. Without this pause that reader would starve
    // all others.
    if (this.#sentInTurn > TURN_BYTES) setImmediate(this.#resume);
    else this.#resume();
  };

  readonly #resume = (): void => {
    this.#sentInTurn = 0;
    this.#untakenBytes = 0;
    this.fullSince = undefined;
    for (const [id, subscription] of this.#subscriptions) {
      subscription.resume();
      if (this.hasRoom) continue;
      // Moves this subscription to the end, so that the next one is resumed first: no starvation.
      if (this.#subscriptions.delete(id)) this.#subscriptions.set(id, subscription);
      return;
    }
  };

  #wsOnMessage(data: Buffer, isBinary: boolean): void {
    this.heardAt = performance.now();
    if (this.#isOver) return;
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
    const subscription = new TrafficSubscription(request, this.#seen, this);
    this.#subscriptions.set(id, subscription);
    this.#underWay += 1;
    if (this.#underWay === MAX_UNDER_WAY) this.#ws.pause();
    void this.#opening.run(() => this.#open(subscription));
  }

  async #open(subscription: TrafficSubscription): Promise<void> {
    try {
      // A subscription dropped while it waited in the queue: nothing was sent about it, and nothing will be.
      if (!subscription.isOver) await subscription.open();
    } catch (error) {
      if (subscription.isOver) return;
      this.#drop(subscription.id);
      this.#refuse(subscription.id, error);
    } finally {
      if (this.#underWay === MAX_UNDER_WAY) this.#ws.resume();
      this.#underWay -= 1;
    }
  }

  #drop(id: string): void {
    const subscription = this.#subscriptions.get(id);
    this.#subscriptions.delete(id);
    subscription?.stop();
  }

  #refuse(id: string | undefined, error: unknown): void {
    const known = BinnacleError.of(error);
    this.say({ type: 'error', ...(id === undefined ? {} : { id }), error: known.toWire() });
  }

  #wsOnClose(): void {
    this.#stop();
    for (const release of this.#release) release();
  }

  #stop(): void {
    this.#isOver = true;
    for (const subscription of this.#subscriptions.values()) subscription.stop();
    this.#subscriptions.clear();
  }
}
