// One session whose output is looked at for what it tells of its program's activity. Reads like any viewer, but skips
// what a flood has too much of: nothing but marks is lost. Knows no driver and tells nobody but its owner.

import { SteadyClock } from '@binnacle/protocol';
import { Cursor } from '../cursor/cursor.ts';
import { positionOf } from '../cursor/start-position.ts';
import type { Entry, LogReader } from '../log/log.ts';
import type { Session } from '../sessions/session.ts';
import { type Activity, ActivityMachine, type ActivityTimes } from './activity-machine.ts';
import { dialogOf, hintsAtDialog } from './dialog.ts';
import { isOnlyTitles, Marks, type StatusMark, safeLine } from './marks.ts';
import { lastLineOf, QUESTION_BYTES } from './question.ts';
import type { LookTurns } from './scan-budget.ts';

export interface LookTimes extends ActivityTimes {
  /** From one look at the output to the next, at least. */
  readonly lookMs: number;
}

/** Contents of a screen. */
export interface Sight {
  readonly rows: readonly string[];
  readonly title: string;
}

export interface FollowerParts {
  /** True for a session that ran when the gateway began. */
  readonly isFromBefore: boolean;
  changed(): void;
  failed(error: unknown): void;
  /** Draws the screen; undefined where there is none. */
  see(session: Session): Promise<Sight | undefined>;
}

/** Read in one look; what is before it is skipped. */
export const LOOK_BYTES = 256 * 1024;
/** Read anew from the end of a log that another gateway has followed. */
const TAIL_BYTES = 64 * 1024;
/** Looked through for what a dialog is written with, before its screen is drawn. */
const WRITTEN_BYTES = 32 * 1024;
/** Of entries that are no output there may be any number. */
const LOOK_PAGES = 32;
/** Maximum multiple of `quietMs` per timer: a longer silence says nothing more. */
const LONGEST_QUIET = 5;
/** The runner collects what is typed for so long before it writes it into the log. */
const INPUT_AUDIT_MS = 1000;

export class ActivityFollower {
  readonly session: Session;
  readonly #times: LookTimes;
  readonly #turns: LookTurns;
  readonly #sights: LookTurns;
  readonly #parts: FollowerParts;
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
  /** Activity by the first reading of the log, of a session that ran when the gateway began. */
  #found: Activity | undefined;
  readonly #isFromBefore: boolean;
  /** Clock for times as the log has them: never goes back, not even when somebody sets the clock. */
  readonly #clock = new SteadyClock();
  /** Lead of the session's own clock over `#clock`: its runner may have begun before the clock was set back. */
  #aheadMs = 0;
  #looking: NodeJS.Timeout | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #seeing: NodeJS.Timeout | undefined;
  #isSeeing = false;
  /** Up to that output offset what was written is known to draw no dialog, or the screen was seen. */
  #seenTo = 0;
  #cancelWait: (() => void) | undefined;
  /** When the last report past the terminal was taken. */
  #takenAt: number | undefined;

  constructor(
    session: Session,
    times: LookTimes,
    turns: { readonly looks: LookTurns; readonly sights: LookTurns },
    parts: FollowerParts,
  ) {
    this.session = session;
    this.#isFromBefore = parts.isFromBefore;
    this.#turns = turns.looks;
    this.#sights = turns.sights;
    this.#times = times;
    this.#parts = parts;
    this.#machine = new ActivityMachine(session.record.createdAt, times);
  }

  /** When the program reported its state through the terminal, ms since 1970; undefined where the last report came past it. */
  get reportedInTerminalAt(): number | undefined {
    const { reportedAt } = this.#machine;
    return reportedAt === this.#takenAt ? undefined : reportedAt;
  }

  get now(): Activity {
    return this.#machine.now;
  }

  /** True while the session does what it did when the gateway began. */
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
      // The sign in its title, or its dialog, may be from before what was read.
      if (head.offset > TAIL_BYTES && lastLineOf(this.#tail).isDrawn) await this.#see(true);
      if (this.#isFromBefore) this.#found ??= this.#machine.now;
      this.#armSight();
      this.#armQuiet((this.#machine.quietAt ?? now) - now);
      this.#wait();
    } catch (error) {
      this.#parts.failed(error);
      return false;
    } finally {
      this.#isLooking = false;
    }
    if (!this.#isOver) this.#parts.changed();
    return true;
  }

  /** Somebody types, now. */
  typed(): void {
    this.#tail = Buffer.alloc(0);
    this.#machine.take({ kind: 'typed' }, this.#time());
    this.#settle();
  }

  /** The program reports its state past the terminal. */
  reported(status: StatusMark): void {
    this.#machine.take(status, this.#time());
    this.#takenAt = this.#machine.reportedAt;
    this.#settle();
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#looking);
    clearTimeout(this.#quiet);
    clearTimeout(this.#seeing);
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  /** Returns the time now, as the log would have it. */
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
    if (this.#hasWritten) this.#armQuiet(this.#quietMs);
    this.#armSight();
    this.#parts.changed();
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
    if (!isOnlyTitles(bytes)) {
      this.#hasWritten = true;
      this.#machine.take({ kind: 'output', bytes: bytes.length }, time);
    }
    for (const mark of this.#marks.take(bytes)) this.#machine.take(mark, time);
    if (kind !== 'tty') return;
    // Copied: the page is not ours.
    this.#tail = Buffer.concat([this.#tail, bytes.subarray(-QUESTION_BYTES)]).subarray(-QUESTION_BYTES);
  }

  readonly #lastLine = () => lastLineOf(this.#tail);

  #settle(): void {
    this.#armQuiet(this.#quietMs);
    this.#armSight();
    this.#parts.changed();
  }

  /** Until the machine has something to say of the silence. */
  get #quietMs(): number {
    const { quietAt } = this.#machine;
    return quietAt === undefined ? this.#times.quietMs : quietAt - this.#time();
  }

  #armQuiet(ms: number): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(
      () => {
        if (this.#isOver || this.#machine.quietAt === undefined) return;
        // What was written meanwhile is looked at first.
        if (this.#isLooking || this.#isQueued || this.#looking !== undefined) {
          this.#armQuiet(this.#times.lookMs);
          return;
        }
        this.#machine.pass(this.#machine.quietAt, this.#lastLine);
        this.#parts.changed();
      },
      Math.max(0, Math.min(ms, LONGEST_QUIET * this.#times.quietMs)),
    );
    this.#quiet.unref();
  }

  #armSight(): void {
    const { lookAt } = this.#machine;
    clearTimeout(this.#seeing);
    this.#seeing = undefined;
    if (lookAt === undefined || this.#isOver || this.#isSeeing) return;
    this.#seeing = setTimeout(
      () => {
        this.#seeing = undefined;
        this.#sights
          .take(() => this.#see())
          .then(() => {
            this.#armSight();
            this.#parts.changed();
          })
          .catch((error: unknown) => this.#fail(error));
      },
      Math.max(0, lookAt - this.#time()),
    );
    this.#seeing.unref();
  }

  /** Draws the screen, where it may show a dialog. */
  async #see(isForced = false): Promise<void> {
    const log = this.#log();
    if (log === undefined || this.#isOver || this.#isSeeing) return;
    this.#isSeeing = true;
    try {
      const to = log.head.offset;
      const isWorthIt = isForced || this.#machine.isSuspected || (await this.#hintsAtDialog(log, to));
      this.#seenTo = to;
      if (!isWorthIt) {
        this.#machine.overlook();
        return;
      }
      const sight = await this.#parts.see(this.session);
      if (this.#isOver) return;
      if (sight === undefined) {
        this.#machine.overlook();
        return;
      }
      const now = this.#time();
      if (sight.title !== '') this.#machine.take({ kind: 'title', text: safeLine(sight.title) }, now);
      this.#machine.saw(dialogOf(sight.rows), now);
    } catch {
      // Too many screens are drawn, or this one cannot be: what it wrote decides.
      this.#machine.overlook();
    } finally {
      this.#isSeeing = false;
    }
  }

  async #hintsAtDialog(log: LogReader, to: number): Promise<boolean> {
    const from = Math.max(this.#seenTo, to - WRITTEN_BYTES);
    const cursor = new Cursor(log, await positionOf(log, { offset: from }));
    const parts: Buffer[] = [];
    await this.#read(cursor, ({ kind, bytes }) => {
      if (kind === 'tty') parts.push(Buffer.from(bytes));
    });
    return hintsAtDialog(Buffer.concat(parts));
  }

  /** Its log is gone, or another one by now: it begins again when it is heard of. */
  #fail(error: unknown): void {
    this.#isLooking = false;
    this.#cursor = undefined;
    if (!this.#isOver) this.#parts.failed(error);
  }

  #log(): LogReader | undefined {
    try {
      return this.session.log;
    } catch {
      return undefined; // Not started yet, or deleted: it will be heard of again.
    }
  }
}
