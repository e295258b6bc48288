// One session whose output is looked at for what it tells of its program's activity. Reads like any viewer, but skips
// what a flood has too much of: nothing but marks is lost. Knows no driver and tells nobody but its owner.

import { SteadyClock } from '@binnacle/protocol';
import { Cursor } from '../cursor/cursor.ts';
import { positionOf } from '../cursor/from.ts';
import type { Entry, LogReader } from '../log/log.ts';
import type { Session } from '../session.ts';
import { type Activity, ActivityMachine, type ActivityTimes } from './activity-machine.ts';
import type { LookTurns } from './look-turns.ts';
import { Marks } from './marks.ts';
import { lastLineOf, QUESTION_BYTES } from './question.ts';

export interface LookTimes extends ActivityTimes {
  /** From one look at the output to the next, at least. */
  readonly lookMs: number;
}

/** Read in one look; what is before it is skipped. */
export const LOOK_BYTES = 256 * 1024;
/** Read anew from the end of a log that another gateway has followed. */
const TAIL_BYTES = 64 * 1024;
/** Of entries that are no output there may be any number. */
const LOOK_PAGES = 32;
/** The runner collects what is typed for so long before it writes it into the log. */
const INPUT_AUDIT_MS = 1000;

export class ActivityFollower {
  readonly session: Session;
  readonly #times: LookTimes;
  readonly #turns: LookTurns;
  readonly #changed: () => void;
  readonly #failed: (error: unknown) => void;
  #machine: ActivityMachine;
  readonly #marks = new Marks();
  /** The last bytes on the terminal. */
  #tail = Buffer.alloc(0);
  #cursor: Cursor | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  /** It is another session's turn. */
  #isQueued = false;
  #hasWritten = false;
  #isOver = false;
  /** What the log said at first, of a session that ran when the gateway began. */
  #found: Activity | undefined;
  readonly #isFromBefore: boolean;
  /** Of the log's times: they never go back, when the clock is set neither. */
  readonly #clock = new SteadyClock();
  /** How far the session's own clock is ahead of that: its runner may have begun before the clock was set back. */
  #aheadMs = 0;
  #looking: NodeJS.Timeout | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #cancelWait: (() => void) | undefined;

  constructor(
    session: Session,
    times: LookTimes,
    turns: LookTurns,
    tell: { changed(): void; failed(error: unknown): void; readonly isFromBefore: boolean },
  ) {
    this.session = session;
    this.#isFromBefore = tell.isFromBefore;
    this.#turns = turns;
    this.#times = times;
    this.#changed = () => tell.changed();
    this.#failed = (error) => tell.failed(error);
    this.#machine = new ActivityMachine(session.record.createdAt, times);
  }

  get now(): Activity {
    return this.#machine.now;
  }

  /** It does what it did when the gateway began. */
  get isAsFound(): boolean {
    const { state, since } = this.now;
    return this.#found?.state === state && this.#found.since === since;
  }

  /** Makes the state again of what the end of the log says, then goes on. False where there is no log to read yet. */
  async begin(): Promise<boolean> {
    const log = this.#log();
    if (this.#isOver || this.#cursor !== undefined || this.#isLooking) return true;
    if (log === undefined) return false;
    this.#isLooking = true;
    try {
      const { head, epoch } = log;
      if (head.place > 0) await this.#catchUp();
      if (this.#isOver) return true;
      this.#cursor = new Cursor(log, { epoch, ...head });
      const now = this.#time();
      this.#machine.pass(now, this.#lastLine);
      if (this.#isFromBefore) this.#found ??= this.#machine.now;
      this.#armQuiet((this.#machine.quietAt ?? now) - now);
      this.#wait();
    } catch (error) {
      this.#failed(error);
      return false;
    } finally {
      this.#isLooking = false;
    }
    if (!this.#isOver) this.#changed();
    return true;
  }

  /** Somebody types, now. */
  typed(): void {
    this.#tail = Buffer.alloc(0);
    this.#machine.take({ kind: 'typed' }, this.#time());
    this.#armQuiet(this.#times.quietMs);
    this.#changed();
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#looking);
    clearTimeout(this.#quiet);
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  /** As the log would say it. */
  #time(): number {
    return this.#clock.now() + this.#aheadMs;
  }

  /** Entry by entry, each with its time: in the pages of viewers what was written in an hour may be one. */
  async #catchUp(): Promise<void> {
    const reader = this.session.openEntries(() => undefined);
    try {
      const from = await positionOf(reader, { tail: TAIL_BYTES });
      if (from.offset > 0) this.#marks.skip();
      let isFirst = true;
      await this.#read(new Cursor(reader, from), (entry) => {
        if (isFirst && entry.offset > 0) this.#machine = new ActivityMachine(entry.time, this.#times);
        isFirst = false;
        this.#aheadMs = Math.max(this.#aheadMs, entry.time - this.#clock.now());
        this.#machine.pass(entry.time, this.#lastLine);
        if (entry.kind === 'input') this.#typedBefore(entry.time - INPUT_AUDIT_MS);
        else this.#take(entry);
      });
    } finally {
      reader.close();
    }
  }

  #typedBefore(at: number): void {
    // Written down late: what it answers had come before it was typed.
    if (this.#machine.now.since > at) return;
    this.#tail = Buffer.alloc(0);
    this.#machine.take({ kind: 'typed' }, at);
  }

  #wait(): void {
    const log = this.#log();
    const cursor = this.#cursor;
    if (log === undefined || cursor === undefined || this.#isOver) return;
    let isInside = true;
    let hasGrown = false;
    const cancel = cursor.wait(() => {
      this.#cancelWait = undefined;
      if (isInside) hasGrown = true;
      else this.#lookSoon();
    });
    isInside = false;
    if (hasGrown) this.#lookSoon();
    else this.#cancelWait = cancel;
  }

  #lookSoon(): void {
    if (this.#isOver || this.#isQueued || this.#looking !== undefined) return;
    const rest = this.#lookedAt + this.#times.lookMs - performance.now();
    // Never in the turn of those who are shown it.
    this.#looking = setTimeout(
      () => {
        this.#looking = undefined;
        this.#isQueued = true;
        this.#turns
          .take(() => {
            this.#isQueued = false;
            return this.#look();
          })
          .catch((error: unknown) => this.#fail(error));
      },
      Math.max(0, rest),
    );
    this.#looking.unref();
  }

  async #look(): Promise<void> {
    const log = this.#log();
    if (log === undefined || this.#cursor === undefined || this.#isOver || this.#isLooking) return;
    this.#isLooking = true;
    this.#lookedAt = performance.now();
    this.#hasWritten = false;
    try {
      let cursor = this.#cursor;
      if (log.head.offset - cursor.position.offset > LOOK_BYTES) {
        this.#marks.skip();
        cursor = new Cursor(log, await positionOf(log, { offset: log.head.offset - LOOK_BYTES }));
      }
      await this.#read(cursor, (entry) => {
        this.#aheadMs = Math.max(this.#aheadMs, entry.time - this.#clock.now());
        this.#take(entry);
      });
      this.#cursor = cursor;
    } finally {
      this.#isLooking = false;
    }
    if (this.#isOver) return;
    if (this.#hasWritten) this.#armQuiet(this.#times.quietMs);
    this.#changed();
    this.#wait();
  }

  /** Never longer than what a look may read, though the log grows on. */
  async #read(cursor: Cursor, take: (entry: Entry) => void): Promise<void> {
    const until = cursor.position.offset + LOOK_BYTES;
    for (let pages = 0; pages < LOOK_PAGES && cursor.position.offset < until && !this.#isOver; pages += 1) {
      const next = cursor.next();
      const reading = next instanceof Promise ? await next : next;
      if (reading.kind === 'head') return;
      if (reading.kind === 'gap') {
        this.#marks.skip();
        continue;
      }
      const { page } = reading;
      page.hold();
      for (const entry of page.heldEntries) take(entry);
      page.release();
    }
  }

  #take({ kind, time, bytes }: Entry): void {
    if (kind !== 'tty' && kind !== 'stdout' && kind !== 'stderr') return;
    this.#hasWritten = true;
    this.#machine.take({ kind: 'output' }, time);
    for (const mark of this.#marks.take(bytes)) this.#machine.take(mark, time);
    if (kind !== 'tty') return;
    // Copied: the page is not ours.
    this.#tail = Buffer.concat([this.#tail, bytes.subarray(-QUESTION_BYTES)]).subarray(-QUESTION_BYTES);
  }

  readonly #lastLine = () => lastLineOf(this.#tail);

  #armQuiet(ms: number): void {
    clearTimeout(this.#quiet);
    const { quietMs } = this.#times;
    this.#quiet = setTimeout(
      () => {
        if (this.#isOver || this.#machine.quietAt === undefined) return;
        // What was written meanwhile is looked at first.
        if (this.#isLooking || this.#isQueued || this.#looking !== undefined) {
          this.#armQuiet(this.#times.lookMs);
          return;
        }
        this.#machine.pass(this.#machine.quietAt, this.#lastLine);
        this.#changed();
      },
      Math.max(0, Math.min(ms, quietMs)),
    );
    this.#quiet.unref();
  }

  /** Its log is gone, or another one by now: it begins again when it is heard of. */
  #fail(error: unknown): void {
    this.#isLooking = false;
    this.#cursor = undefined;
    if (!this.#isOver) this.#failed(error);
  }

  #log(): LogReader | undefined {
    try {
      return this.session.log;
    } catch {
      return undefined; // Not started yet, or deleted: it will be heard of again.
    }
  }
}
