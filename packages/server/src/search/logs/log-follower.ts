// Follows one growing session log for the index, a batch at a time. Like any viewer, waits at the runner only after the
// index has taken everything before (back-pressure).

import { everyMs } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { LogNews } from '../wire.ts';

/**
 * Delay between growth and its report, for floods and typing alike. A round costs two messages and a commit: a key must
 * not begin one. A search does not wait that long (search.ts).
 */
const BATCH = everyMs(1000);

/** The part of a log that the index has not taken. */
export interface IndexLag {
  readonly isForeign: boolean;
  readonly behindBytes: number;
}

export class LogFollower implements IndexLag {
  readonly session: Session;
  readonly #post: (news: LogNews) => void;
  /** Places up to which growth was reported to the index, and taken by it. */
  #reported = -1;
  #taken = -1;
  #cancelWait: (() => void) | undefined;
  #isOver = false;

  constructor(session: Session, post: (news: LogNews) => void) {
    this.session = session;
    this.#post = post;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Begins to follow if the session did not have a log before. */
  nudge(): void {
    if (this.#reported < 0) this.report();
  }

  get isForeign(): boolean {
    return this.session.record.foreign !== null;
  }

  get behindBytes(): number {
    return Math.max(0, (this.#log()?.head.place ?? 0) - Math.max(0, this.#taken));
  }

  /** Reports the current head, and continues when the index has taken it. Also begins, and begins again. */
  report(): void {
    const log = this.#log();
    // Not started yet, or deleted. The next event of the session tries again.
    if (log === undefined || this.#isOver) return;
    this.#cancel();
    const { head, oldest } = log;
    this.#reported = head.place;
    this.#post(newsOf(this.session, { head, oldest, isFinal: false }));
  }

  did(place: number): void {
    this.#taken = Math.max(this.#taken, place);
    if (place >= this.#reported && this.#cancelWait === undefined) this.#wait();
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
    this.#cancelWait = log.wait(this.#reported, () => this.report(), BATCH);
  }

  #cancel(): void {
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
