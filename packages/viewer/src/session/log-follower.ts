// From a session's log to a screen: where to begin, in which order, and when the past ends. Knows no React.

import type { Attachment, Session } from '@binnacle/client';
import type { BinnacleError, From, FromScreen, SessionInfo } from '@binnacle/protocol';
import { asFailure } from '../model/failure.ts';
import { isOfRun } from '../terminal/command-marks.ts';
import { type Above, NOTHING_ABOVE, Older } from '../terminal/history-loader.ts';
import type { Stream } from '../terminal/history-page.ts';
import { BareLines } from '../terminal/line-endings.ts';
import type { Screen } from '../terminal/screen.ts';
import { Approach } from '../terminal/seek.ts';
import { trafficIn } from '../traffic/format.ts';

export interface Followed {
  /**
   * `past`: history is being drawn. `live`: it has caught up. `held`: it stopped behind a place that was asked for,
   * because much follows. `over`: nothing more will come.
   */
  readonly phase: 'past' | 'live' | 'held' | 'over';
  /** It began with a screen that is not all of what it was: only output from here on was drawn for it. */
  readonly roughFrom: number | undefined;
  /** What stands above what is drawn. */
  readonly above: Above;
  /** The output offset that was asked for, once it is marked; or what follows it, where it is gone. */
  readonly place: { readonly at: number; readonly isGone: boolean } | undefined;
  /** Output bytes behind what is drawn, where it is held. */
  readonly ahead: number;
  /** The latest gap that was not dismissed. */
  readonly gap: Gap | undefined;
  /** Bytes that never came here: the emitter of a session that runs elsewhere had no room for them. */
  readonly lostBytes: number;
  /** When the emitter of a session that runs elsewhere was last heard, ms since 1970; a second late at most. */
  readonly heardAt: number;
  /** The latest command that came with a session from elsewhere. */
  readonly command: string | undefined;
  /** Why following ended early. */
  readonly error: BinnacleError | undefined;
  /** As of the end: how it ended. */
  readonly ended: SessionInfo | undefined;
}

export const NOTHING_YET: Followed = {
  phase: 'past',
  roughFrom: undefined,
  above: NOTHING_ABOVE,
  place: undefined,
  ahead: 0,
  gap: undefined,
  lostBytes: 0,
  heardAt: 0,
  command: undefined,
  error: undefined,
  ended: undefined,
};

/** `end`: all of a short log, and what a long one shows now. `at`: around that output offset. */
export type Start = 'end' | { readonly at: number };

/** A log that is longer than this opens with its screen, or on pipes at its end: this much is drawn in a blink. */
export const TAIL_BYTES = 256 * 1024;
// What stands before a place that was asked for: some screenfuls.
const BEFORE_BYTES = 16 * 1024;
// A cut line or escape sequence at the beginning of a tail ends within this, or it is no text anyway.
const RAGGED_BYTES = 4096;
const LINE_FEED = 0x0a;
const HEARD_EVERY_MS = 1000;
// CAN ends a sequence that a gap cut; the rest takes back colours.
const AFTER_GAP = new TextEncoder().encode('\x18\x1b[0m');

export class Follow {
  private readonly session: Session;
  private readonly screen: Screen;
  private readonly changed: (change: Partial<Followed>) => void;
  private attachment: Attachment | undefined;
  private readonly older: Older;
  private isDrawn: boolean;

  constructor(session: Session, screen: Screen, changed: (change: Partial<Followed>) => void) {
    this.session = session;
    this.screen = screen;
    this.changed = changed;
    this.attachment = undefined;
    this.older = new Older(session, screen, (above) => changed({ above }));
    this.isDrawn = false;
  }

  /** Draws the log of `info` from `start`, in place of what was drawn before; then follows it. `only`: of pipes. */
  begin(info: SessionInfo, start: Start, only?: Stream): void {
    this.stop();
    this.screen.answer(false);
    if (this.isDrawn) this.screen.clear();
    this.isDrawn = true;
    const beginning = beginningOf(info, start);
    this.changed(NOTHING_YET);
    this.older.begin(info, beginning.isWhole, only);
    if (info.runs !== null) this.screen.runs.told();
    try {
      const attachment = this.session.attach(beginning.from);
      this.attachment = attachment;
      this.run(attachment, beginning, only).catch((thrown: unknown) => {
        if (this.attachment === attachment) this.changed({ phase: 'over', error: asFailure(thrown) });
      });
    } catch (thrown) {
      this.changed({ phase: 'over', error: asFailure(thrown) });
    }
  }

  stop(): void {
    this.older.stop();
    this.pause();
  }

  /** The reader goes up, and is near the first line. */
  reachUp(): void {
    this.older.reach();
  }

  private pause(): void {
    this.attachment?.detach();
    this.attachment = undefined;
  }

  private async run(attachment: Attachment, beginning: Beginning, only: Stream | undefined): Promise<void> {
    const { screen, changed } = this;
    const bare = new BareLines();
    let { ragged } = beginning;
    let approach = beginning.at === undefined ? undefined : new Approach(beginning.at, screen);
    let isLive = false;
    let lostBytes = 0;
    let heardAt = 0;
    // Where the past ends; a reconnect moves it: what was printed meanwhile was not printed to us.
    const past = (): number => attachment.info?.outputOffset ?? 0;
    const arrived = (): void => {
      if (approach?.mark !== undefined) {
        screen.showPlace();
        changed({ place: { at: approach.at, isGone: approach.mark > approach.at } });
      }
      approach = undefined;
    };
    const caughtUp = async (offset: number): Promise<void> => {
      if (isLive || offset < past()) return;
      isLive = true;
      await screen.settled();
      if (this.attachment !== attachment) return;
      arrived();
      screen.answer(true);
      changed({ phase: 'live' });
    };
    for await (const event of attachment) {
      if (this.attachment !== attachment) return;
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
          this.older.markRuns();
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
          const isWanted = only === undefined || event.kind === only;
          const drawn = approach === undefined ? end : await approach.draw(end - rest.length, rest, event.kind);
          if (approach === undefined && isWanted) await screen.write(rest, end, event.kind);
          if (drawn < end) {
            await screen.settled();
            if (this.attachment !== attachment) return;
            this.pause();
            arrived();
            changed({ phase: 'held', ahead: Math.max(past(), end) - drawn });
            return;
          }
          await caughtUp(end);
          break;
        }
        case 'resize':
          // Without a terminal there is no size: the page wraps lines as it likes.
          if (attachment.info?.mode === 'pipe') break;
          // What is drawn with the old size must be drawn before it changes.
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
          // The page is not drawn anew for every event.
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
          // Input, signals, exit: the list and the end say all that the page shows of them.
          break;
      }
    }
  }
}

interface Beginning {
  readonly from: From | FromScreen;
  /** The offset of the first byte that will come, given the head. */
  readonly first: (head: number) => number;
  /** It begins within a line. */
  readonly ragged: boolean;
  /** Nothing that is kept stands before it. */
  readonly isWhole: boolean;
  /** It begins with the screen. */
  readonly isScreen?: boolean;
  readonly at: number | undefined;
}

function beginningOf(info: SessionInfo, start: Start): Beginning {
  if (typeof start === 'object') {
    const { at } = start;
    // What is not kept any more is asked for as it is: the answer then names the gap.
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
