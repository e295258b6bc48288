// The sessions that one WebSocket connection follows: their start, round-robin order under back-pressure, and the
// screens that some subscriptions begin with.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import {
  BinnacleError,
  type ClientFrame,
  defined,
  formatPosition,
  type ScreenSnapshot,
  type ServerBody,
  type StartPosition,
} from '@binnacle/protocol';
import { callerKeyOf, type Principal } from '../../access/principal.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { positionOf } from '../../cursor/start-position.ts';
import type { SessionScreens } from '../../screen/session-screens.ts';
import type { RenderedScreen } from '../../screen/wire.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { LogStream } from '../stream/log-stream.ts';
import { resumeByTurns, type Wire } from '../stream/wire.ts';
import { EntryCodec, tail } from './entry-codec.ts';

type SubscribeFrame = Extract<ClientFrame, { t: 'subscribe' }>;

export interface SubscriptionsParts {
  readonly principal: Principal;
  readonly seen: SeenSessions;
  readonly screens: SessionScreens;
  readonly maxSubscriptions: number;
  readonly wire: Wire;
  say(body: ServerBody): boolean;
  refuse(error: unknown, session: string): void;
  began(session: Session): void;
  left(session: string): void;
}

export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  /** All subscriptions by session, in order of resumption: the first entry is resumed next. */
  readonly #all = new Map<string, LogStream>();
  /** The requested screens: the next is drawn when the last has been drawn and sent. */
  readonly #screens = new SerialQueue();
  readonly #waitingForRoom = new Set<() => void>();
  #isOver = false;

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
  }

  has(session: string): boolean {
    return this.#all.has(session);
  }

  /**
   * Starts a subscription, and replaces an existing subscription to the same session. Throws `too_many_subscriptions`
   * and the errors of reading a log.
   */
  async begin({ session: id, from = 'start', ref }: SubscribeFrame): Promise<void> {
    const { seen, maxSubscriptions, say, wire, began } = this.#parts;
    const session = seen.get(id);
    await session.refresh();
    const screen = typeof from === 'object' && 'screen' in from ? await this.#screenOf(session, from.at) : undefined;
    const at = await positionOf(session.log, screen?.position ?? (from as StartPosition));
    if (this.#isOver) return;
    // Checks access again: the owner of the session may have changed during the awaits.
    seen.get(session.id);
    // Checked after the awaits, because other subscriptions may have started meanwhile.
    if (this.#all.size >= maxSubscriptions && !this.#all.has(session.id)) {
      throw new BinnacleError('too_many_subscriptions', { details: { limit: maxSubscriptions } });
    }
    // `drop` is not called here, so that this client's presence entry stays.
    this.#all.get(session.id)?.stop();
    this.#all.delete(session.id);
    const stream = new LogStream({
      ...{ log: session.log, at, codec: new EntryCodec(session, seen, at), wire },
      over: (error) => {
        this.#all.delete(session.id);
        this.#parts.left(session.id);
        if (error !== undefined) this.#parts.refuse(error, session.id);
      },
    });
    this.#all.set(session.id, stream);
    began(session);
    say({
      t: 'subscribed',
      ...defined({ ref }),
      session: session.id,
      from: formatPosition(at),
      info: seen.infoOf(session),
    });
    // Sent outside of the limit on unread bytes, because a screen can exceed that limit. Screens go out one at a time,
    // and only after the socket had room.
    if (screen !== undefined && !this.#isOver)
      wire.write(tail({ t: 'screen', session: session.id, ...snapshotOf(screen) }));
    stream.start();
  }

  drop(session: string): void {
    this.#all.get(session)?.stop();
    this.#all.delete(session);
    this.#parts.left(session);
  }

  /** Resumes subscriptions when the socket has room again. */
  resume(): void {
    this.#wakeWaiters();
    resumeByTurns(
      this.#all,
      (stream) => stream.resume(),
      () => this.#parts.wire.isFull,
    );
  }

  stop(): void {
    this.#isOver = true;
    this.#wakeWaiters();
    for (const stream of this.#all.values()) stream.stop();
    this.#all.clear();
  }

  /**
   * Draws screens sequentially, each after the client has read the previous one: a client that reads nothing costs one
   * screen.
   */
  #screenOf(session: Session, at?: number): Promise<RenderedScreen> {
    const { screens, principal } = this.#parts;
    const drawing = this.#screens.run(async () => {
      await this.#room();
      return await screens.of(session, at === undefined ? undefined : { offset: at, by: callerKeyOf(principal) });
    });
    // By then the data has reached the socket.
    void this.#screens.run(yieldToEventLoop);
    return drawing;
  }

  async #room(): Promise<void> {
    while (!this.#isOver && this.#parts.wire.isFull) {
      await new Promise<void>((resolve) => this.#waitingForRoom.add(resolve));
    }
    if (this.#isOver) throw new BinnacleError('connection_lost');
  }

  #wakeWaiters(): void {
    for (const resolve of [...this.#waitingForRoom]) resolve();
    this.#waitingForRoom.clear();
  }
}

/** Returns a drawn screen without the fields that only the server uses. */
function snapshotOf(rendered: RenderedScreen): ScreenSnapshot {
  const { offset, position, cols, rows, data, scrollback, drawnFrom: renderedFrom, exact } = rendered;
  return { offset, position, cols, rows, data, scrollback, drawnFrom: renderedFrom, exact };
}
