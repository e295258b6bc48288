// From a session's log to a screen: where to begin, in which order, and when the past ends. Knows no React.

import type { Attachment, Session } from '@binnacle/client';
import type { BinnacleError, SessionInfo } from '@binnacle/protocol';
import { asFailure } from './failure.tsx';
import type { Gap } from './notices.tsx';
import type { Screen } from './screen.ts';

export interface Followed {
  /** `past`: history is being drawn. `live`: it has caught up. `over`: nothing more will come. */
  readonly phase: 'past' | 'live' | 'over';
  /** Output bytes before what is drawn: there is earlier output to load. */
  readonly skipped: number;
  /** The latest gap that was not dismissed. */
  readonly gap: Gap | undefined;
  /** Why following ended early. */
  readonly error: BinnacleError | undefined;
  /** As of the end: how it ended. */
  readonly ended: SessionInfo | undefined;
}

export const NOTHING_YET: Followed = { phase: 'past', skipped: 0, gap: undefined, error: undefined, ended: undefined };

/** A log that is longer than this opens at its end: this much is drawn in a blink and fills the scrollback. */
export const TAIL_BYTES = 512 * 1024;
// A cut line or escape sequence at the beginning of a tail ends within this, or it is no text anyway.
const RAGGED_BYTES = 4096;
const LINE_FEED = 0x0a;
// CAN ends a sequence that a gap cut; the rest takes back colours.
const AFTER_GAP = new TextEncoder().encode('\x18\x1b[0m');

export class Follow {
  private readonly session: Session;
  private readonly screen: Screen;
  private readonly changed: (change: Partial<Followed>) => void;
  private attachment: Attachment | undefined;

  constructor(session: Session, screen: Screen, changed: (change: Partial<Followed>) => void) {
    this.session = session;
    this.screen = screen;
    this.changed = changed;
    this.attachment = undefined;
  }

  /** Draws the log of `info` from its beginning, or, with `whole` false, the end of a long one; then follows it. */
  begin(info: SessionInfo, whole: boolean): void {
    this.stop();
    this.screen.answer(false);
    const kept = info.outputOffset - info.oldestOffset;
    const isTail = !whole && kept > TAIL_BYTES;
    this.changed({ ...NOTHING_YET, skipped: isTail ? kept - TAIL_BYTES : 0 });
    try {
      const attachment = this.session.attach(isTail ? { tail: TAIL_BYTES } : 'start');
      this.attachment = attachment;
      this.run(attachment, isTail).catch((thrown: unknown) => {
        if (this.attachment === attachment) this.changed({ phase: 'over', error: asFailure(thrown) });
      });
    } catch (thrown) {
      this.changed({ phase: 'over', error: asFailure(thrown) });
    }
  }

  stop(): void {
    this.attachment?.detach();
    this.attachment = undefined;
  }

  private async run(attachment: Attachment, isTail: boolean): Promise<void> {
    const { screen, changed } = this;
    let ragged = isTail;
    let isLive = false;
    // Where the past ends; a reconnect moves it: what was printed meanwhile was not printed to us.
    const past = (): number => attachment.info?.outputOffset ?? 0;
    const caughtUp = async (offset: number): Promise<void> => {
      if (isLive || offset < past()) return;
      isLive = true;
      await screen.settled();
      if (this.attachment !== attachment) return;
      screen.answer(true);
      changed({ phase: 'live' });
    };
    for await (const event of attachment) {
      if (this.attachment !== attachment) return;
      switch (event.type) {
        case 'attached':
          if (event.info.mode === 'pty') screen.resize(event.info);
          await caughtUp(isTail ? event.info.outputOffset - TAIL_BYTES : 0);
          break;
        case 'output': {
          if (isLive && event.offset < past()) {
            isLive = false;
            screen.answer(false);
          }
          await screen.write(ragged ? afterFirstLine(event.bytes) : event.bytes);
          ragged = false;
          await caughtUp(event.offset + event.bytes.length);
          break;
        }
        case 'resize':
          // What is drawn with the old size must be drawn before it changes.
          await screen.settled();
          screen.resize(event.data);
          break;
        case 'gap':
          changed({ gap: { from: event.from, to: event.to, reason: event.reason } });
          await screen.write(AFTER_GAP);
          await caughtUp(event.to);
          break;
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

function afterFirstLine(bytes: Uint8Array): Uint8Array {
  const at = bytes.subarray(0, RAGGED_BYTES).indexOf(LINE_FEED);
  return at === -1 ? bytes : bytes.subarray(at + 1);
}
