// Notifications about the output and state of one session: the first at once, then throttled to one per second. Waits
// for log growth like every viewer and reads nothing, so a flood costs one notification per second.

import { BinnacleError } from '@binnacle/protocol';
import { Timer } from '../../base/timer.ts';
import type { Session } from '../../sessions/session.ts';

/** Minimum interval: a client reads the resource, up to 256 KiB, after each notification. */
const EVERY_MS = 1000;

export interface OutputListener {
  changed(): void;
  /** Called once, when the program has ended or its runner has died. */
  exited(): void;
  /** Called when the session is deleted; no call follows. */
  deleted(): void;
}

export class OutputWatch {
  readonly #session: Session;
  readonly #listener: OutputListener;
  readonly #unlisten: () => void;
  #seen: number;
  #state: string;
  #notifiedAt = Number.NEGATIVE_INFINITY;
  readonly #timer = new Timer();
  #cancelWait: (() => void) | undefined;
  #isOver = false;

  /** Starts watching; `stop` ends it. */
  constructor(session: Session, listener: OutputListener) {
    this.#session = session;
    this.#listener = listener;
    this.#seen = this.#log()?.head.place ?? 0;
    this.#state = session.info.state;
    this.#unlisten = session.listen({
      changed: () => this.#checkState(),
      deleted: () => {
        if (this.#isOver) return;
        this.stop();
        listener.changed();
        listener.deleted();
      },
    });
    this.#waitForGrowth();
  }

  stop(): void {
    this.#isOver = true;
    this.#unlisten();
    this.#timer.clear();
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  #checkState(): void {
    // A starting session has no log to wait for yet.
    if (this.#cancelWait === undefined && !this.#timer.isSet) this.#waitForGrowth();
    const { state, running } = this.#session.info;
    if (state === this.#state || this.#isOver) return;
    const wasRunning = this.#state === 'starting' || this.#state === 'running';
    this.#state = state;
    this.#notify();
    if (wasRunning && !running) this.#listener.exited();
  }

  #waitForGrowth(): void {
    const log = this.#log();
    if (log === undefined || this.#isOver) return;
    let isInside = true;
    let hasGrown = false;
    const cancel = log.wait(this.#seen, () => {
      this.#cancelWait = undefined;
      if (isInside) hasGrown = true;
      else this.#notify();
    });
    isInside = false;
    if (hasGrown) this.#notify();
    else this.#cancelWait = cancel;
  }

  /** Notifies now, or when the interval is over; changes in between are combined. */
  #notify(): void {
    if (this.#timer.isSet || this.#isOver) return;
    const rest = this.#notifiedAt + EVERY_MS - performance.now();
    if (rest > 0) this.#timer.set(rest, () => this.#notifyNow());
    else this.#notifyNow();
  }

  #notifyNow(): void {
    this.#notifiedAt = performance.now();
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#seen = this.#log()?.head.place ?? this.#seen;
    this.#listener.changed();
    this.#waitForGrowth();
  }

  #log(): Session['log'] | undefined {
    try {
      return this.#session.log;
    } catch (error) {
      if (error instanceof BinnacleError) return undefined;
      throw error;
    }
  }
}
