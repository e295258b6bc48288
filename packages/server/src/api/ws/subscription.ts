// Subscription to one session on a multiplexed connection: a pump and its frames.

import type { Position } from '@binnacle/protocol';
import { formatPosition, type SessionInfo } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import type { Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { type EncodedFrame, encodePage, tail } from './encode.ts';

/** The parts of a connection that a subscription needs. */
export interface FrameOutlet {
  /** Sends a frame; returns false when the socket is full. `sent` is called when the frame's memory is free again. */
  send(frame: EncodedFrame, sent?: () => void): boolean;
  failed(subscription: Subscription, error: unknown): void;
  ended(subscription: Subscription): void;
}

export class Subscription implements Sink {
  readonly session: Session;
  readonly #seen: SeenSessions;
  readonly #outlet: FrameOutlet;
  readonly #cursor: Cursor;
  readonly #pump: Pump;

  constructor(session: Session, seen: SeenSessions, at: Position, outlet: FrameOutlet) {
    this.session = session;
    this.#seen = seen;
    this.#outlet = outlet;
    this.#cursor = new Cursor(session.log, at);
    this.#pump = new Pump(this.#cursor, this);
  }

  start(): void {
    this.#pump.start();
  }

  resume(): void {
    this.#pump.resume();
  }

  stop(): void {
    this.#pump.stop();
  }

  page(page: Page): SinkResult {
    page.hold();
    const { frames, isLast } = encodePage(page, this.session.id, this.#seen);
    let hasRoom = true;
    for (const frame of frames) {
      page.hold();
      hasRoom = this.#outlet.send(frame, page.release);
    }
    page.release();
    if (isLast) return this.#end();
    return hasRoom ? 'more' : 'full';
  }

  gap(gap: Gap): SinkResult {
    const { from, to, reason, next } = gap;
    const frame = tail({ t: 'gap', session: this.session.id, from, to, reason, position: formatPosition(next) });
    return this.#outlet.send(frame) ? 'more' : 'full';
  }

  /**
   * Ends the subscription of a closed session even if its log lacks `closed`: a power loss can destroy the last entry.
   */
  caughtUp(): SinkResult {
    return this.session.isHosted ? 'more' : this.#end();
  }

  failed(error: unknown): void {
    this.#outlet.failed(this, error);
  }

  #end(): SinkResult {
    const info: SessionInfo = this.#seen.infoOf(this.session);
    this.#outlet.send(
      tail({ t: 'end', session: this.session.id, position: formatPosition(this.#cursor.position), info }),
    );
    this.#outlet.ended(this);
    return 'done';
  }
}
