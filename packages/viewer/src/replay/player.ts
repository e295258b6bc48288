// Plays the log of a session into a screen, by its times: from any moment, faster, paused, with long pauses made short.
// Knows no React.

import type { Session } from '@binnacle/client';
import type { BinnacleError, SessionInfo, Timeline } from '@binnacle/protocol';
import { asFailure } from '../model/failure.ts';
import { isOfRun } from '../terminal/command-marks.ts';
import type { Screen } from '../terminal/screen.ts';

export const SPEEDS = [1, 2, 4, 8, 16] as const;
export type Speed = (typeof SPEEDS)[number];

export interface Played {
  /** `seeking`: the screen of that moment is on its way. `over`: the end was reached. */
  readonly phase: 'seeking' | 'paused' | 'playing' | 'over';
  /** The moment that is shown, ms since 1970. */
  readonly time: number;
  /** Output bytes that are drawn. */
  readonly offset: number;
  readonly cols: number;
  readonly rows: number;
  readonly error: BinnacleError | undefined;
}

/** A pause that is longer takes so long where pauses are made short, whatever the speed. */
export const SHORT_PAUSE_MS = 1000;
/** Told at most so often. */
const TELL_MS = 100;
// Of pipes, which have no screen: some screenfuls before the moment.
const BEFORE_BYTES = 32 * 1024;

export class Player {
  private readonly session: Session;
  private readonly info: SessionInfo;
  private readonly screen: Screen;
  private readonly changed: (change: Partial<Played>) => void;
  private aborter: AbortController;
  private speed: Speed;
  private isShort: boolean;
  private isPaused: boolean;
  /** Nothing is being played: it could not be read. */
  private isFailed: boolean;
  /** Output bytes that are drawn, as far as is known. */
  private offset: number;
  /** Wakes who waits for a moment, when that is another one now. */
  private wake: (() => void) | undefined;
  private time: number;
  private toldAt: number;

  constructor(session: Session, info: SessionInfo, screen: Screen, changed: (change: Partial<Played>) => void) {
    this.session = session;
    this.info = info;
    this.screen = screen;
    this.changed = changed;
    if (info.runs !== null) screen.runs.told();
    this.aborter = new AbortController();
    this.speed = 1;
    this.isShort = true;
    this.isPaused = true;
    this.isFailed = false;
    this.offset = 0;
    this.wake = undefined;
    this.time = 0;
    this.toldAt = 0;
  }

  /**
   * Shows the moment, and plays on from there unless it is paused. `offset`: output before it, as far as is known;
   * `isMark`: all of it, and what else was printed within the same millisecond comes later.
   */
  seek(time: number, offset: number, isMark = false): void {
    this.stop();
    const { signal } = this.aborter;
    this.time = time;
    this.offset = offset;
    this.isFailed = false;
    this.changed({ phase: 'seeking', time, offset, error: undefined });
    this.run(time, offset, isMark ? offset : Number.POSITIVE_INFINITY, signal).catch((thrown: unknown) => {
      if (signal.aborted) return;
      this.isFailed = true;
      this.isPaused = true;
      this.changed({ phase: 'paused', time: this.time, error: asFailure(thrown) });
    });
  }

  play(): void {
    this.isPaused = false;
    if (this.isFailed) this.seek(this.time, this.offset);
    else this.changed({ phase: 'playing' });
    this.wake?.();
  }

  pause(): void {
    this.isPaused = true;
    this.changed({ phase: 'paused', time: this.time });
    this.wake?.();
  }

  /** How many times as fast, and whether long pauses take a second. */
  pace(speed: Speed, isShort: boolean): void {
    this.speed = speed;
    this.isShort = isShort;
    this.wake?.();
  }

  stop(): void {
    this.aborter.abort();
    this.aborter = new AbortController();
    this.wake?.();
  }

  /** Shows what was printed until the moment, and before `end`. */
  private async run(moment: number, at: number, end: number, signal: AbortSignal): Promise<void> {
    const { screen, session, info } = this;
    const oldest = Math.max(at, info.oldestOffset);
    let since = Math.max(info.oldestOffset, oldest - BEFORE_BYTES);
    let drawn = since;
    let isShown = false;
    if (info.mode === 'pty') {
      const shown = await session.screen({ at: oldest, signal });
      signal.throwIfAborted();
      screen.clear();
      this.resize(shown);
      await screen.write(new TextEncoder().encode(shown.data));
      since = shown.offset;
      drawn = since;
    } else screen.clear();
    const show = async (): Promise<void> => {
      isShown = true;
      await screen.settled();
      signal.throwIfAborted();
      this.changed({ phase: this.isPaused ? 'paused' : 'playing', time: moment, offset: drawn });
    };
    for await (const entry of session.entries({ since, signal })) {
      signal.throwIfAborted();
      if (entry.kind !== 'gap' && (entry.time > moment || ('bytes' in entry && entry.offset >= end))) {
        if (!isShown) await show();
        await this.until(entry.time, signal);
        this.tell(drawn);
      }
      if ('bytes' in entry) {
        await screen.write(entry.bytes, undefined, entry.kind);
        drawn = entry.offset + entry.bytes.length;
        this.offset = drawn;
      } else if (entry.kind === 'event' && isOfRun(entry.data)) {
        await screen.settled();
        screen.runs.apply(entry.data);
      } else if (entry.kind === 'resize' && info.mode === 'pty') {
        await screen.settled();
        this.resize(entry.data);
      }
    }
    signal.throwIfAborted();
    if (!isShown) await show();
    await screen.settled();
    this.isPaused = true;
    this.changed({ phase: 'over', time: this.time, offset: drawn });
  }

  private resize({ cols, rows }: { readonly cols: number; readonly rows: number }): void {
    this.screen.resize({ cols, rows });
    this.screen.letterbox();
    this.changed({ cols, rows });
  }

  /** Lets the time go on to that moment. */
  private async until(moment: number, signal: AbortSignal): Promise<void> {
    const whole = moment - this.time;
    while (this.time < moment) {
      signal.throwIfAborted();
      if (this.isPaused) {
        await this.sleep(undefined);
        continue;
      }
      // Of the whole pause, not of what is left of it: that would become short over and over again.
      const pace = this.isShort ? Math.max(this.speed, whole / SHORT_PAUSE_MS) : this.speed;
      const begun = performance.now();
      await this.sleep(Math.min((moment - this.time) / pace, TELL_MS));
      // The clock may have slept longer.
      this.time = Math.min(moment, this.time + (performance.now() - begun) * pace);
      this.tell(undefined);
    }
    // A moment that is behind us, as where several things happened in one.
    this.time = Math.max(this.time, moment);
    while (this.isPaused) {
      signal.throwIfAborted();
      await this.sleep(undefined);
    }
    signal.throwIfAborted();
  }

  private async sleep(ms: number | undefined): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.wake = undefined;
  }

  private tell(offset: number | undefined): void {
    const now = performance.now();
    if (now - this.toldAt < TELL_MS) return;
    this.toldAt = now;
    this.changed({ time: this.time, ...(offset === undefined ? {} : { offset }) });
  }
}

/** Output bytes before that moment, as near as the timeline tells: never behind it. */
export function offsetAt({ points, marks }: Timeline, time: number): number {
  const before = points.findLast((point) => point.time <= time);
  const mark = marks.findLast((one) => one.time <= time);
  return Math.max(before?.offset ?? 0, mark?.offset ?? 0);
}
