// One session whose log grows, on its way to the index: waits for growth where the index is, and lets a flood collect.
// Like any viewer it asks the runner for growth only when all before it was taken.

import type { Session } from '../sessions/session.ts';
import type { LogNews } from './wire.ts';

/** A round costs a message or two and a commit: a flood has one a second, what is typed has one now and then. */
const FLOOD_BYTES = 64 * 1024;
const FLOOD_PAUSE_MS = 1000;
const PAUSE_MS = 100;

export class Followed {
  readonly session: Session;
  readonly #post: (news: LogNews) => void;
  /** Told up to there, and taken up to there. */
  #told = -1;
  #taken = -1;
  #toldAt = 0;
  #pause = 0;
  #timer: NodeJS.Timeout | undefined;
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

  /** It may have its log only now. */
  nudge(): void {
    if (this.#told < 0) this.tell();
  }

  /** There is something that was not taken yet. */
  get isBehind(): boolean {
    const log = this.#log();
    return log !== undefined && log.head.place > Math.max(0, this.#taken);
  }

  /** Tells of what there is, and goes on when that was taken. Also the way to begin, and to begin again. */
  tell(): void {
    const log = this.#log();
    // Not started yet, or deleted: it will be heard of again.
    if (log === undefined || this.#isOver) return;
    this.#cancel();
    const { head, oldest } = log;
    this.#pause = head.place - this.#told >= FLOOD_BYTES ? FLOOD_PAUSE_MS : PAUSE_MS;
    this.#told = head.place;
    this.#toldAt = performance.now();
    this.#post(newsOf(this.session, { head, oldest, isFinal: false }));
  }

  did(place: number): void {
    this.#taken = Math.max(this.#taken, place);
    if (place < this.#told || this.#isOver || this.#timer !== undefined || this.#cancelWait !== undefined) return;
    const rest = this.#toldAt + this.#pause - performance.now();
    if (rest <= 0) this.#wait();
    else {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#wait();
      }, rest);
      this.#timer.unref();
    }
  }

  /** Nothing was taken: another index has begun. */
  reset(): void {
    this.#taken = -1;
    this.#told = -1;
    this.tell();
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
    const cancel = log.wait(this.#told, () => {
      this.#cancelWait = undefined;
      if (isInside) hasGrown = true;
      else this.tell();
    });
    isInside = false;
    if (hasGrown) this.tell();
    else this.#cancelWait = cancel;
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
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
