// Follows one growing session log for the index: waits for growth from the place that the index has reached, and
// batches a flood. Like any viewer, waits at the runner only after the index has taken everything before
// (back-pressure).

import { Timer } from '../base/timer.ts';
import type { Session } from '../sessions/session.ts';
import type { LogNews } from './wire.ts';

/**
 * Minimum growth of a flood, and minimum delay between rounds in a flood and otherwise. A round costs a message or two
 * and a commit: a flood has one per second, typing has one now and then.
 */
const FLOOD_BYTES = 64 * 1024;
const FLOOD_PAUSE_MS = 1000;
const PAUSE_MS = 100;

export class LogFollower {
  readonly session: Session;
  readonly #post: (news: LogNews) => void;
  /** Places up to which growth was reported to the index, and taken by it. */
  #reported = -1;
  #taken = -1;
  #reportedAt = 0;
  #pause = 0;
  readonly #timer = new Timer();
  #cancelWait: (() => void) | undefined;
  #isOver = false;

  constructor(session: Session, post: (news: LogNews) => void) {
    this.session = session;
    this.#post = post;
  }

  get taken(): number {
    return this.#taken;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Begins to follow if the session did not have a log before. */
  nudge(): void {
    if (this.#reported < 0) this.report();
  }

  /** True if the log has output that the index has not taken. */
  get isBehind(): boolean {
    const log = this.#log();
    return log !== undefined && log.head.place > Math.max(0, this.#taken);
  }

  /** Reports the current head, and continues when the index has taken it. Also begins, and begins again. */
  report(): void {
    const log = this.#log();
    // Not started yet, or deleted. The next event of the session tries again.
    if (log === undefined || this.#isOver) return;
    this.#cancel();
    const { head, oldest } = log;
    this.#pause = head.place - this.#reported >= FLOOD_BYTES ? FLOOD_PAUSE_MS : PAUSE_MS;
    this.#reported = head.place;
    this.#reportedAt = performance.now();
    this.#post(newsOf(this.session, { head, oldest, isFinal: false }));
  }

  did(place: number): void {
    this.#taken = Math.max(this.#taken, place);
    if (place < this.#reported || this.#isOver || this.#timer.isSet || this.#cancelWait !== undefined) return;
    const rest = this.#reportedAt + this.#pause - performance.now();
    if (rest <= 0) this.#wait();
    else this.#timer.set(rest, () => this.#wait());
  }

  /** Starts again from nothing: a new index has begun. */
  reset(): void {
    this.#taken = -1;
    this.#reported = -1;
    this.report();
  }

  stop(): void {
    this.#isOver = true;
    this.#cancel();
  }

  #wait(): void {
    const log = this.#log();
    if (log === undefined || this.#isOver) return;
    let isInside = true;
    let hasGrown = false;
    const cancel = log.wait(this.#reported, () => {
      this.#cancelWait = undefined;
      if (isInside) hasGrown = true;
      else this.report();
    });
    isInside = false;
    if (hasGrown) this.report();
    else this.#cancelWait = cancel;
  }

  #cancel(): void {
    this.#timer.clear();
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  #log(): Session['log'] | undefined {
    try {
      return this.session.log;
    } catch {
      return undefined;
    }
  }
}

export function newsOf(
  { id, record }: Pick<Session, 'id' | 'record'>,
  at: Pick<LogNews, 'head' | 'oldest' | 'isFinal'>,
): LogNews {
  const { conversation, foreign } = record;
  return {
    id,
    ...at,
    conversation,
    foreign: foreign === null ? null : { sessionId: foreign.sessionId, source: foreign.source, labels: foreign.labels },
  };
}
