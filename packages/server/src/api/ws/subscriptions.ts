// The sessions that one WebSocket connection follows: how each begins, whose turn it is when there is room again, and
// the screens that some begin with. Knows no helm and no socket.

import { BinnacleError, type ClientFrame, type From, formatPosition, type ServerBody } from '@binnacle/protocol';
import { askerOf, type Principal } from '../../access/principal.ts';
import { positionOf } from '../../cursor/start-position.ts';
import type { SessionScreens } from '../../screen/session-screens.ts';
import type { Drawn } from '../../screen/wire.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { snapshotOf } from '../stream/snapshot.ts';
import { type EncodedFrame, tail } from './encode.ts';
import { type Outlet, Subscription } from './subscription.ts';

type SubscribeFrame = Extract<ClientFrame, { t: 'subscribe' }>;

export interface SubscriptionsParts {
  readonly principal: Principal;
  readonly seen: SeenSessions;
  readonly screens: SessionScreens;
  readonly maxSubscriptions: number;
  /** The socket takes no more now. */
  isFull(): boolean;
  /** As that of an `Outlet`. */
  send(frame: EncodedFrame, sent?: () => void): boolean;
  say(body: ServerBody): boolean;
  refuse(error: unknown, session: string): void;
  began(session: Session): void;
  left(session: string): void;
}

export class Subscriptions implements Outlet {
  readonly #parts: SubscriptionsParts;
  /** The next one that has its turn first. */
  readonly #all = new Map<string, Subscription>();
  /** Done when the last screen was drawn and sent. */
  #lastScreen: Promise<void> = Promise.resolve();
  readonly #waitingForRoom = new Set<() => void>();
  #isOver = false;

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
  }

  has(session: string): boolean {
    return this.#all.has(session);
  }

  /** Takes the place of one that there is. Throws `too_many_subscriptions`, and what reading throws. */
  async begin({ session: id, from = 'start', ref }: SubscribeFrame): Promise<void> {
    const { seen, maxSubscriptions, say, send, began } = this.#parts;
    const session = seen.get(id);
    await session.refresh();
    const screen = typeof from === 'object' && 'screen' in from ? await this.#screenOf(session, from.at) : undefined;
    const at = await positionOf(session.log, screen?.position ?? (from as From));
    if (this.#isOver) return;
    // Whose it is may have changed while we waited.
    seen.get(session.id);
    // Only now: others may have begun while we waited.
    if (this.#all.size >= maxSubscriptions && !this.#all.has(session.id)) {
      throw new BinnacleError('too_many_subscriptions', { details: { limit: maxSubscriptions } });
    }
    // The place among those who follow it stays.
    this.#all.get(session.id)?.stop();
    this.#all.delete(session.id);
    const subscription = new Subscription(session, seen, at, this);
    this.#all.set(session.id, subscription);
    began(session);
    say({
      t: 'subscribed',
      ...(ref === undefined ? {} : { ref }),
      session: session.id,
      from: formatPosition(at),
      info: seen.infoOf(session),
    });
    // One at a time, and when there was room: it may be larger than what is left to wait.
    if (screen !== undefined && !this.#isOver) send(tail({ t: 'screen', session: session.id, ...snapshotOf(screen) }));
    subscription.start();
  }

  drop(session: string): void {
    this.#all.get(session)?.stop();
    this.#all.delete(session);
    this.#parts.left(session);
  }

  /** There is room again. */
  resume(): void {
    this.#letIn();
    for (const [id, subscription] of this.#all) {
      subscription.resume();
      if (!this.#parts.isFull()) continue;
      // The next one is first in line when there is room again.
      this.#all.delete(id);
      this.#all.set(id, subscription);
      return;
    }
  }

  stop(): void {
    this.#isOver = true;
    this.#letIn();
    for (const subscription of this.#all.values()) subscription.stop();
    this.#all.clear();
  }

  send(frame: EncodedFrame, sent?: () => void): boolean {
    return this.#parts.send(frame, sent);
  }

  failed({ session }: Subscription, error: unknown): void {
    this.drop(session.id);
    this.#parts.refuse(error, session.id);
  }

  ended({ session }: Subscription): void {
    this.#all.delete(session.id);
    this.#parts.left(session.id);
  }

  /** One after the other, each when the one before it was taken: a viewer who takes nothing costs one. */
  #screenOf(session: Session, at?: number): Promise<Drawn> {
    const { screens, principal } = this.#parts;
    const drawing = this.#lastScreen.then(async () => {
      await this.#room();
      return await screens.of(session, at === undefined ? undefined : { offset: at, by: askerOf(principal) });
    });
    this.#lastScreen = drawing.then(turn, turn);
    return drawing;
  }

  async #room(): Promise<void> {
    while (!this.#isOver && this.#parts.isFull()) {
      await new Promise<void>((resolve) => this.#waitingForRoom.add(resolve));
    }
    if (this.#isOver) throw new BinnacleError('connection_lost');
  }

  #letIn(): void {
    for (const resolve of [...this.#waitingForRoom]) resolve();
    this.#waitingForRoom.clear();
  }
}

/** What was sent has reached the socket by then. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
