// The flow from a session's log to a screen: the start, the order, and the end of the history.

import type { Attachment, Session } from '@binnacle/client';
import type { BinnacleError, SessionInfo, StartPosition, StartScreen } from '@binnacle/protocol';
import { asFailure } from '../model/failure.ts';
import { isOfRun } from '../terminal/command-marks.ts';
import { HistoryLoader, type HistoryState, NO_HISTORY } from '../terminal/history-loader.ts';
import type { Stream } from '../terminal/history-page.ts';
import { BareLines } from '../terminal/line-endings.ts';
import type { Screen } from '../terminal/screen.ts';
import { Seeker } from '../terminal/seek.ts';
import { trafficIn } from '../traffic/format.ts';

export interface FollowerState {
  /**
   * Phase of drawing. `past`: history is being drawn. `live`: drawing has caught up. `paused`: drawing stopped behind the
   * requested position, because much output follows. `over`: no more output will come.
   */
  readonly phase: 'past' | 'live' | 'paused' | 'over';
  /**
   * Offset from which the screen is drawn. Set if the initial screen may be incomplete: only later output was drawn for
   * it.
   */
  readonly roughFrom: number | undefined;
  /** State of the history above the drawn lines. */
  readonly above: HistoryState;
  /** The requested output offset once it is marked, or the next offset if the requested output is gone. */
  readonly place: { readonly at: number; readonly isRemoved: boolean } | undefined;
  /** Output bytes after the drawn part, in phase `paused`. */
  readonly ahead: number;
  /** The latest gap that was not dismissed. */
  readonly gap: Gap | undefined;
  /** Bytes that never arrived: the emitter of a foreign session had no room for them. */
  readonly lostBytes: number;
  /** Time of the last event from the emitter of a foreign session, ms since 1970; at most a second late. */
  readonly heardAt: number;
  /** The latest command that a foreign session reported. */
  readonly command: string | undefined;
  /** The reason why following ended early. */
  readonly error: BinnacleError | undefined;
  /** The session at its end, with the way it ended. */
  readonly ended: SessionInfo | undefined;
}

export const NOTHING_YET: FollowerState = {
  phase: 'past',
  roughFrom: undefined,
  above: NO_HISTORY,
  place: undefined,
  ahead: 0,
  gap: undefined,
  lostBytes: 0,
  heardAt: 0,
  command: undefined,
  error: undefined,
  ended: undefined,
};

/**
 * Start of drawing. `end`: all of a short log, or the current screen of a long one. `at`: around that output offset.
 */
export type DrawStart = 'end' | { readonly at: number };

/** Minimum length of a log that opens with its screen, or on pipes at its end: this much is drawn in a blink. */
export const TAIL_BYTES = 256 * 1024;
// Bytes drawn before a requested position: some screenfuls.
const BEFORE_BYTES = 16 * 1024;
// Maximum bytes of a cut line or escape sequence at the beginning of a tail; anything longer is no text anyway.
const RAGGED_BYTES = 4096;
const LINE_FEED = 0x0a;
const HEARD_EVERY_MS = 1000;
// CAN ends a sequence that a gap cut; the rest resets the colours.
const AFTER_GAP = new TextEncoder().encode('\x18\x1b[0m');

export class LogFollower {
  readonly #session: Session;
  readonly #screen: Screen;
  readonly #changed: (change: Partial<FollowerState>) => void;
  #attachment: Attachment | undefined;
  readonly #older: HistoryLoader;
  #isRendered = false;

  constructor(session: Session, screen: Screen, changed: (change: Partial<FollowerState>) => void) {
    this.#session = session;
    this.#screen = screen;
    this.#changed = changed;
    this.#older = new HistoryLoader(session, screen, (above) => changed({ above }));
  }

  /**
   * Draws the log of `info` from `start`, in place of the earlier drawing; then follows the log. `only`: one stream of
   * a session on pipes.
   */
  begin(info: SessionInfo, start: DrawStart, only?: Stream): void {
    this.stop();
    this.#screen.answer(false);
    if (this.#isRendered) this.#screen.clear();
    this.#isRendered = true;
    const beginning = logRangeOf(info, start);
    this.#changed(NOTHING_YET);
    this.#older.begin(info, beginning.isWhole, only);
    if (info.runs !== null) this.#screen.runs.followLog();
    try {
      const attachment = this.#session.attach(beginning.from);
      this.#attachment = attachment;
      this.#run(attachment, beginning, only).catch((cause: unknown) => {
        if (this.#attachment === attachment) this.#changed({ phase: 'over', error: asFailure(cause) });
      });
    } catch (cause) {
      this.#changed({ phase: 'over', error: asFailure(cause) });
    }
  }

  stop(): void {
    this.#older.stop();
    this.#pause();
  }

  /** Reports that the reader scrolls up and is near the first line. */
  reachUp(): void {
    this.#older.reach();
  }

  #pause(): void {
    this.#attachment?.detach();
    this.#attachment = undefined;
  }

  async #run(attachment: Attachment, beginning: LogRange, only: Stream | undefined): Promise<void> {
    const screen = this.#screen;
    const changed = this.#changed;
    const bare = new BareLines();
    let { ragged } = beginning;
    let seeker = beginning.at === undefined ? undefined : new Seeker(beginning.at, screen);
    let isLive = false;
    let lostBytes = 0;
    let heardAt = 0;
    // End of the history. A reconnect moves the end: output from the interruption is history, too, and its queries are
    // not for this page.
    const past = (): number => attachment.info?.outputOffset ?? 0;
    const arrived = (): void => {
      if (seeker?.mark !== undefined) {
        screen.showPlace();
        changed({ place: { at: seeker.at, isRemoved: seeker.mark > seeker.at } });
      }
      seeker = undefined;
    };
    const caughtUp = async (offset: number): Promise<void> => {
      if (isLive || offset < past()) return;
      isLive = true;
      await screen.settled();
      if (this.#attachment !== attachment) return;
      arrived();
      screen.answer(true);
      changed({ phase: 'live' });
    };
    for await (const event of attachment) {
      if (this.#attachment !== attachment) return;
      switch (event.type) {
        case 'attached':
          if (event.info.mode === 'pty') screen.resize(event.info);
          if (!beginning.isScreen) await caughtUp(beginning.first(event.info.outputOffset));
          break;
        case 'screen':
          screen.resize(event);
          await screen.write(new TextEncoder().encode(event.data), event.offset);
          if (!event.exact) changed({ roughFrom: event.drawnFrom });
          await caughtUp(event.offset);
          this.#older.markRuns();
          break;
        case 'output': {
          if (isLive && event.offset < past()) {
            isLive = false;
            screen.answer(false);
          }
          if (attachment.info?.foreign != null && bare.are(event.bytes)) screen.returnLines();
          const rest = ragged ? afterFirstLine(event.bytes) : event.bytes;
          ragged = false;
          const end = event.offset + event.bytes.length;
          const isShown = only === undefined || event.kind === only;
          const renderedEnd = seeker === undefined ? end : await seeker.draw(end - rest.length, rest, event.kind);
          if (seeker === undefined && isShown) await screen.write(rest, end, event.kind);
          if (renderedEnd < end) {
            await screen.settled();
            if (this.#attachment !== attachment) return;
            this.#pause();
            arrived();
            changed({ phase: 'paused', ahead: Math.max(past(), end) - renderedEnd });
            return;
          }
          await caughtUp(end);
          break;
        }
        case 'resize':
          // Without a terminal there is no size: the page wraps lines by itself.
          if (attachment.info?.mode === 'pipe') break;
          // Output of the old size must be drawn before the size changes.
          await screen.settled();
          screen.resize(event.data);
          break;
        case 'gap':
          changed({ gap: { from: event.from, to: event.to, reason: event.reason } });
          await screen.write(AFTER_GAP);
          await caughtUp(event.to);
          break;
        case 'event': {
          if (isOfRun(event.data)) {
            await screen.settled();
            screen.runs.apply(event.data);
          }
          const mark = trafficIn(event.data);
          if (mark === undefined) break;
          if (mark.command !== undefined) changed({ command: mark.command });
          if (mark.lost_bytes !== undefined) {
            lostBytes += mark.lost_bytes;
            changed({ lostBytes });
          }
          // Throttle: the page is not drawn again for every event.
          if (event.time - heardAt < HEARD_EVERY_MS) break;
          heardAt = event.time;
          changed({ heardAt });
          break;
        }
        case 'end':
          await screen.settled();
          screen.answer(false);
          changed({ phase: 'over', ended: event.info });
          break;
        default:
          // Input, signals and exit: the list and the end show all that the page needs of these events.
          break;
      }
    }
  }
}

interface LogRange {
  readonly from: StartPosition | StartScreen;
  /** Returns the offset of the first byte to read, for a given head. */
  readonly first: (head: number) => number;
  /** True if the tail begins within a line. */
  readonly ragged: boolean;
  /** True if no stored output precedes the tail. */
  readonly isWhole: boolean;
  /** True if the tail begins with a screen. */
  readonly isScreen?: boolean;
  readonly at: number | undefined;
}

function logRangeOf(info: SessionInfo, start: DrawStart): LogRange {
  if (typeof start === 'object') {
    const { at } = start;
    // An offset before the oldest stored output is passed on unchanged: the response then names the gap.
    const offset = at < info.oldestOffset ? at : Math.max(info.oldestOffset, at - BEFORE_BYTES);
    const isWhole = offset <= info.oldestOffset;
    return { from: { offset }, first: () => offset, ragged: offset > 0 && offset < at, isWhole, at };
  }
  const isLong = info.outputOffset - info.oldestOffset > TAIL_BYTES;
  if (!isLong) return { from: 'start', first: () => 0, ragged: false, isWhole: true, at: undefined };
  const first = (head: number): number => head - TAIL_BYTES;
  return info.mode === 'pty'
    ? { from: { screen: true }, first, ragged: false, isWhole: false, isScreen: true, at: undefined }
    : { from: { tail: TAIL_BYTES }, first, ragged: true, isWhole: false, at: undefined };
}

function afterFirstLine(bytes: Uint8Array): Uint8Array {
  const at = bytes.subarray(0, RAGGED_BYTES).indexOf(LINE_FEED);
  return at === -1 ? bytes : bytes.subarray(at + 1);
}

export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly reason: 'retention' | 'damaged';
}
