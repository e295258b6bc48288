// One viewer of /ws/pty-traffic: its subscriptions, its messages in and out. The only writer to its socket.

import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { BinnacleError, CODES, type Code, type TrafficServerMessage } from '@binnacle/protocol';
import type { WebSocket } from 'ws';
import type { Principal } from '../../access/principal.ts';
import { VERSION } from '../../base/version.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { Liveness, Watched } from '../stream/liveness.ts';
import { parseTrafficMessage, type Subscribe } from './messages.ts';
import { type SubscriptionOutlet, TrafficSubscription } from './subscription.ts';

/** Each is told of every change of any session. */
const MAX_SUBSCRIPTIONS = 16;
/** Subscriptions that are being made; beyond it we read no more of its messages until some are. */
const MAX_UNDER_WAY = 64;
/** Bytes sent without giving other sockets a turn: see api/ws/websocket.ts. */
const TURN_BYTES = 64 * 1024;
/** Answers that wait for a viewer who takes nothing; output waits in the log. */
const MAX_UNTAKEN_BYTES = 1024 * 1024;
const CLOSE_MS = 1000;

export interface TrafficParts {
  /** What its principal may see. */
  readonly seen: SeenSessions;
  readonly liveness: Liveness;
  /** Sessions that are followed at once. */
  readonly maxFollowed: number;
  /** Default 16. */
  readonly maxSubscriptions?: number;
  /** Watches over the principal; see `Auth.hold`. */
  hold(principal: Principal, close: (why: BinnacleError) => void): () => void;
  onClose(): void;
}

export class TrafficSocket implements SubscriptionOutlet, Watched {
  readonly maxFollowed: number;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #seen: SeenSessions;
  readonly #maxSubscriptions: number;
  readonly #subscriptions = new Map<string, TrafficSubscription>();
  readonly #release: (() => void)[];
  /** The subscription that is being made: one after the other, in the order in which they were asked for. */
  #making: Promise<void> = Promise.resolve();
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
    // Clients that know only the protocol's own ping answer that one.
    for (const sign of ['ping', 'pong'] as const) {
      ws.on(sign, () => {
        this.heardAt = performance.now();
      });
    }
    ws.on('close', () => this.#wsOnClose());
    // A malformed frame: ws answers with the fitting close code, then waits long for the peer's.
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
      // Another one is first in line the next time.
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
    // Behind what it does not take it would be no sign of anything; liveness counts how long that is so.
    if (this.fullSince === undefined) this.say({ type: 'ping', timestamp: Date.now() });
    if (!this.#isOver) this.#ws.ping();
  }

  cut(code: Extract<Code, 'no_pong' | 'too_slow' | 'going_away'>): void {
    this.close(code);
  }

  /** Says why, and closes. */
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
    // A fast reader's socket drains within the turn: without a pause it would keep all others waiting.
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
      // The next one is first in line when there is room again.
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

  #subscribe(asked: Subscribe): void {
    const { id } = asked;
    if (this.#subscriptions.size >= this.#maxSubscriptions && !this.#subscriptions.has(id)) {
      const details = { limit: this.#maxSubscriptions };
      this.#refuse(id, new BinnacleError('too_many_subscriptions', { details }));
      return;
    }
    this.#drop(id);
    const subscription = new TrafficSubscription(asked, this.#seen, this);
    this.#subscriptions.set(id, subscription);
    this.#underWay += 1;
    if (this.#underWay === MAX_UNDER_WAY) this.#ws.pause();
    this.#making = this.#making.then(() => this.#make(subscription));
  }

  async #make(subscription: TrafficSubscription): Promise<void> {
    try {
      // Dropped while it waited for its turn: nothing was told of it, and nothing will be.
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
