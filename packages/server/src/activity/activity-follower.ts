// Follows the output of one session to detect its program's activity. Reads like any viewer, but skips output during a
// flood: only marks are lost. Reports to its owner only.

import { SteadyClock } from '@binnacle/protocol';
import { Timer } from '../base/timer.ts';
import { Cursor } from '../cursor/cursor.ts';
import { positionOf } from '../cursor/start-position.ts';
import { type Entry, everyMs, type LogReader } from '../log/log.ts';
import type { Session } from '../sessions/session.ts';
import { type Activity, ActivityMachine, type ActivityTimes } from './activity-machine.ts';
import { dialogOf, hintsAtDialog } from './dialog.ts';
import { isOnlyTitles, MarkParser, type StatusMark, safeLine } from './marks.ts';
import { lastLineOf, QUESTION_BYTES } from './question.ts';
import type { ScanBudget } from './scan-budget.ts';

export interface FollowerTimes extends ActivityTimes {
  /** Minimum delay between two reads of the output. */
  readonly readMs: number;
}

/** Contents of a screen. */
export interface ScreenContents {
  readonly rows: readonly string[];
  readonly title: string;
}

export interface FollowerParts {
  /** True for a session that ran when the gateway started. */
  readonly isFromBefore: boolean;
  changed(): void;
  failed(error: unknown): void;
  /** Draws the screen; undefined for a session without one. */
  see(session: Session): Promise<ScreenContents | undefined>;
}

/** Maximum bytes per read of the output; earlier output is skipped. */
export const MAX_SCAN_BYTES = 256 * 1024;
/** Bytes read from the end of a log that an earlier gateway has followed. */
const TAIL_BYTES = 64 * 1024;
/** Bytes searched for the words of a dialog before the screen is drawn. */
const WRITTEN_BYTES = 32 * 1024;
/** Maximum pages per read. Limits entries that are not output, which may be any number. */
const MAX_SCAN_PAGES = 32;
/** Delay of a read after the output, whose viewers go first: the echo of a key does not wait for this follower. */
const BEHIND_VIEWERS = everyMs(50);
/** Maximum multiple of `quietMs` per timer: a longer silence says nothing more. */
const LONGEST_QUIET = 5;
/** Time for which the runner collects typed input before it writes an entry to the log. */
const INPUT_AUDIT_MS = 1000;

export class ActivityFollower {
  readonly session: Session;
  readonly #times: FollowerTimes;
  readonly #readBudget: ScanBudget;
  readonly #screenBudget: ScanBudget;
  readonly #parts: FollowerParts;
  #machine: ActivityMachine;
  readonly #marks = new MarkParser();
  /** The last bytes on the terminal. */
  #tail = Buffer.alloc(0);
  #cursor: Cursor | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #isReading = false;
  /** True while the follower waits for its turn in the scan budget. */
  #isQueued = false;
  #hasWritten = false;
  #isOver = false;
  /** Activity after the first reading of the log, for a session that ran when the gateway started. */
  #found: Activity | undefined;
  readonly #isFromBefore: boolean;
  /** Clock for times as the log has them: never goes back, not even when the wall clock is set. */
  readonly #clock = new SteadyClock();
  /** Lead of the session's own clock over `#clock`: its runner may have started before the clock was set back. */
  #aheadMs = 0;
  readonly #readTimer = new Timer();
  readonly #quiet = new Timer();
  readonly #seeing = new Timer();
  #isSeeing = false;
  /** Output offset up to which the output is known to draw no dialog, or the screen was seen. */
  #seenTo = 0;
  #cancelWait: (() => void) | undefined;
  /** Time of the last report that did not come through the terminal. */
  #takenAt: number | undefined;
  /** True while the last report of work or of a wait is one that came through the terminal. */
  #isTurnInTerminal = false;

  constructor(
    session: Session,
    times: FollowerTimes,
    budgets: { readonly reads: ScanBudget; readonly screens: ScanBudget },
    parts: FollowerParts,
  ) {
    this.session = session;
    this.#isFromBefore = parts.isFromBefore;
    this.#readBudget = budgets.reads;
    this.#screenBudget = budgets.screens;
    this.#times = times;
    this.#parts = parts;
    this.#machine = new ActivityMachine(session.record.createdAt, times);
  }

  /**
   * Time when the program reported its state through the terminal, in ms since 1970; undefined if the last report came
   * another way.
   */
  get reportedInTerminalAt(): number | undefined {
    const { reportedAt } = this.#machine;
    return reportedAt === this.#takenAt ? undefined : reportedAt;
  }

  get now(): Activity {
    return this.#machine.now;
  }

  /** True while the session still has the activity that it had when the gateway started. */
  get isAsFound(): boolean {
    const { state, since } = this.now;
    return this.#found?.state === state && this.#found.since === since;
  }

  /**
   * Restores the state from the end of the log, then follows new output. Returns false if there is no log to read yet.
   */
  async begin(): Promise<boolean> {
    const log = this.#log();
    if (this.#isOver || this.#cursor !== undefined || this.#isReading) return true;
    if (log === undefined) return false;
    this.#isReading = true;
    try {
      const { head, epoch } = log;
      if (head.place > 0) await this.#catchUp();
      if (this.#isOver) return true;
      this.#cursor = new Cursor(log, { epoch, ...head });
      const now = this.#time();
      this.#machine.pass(now, this.#lastLine);
      // The sign in the title, or the dialog, may be from before the part that was read.
      if (head.offset > TAIL_BYTES && lastLineOf(this.#tail).movesCursor) await this.#see(true);
      if (this.#isFromBefore) this.#found ??= this.#machine.now;
      this.#armSight();
      this.#armQuiet((this.#machine.quietAt ?? now) - now);
      this.#wait();
    } catch (error) {
      this.#parts.failed(error);
      return false;
    } finally {
      this.#isReading = false;
    }
    if (!this.#isOver) this.#parts.changed();
    return true;
  }

  /** Handles input, which a user types now. */
  typed(): void {
    this.#tail = Buffer.alloc(0);
    this.#machine.take({ kind: 'typed' }, this.#time());
    this.#settle();
  }

  /**
   * Handles a report that did not come through the terminal. The end of a turn is ignored if the terminal reported its
   * start: Codex reports everything there, and runs its hook at the end of its hidden turns as well (titles).
   */
  reported(status: StatusMark): void {
    const isEnd = status.state === 'idle' || status.state === 'done';
    if (isEnd && this.#isTurnInTerminal) return;
    this.#isTurnInTerminal = false;
    this.#machine.take(status, this.#time());
    this.#takenAt = this.#machine.reportedAt;
    this.#settle();
  }

  stop(): void {
    this.#isOver = true;
    this.#readTimer.clear();
    this.#quiet.clear();
    this.#seeing.clear();
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  /** Returns the current time on the clock of the log. */
  #time(): number {
    return this.#clock.now() + this.#aheadMs;
  }

  /** Reads entry by entry, each with its time: a page of viewers may merge the output of an hour into one entry. */
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
    // The log gets input late: the output that this input answers had come before it was typed.
    if (this.#machine.now.since > at) return;
    this.#tail = Buffer.alloc(0);
    this.#machine.take({ kind: 'typed' }, at);
  }

  #wait(): void {
    const log = this.#log();
    if (log === undefined || this.#cursor === undefined || this.#isOver) return;
    this.#cancelWait = this.#cursor.wait(() => this.#readSoon(), BEHIND_VIEWERS);
  }

  #readSoon(): void {
    if (this.#isOver || this.#isQueued || this.#readTimer.isSet) return;
    const rest = this.#readAt + this.#times.readMs - performance.now();
    this.#readTimer.set(rest, () => {
      this.#isQueued = true;
      this.#readBudget
        .take(() => {
          this.#isQueued = false;
          return this.#readNew();
        })
        .catch((error: unknown) => this.#fail(error));
    });
  }

  async #readNew(): Promise<void> {
    const log = this.#log();
    if (log === undefined || this.#cursor === undefined || this.#isOver || this.#isReading) return;
    this.#isReading = true;
    this.#readAt = performance.now();
    this.#hasWritten = false;
    try {
      let cursor = this.#cursor;
      if (log.head.offset - cursor.position.offset > MAX_SCAN_BYTES) {
        this.#marks.skip();
        cursor = new Cursor(log, await positionOf(log, { offset: log.head.offset - MAX_SCAN_BYTES }));
      }
      await this.#read(cursor, (entry) => {
        this.#aheadMs = Math.max(this.#aheadMs, entry.time - this.#clock.now());
        this.#take(entry);
      });
      this.#cursor = cursor;
    } finally {
      this.#isReading = false;
    }
    if (this.#isOver) return;
    if (this.#hasWritten) this.#armQuiet(this.#quietMs);
    this.#armSight();
    this.#parts.changed();
    this.#wait();
  }

  /** Reads at most one slice, even while the log grows. */
  async #read(cursor: Cursor, take: (entry: Entry) => void): Promise<void> {
    const until = cursor.position.offset + MAX_SCAN_BYTES;
    for (let pages = 0; pages < MAX_SCAN_PAGES && cursor.position.offset < until && !this.#isOver; pages += 1) {
      const next = cursor.next();
      const reading = next instanceof Promise ? await next : next;
      if (reading.kind === 'head') return;
      if (reading.kind === 'gap') {
        this.#marks.skip();
        continue;
      }
      const { page } = reading;
      page.hold();
      for (const entry of page.pinnedEntries) take(entry);
      page.release();
    }
  }

  #take({ kind, time, bytes }: Entry): void {
    if (kind !== 'tty' && kind !== 'stdout' && kind !== 'stderr') return;
    if (!isOnlyTitles(bytes)) {
      this.#hasWritten = true;
      this.#machine.take({ kind: 'output', bytes: bytes.length }, time);
    }
    for (const mark of this.#marks.take(bytes)) {
      this.#machine.take(mark, time);
      const { kind } = mark;
      if (kind === 'status') this.#isTurnInTerminal = mark.state !== 'clear';
      else if (kind === 'prompt' || kind === 'input' || kind === 'ended') this.#isTurnInTerminal = false;
    }
    if (kind !== 'tty') return;
    // Copied: the memory belongs to the page.
    this.#tail = Buffer.concat([this.#tail, bytes.subarray(-QUESTION_BYTES)]).subarray(-QUESTION_BYTES);
  }

  readonly #lastLine = () => lastLineOf(this.#tail);

  #settle(): void {
    this.#armQuiet(this.#quietMs);
    this.#armSight();
    this.#parts.changed();
  }

  /** Delay until the machine can conclude something from the silence. */
  get #quietMs(): number {
    const { quietAt } = this.#machine;
    return quietAt === undefined ? this.#times.quietMs : quietAt - this.#time();
  }

  #armQuiet(ms: number): void {
    this.#quiet.set(Math.min(ms, LONGEST_QUIET * this.#times.quietMs), () => {
      if (this.#isOver || this.#machine.quietAt === undefined) return;
      // Output that came meanwhile is read first.
      if (this.#isReading || this.#isQueued || this.#readTimer.isSet) {
        this.#armQuiet(this.#times.readMs);
        return;
      }
      this.#machine.pass(this.#machine.quietAt, this.#lastLine);
      this.#parts.changed();
    });
  }

  #armSight(): void {
    const { screenCheckAt } = this.#machine;
    this.#seeing.clear();
    if (screenCheckAt === undefined || this.#isOver || this.#isSeeing) return;
    this.#seeing.set(screenCheckAt - this.#time(), () => {
      this.#screenBudget
        .take(() => this.#see())
        .then(() => {
          this.#armSight();
          this.#parts.changed();
        })
        .catch((error: unknown) => this.#fail(error));
    });
  }

  /** Draws the screen if it may show a dialog. */
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
      // Too many screens are being drawn, or this one cannot be: the output decides.
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

  /**
   * Handles a failed read: the log is gone or was replaced. The follower begins again at the next event of the session.
   */
  #fail(error: unknown): void {
    this.#isReading = false;
    this.#cursor = undefined;
    if (!this.#isOver) this.#parts.failed(error);
  }

  #log(): LogReader | undefined {
    try {
      return this.session.log;
    } catch {
      return undefined; // Not started yet, or deleted. The next event of the session tries again.
    }
  }
}
