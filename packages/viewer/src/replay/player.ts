// Plays the log of a session into a screen with its original timing: from any moment, faster, paused, or with long
// pauses shortened.

import type { Session } from '@binnacle/client';
import { type BinnacleError, defined, type SessionInfo, type Timeline } from '@binnacle/protocol';
import { asFailure } from '../model/failure.ts';
import { isOfRun } from '../terminal/command-marks.ts';
import type { Screen } from '../terminal/screen.ts';

export const SPEEDS = [1, 2, 4, 8, 16] as const;
export type Speed = (typeof SPEEDS)[number];

export interface PlaybackState {
  /** `seeking`: the screen of the moment is loading. `over`: the end was reached. */
  readonly phase: 'seeking' | 'paused' | 'playing' | 'over';
  /** The shown moment, ms since 1970. */
  readonly time: number;
  /** Output bytes before the shown moment. */
  readonly offset: number;
  readonly cols: number;
  readonly rows: number;
  readonly error: BinnacleError | undefined;
}

/** Duration of a long pause if pauses are shortened, whatever the speed. */
export const SHORT_PAUSE_MS = 1000;
/** Throttle for state updates. */
const REPORT_MS = 100;
// Bytes before the moment to draw for pipes, which have no stored screen: some screenfuls.
const BEFORE_BYTES = 32 * 1024;

export class Player {
  readonly #session: Session;
  readonly #info: SessionInfo;
  readonly #screen: Screen;
  readonly #changed: (change: Partial<PlaybackState>) => void;
  #aborter = new AbortController();
  #speed: Speed = 1;
  #isShort = true;
  #isPaused = true;
  /** True after a read failure: nothing is playing. */
  #isFailed = false;
  /** Drawn output bytes, as far as known. */
  #offset = 0;
  /** Ends the current sleep early, so that pause, speed and position are checked again. */
  #wake: (() => void) | undefined;
  #time = 0;
  #reportedAt = 0;

  constructor(session: Session, info: SessionInfo, screen: Screen, changed: (change: Partial<PlaybackState>) => void) {
    this.#session = session;
    this.#info = info;
    this.#screen = screen;
    this.#changed = changed;
    if (info.runs !== null) screen.runs.followLog();
  }

  /**
   * Shows the moment, and plays on from there unless paused. `offset`: output before the moment, as far as known;
   * `isMark`: `offset` is exact, and other output of the same millisecond comes later.
   */
  seek(time: number, offset: number, isMark = false): void {
    this.stop();
    const { signal } = this.#aborter;
    this.#time = time;
    this.#offset = offset;
    this.#isFailed = false;
    this.#changed({ phase: 'seeking', time, offset, error: undefined });
    this.#run(time, offset, isMark ? offset : Number.POSITIVE_INFINITY, signal).catch((cause: unknown) => {
      if (signal.aborted) return;
      this.#isFailed = true;
      this.#isPaused = true;
      this.#changed({ phase: 'paused', time: this.#time, error: asFailure(cause) });
    });
  }

  play(): void {
    this.#isPaused = false;
    if (this.#isFailed) this.seek(this.#time, this.#offset);
    else this.#changed({ phase: 'playing' });
    this.#wake?.();
  }

  pause(): void {
    this.#isPaused = true;
    this.#changed({ phase: 'paused', time: this.#time });
    this.#wake?.();
  }

  /** Sets the speed factor, and whether long pauses take a second. */
  pace(speed: Speed, isShort: boolean): void {
    this.#speed = speed;
    this.#isShort = isShort;
    this.#wake?.();
  }

  stop(): void {
    this.#aborter.abort();
    this.#aborter = new AbortController();
    this.#wake?.();
  }

  /** Shows the output up to the moment and before `end`, then plays on. */
  async #run(moment: number, at: number, end: number, signal: AbortSignal): Promise<void> {
    const screen = this.#screen;
    const session = this.#session;
    const info = this.#info;
    const oldest = Math.max(at, info.oldestOffset);
    let since = Math.max(info.oldestOffset, oldest - BEFORE_BYTES);
    let shownOffset = since;
    let isShown = false;
    if (info.mode === 'pty') {
      const shown = await session.screen({ at: oldest, signal });
      signal.throwIfAborted();
      screen.clear();
      this.#resize(shown);
      await screen.write(new TextEncoder().encode(shown.data));
      since = shown.offset;
      shownOffset = since;
    } else screen.clear();
    const show = async (): Promise<void> => {
      isShown = true;
      await screen.settled();
      signal.throwIfAborted();
      this.#changed({ phase: this.#isPaused ? 'paused' : 'playing', time: moment, offset: shownOffset });
    };
    for await (const entry of session.entries({ since, signal })) {
      signal.throwIfAborted();
      if (entry.kind !== 'gap' && (entry.time > moment || ('bytes' in entry && entry.offset >= end))) {
        if (!isShown) await show();
        await this.#until(entry.time, signal);
        this.#report(shownOffset);
      }
      if ('bytes' in entry) {
        await screen.write(entry.bytes, undefined, entry.kind);
        shownOffset = entry.offset + entry.bytes.length;
        this.#offset = shownOffset;
      } else if (entry.kind === 'event' && isOfRun(entry.data)) {
        await screen.settled();
        screen.runs.apply(entry.data);
      } else if (entry.kind === 'resize' && info.mode === 'pty') {
        await screen.settled();
        this.#resize(entry.data);
      }
    }
    signal.throwIfAborted();
    if (!isShown) await show();
    await screen.settled();
    this.#isPaused = true;
    this.#changed({ phase: 'over', time: this.#time, offset: shownOffset });
  }

  #resize({ cols, rows }: { readonly cols: number; readonly rows: number }): void {
    this.#screen.resize({ cols, rows });
    this.#screen.letterbox();
    this.#changed({ cols, rows });
  }

  /** Waits until the playback reaches that moment. */
  async #until(moment: number, signal: AbortSignal): Promise<void> {
    const whole = moment - this.#time;
    while (this.#time < moment) {
      signal.throwIfAborted();
      if (this.#isPaused) {
        await this.#sleep(undefined);
        continue;
      }
      // Based on the whole pause, not on its rest: the rest would become short over and over again.
      const pace = this.#isShort ? Math.max(this.#speed, whole / SHORT_PAUSE_MS) : this.#speed;
      const begun = performance.now();
      await this.#sleep(Math.min((moment - this.#time) / pace, REPORT_MS));
      // A timer may fire late.
      this.#time = Math.min(moment, this.#time + (performance.now() - begun) * pace);
      this.#report(undefined);
    }
    // The moment may be in the past, if several events have the same time.
    this.#time = Math.max(this.#time, moment);
    while (this.#isPaused) {
      signal.throwIfAborted();
      await this.#sleep(undefined);
    }
    signal.throwIfAborted();
  }

  async #sleep(ms: number | undefined): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #report(offset: number | undefined): void {
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = now;
    this.#changed({ time: this.#time, ...defined({ offset }) });
  }
}

/** Returns the output bytes before a moment, as exact as the timeline: never too many. */
export function offsetAt({ points, marks }: Timeline, time: number): number {
  const before = points.findLast((point) => point.time <= time);
  const mark = marks.findLast((one) => one.time <= time);
  return Math.max(before?.offset ?? 0, mark?.offset ?? 0);
}
