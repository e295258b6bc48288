// From the chunks of a session to a terminal: when history is drawn, a requested offset on the way, and what is left out.
// Knows no React.

import type { SessionInfo } from '@binnacle/protocol';
import type { Chunk } from '../log/chunks.ts';
import type { TerminalScreen } from './screen.ts';
import { Seeker } from './seek.ts';

/** Part of a session that a terminal draws. */
export interface DrawingOptions {
  /** Output offset to mark. Drawing pauses some screens behind it if more follows. */
  readonly at?: number | undefined;
  /** Draws one stream of a program on pipes. Default: both. */
  readonly stream?: 'stdout' | 'stderr' | undefined;
  /** Leaves out the first line: the reading begins within it. Default false. */
  readonly skipsLine?: boolean;
}

/** State of a terminal that is drawn. */
export interface DrawingState {
  /**
   * `past`: history is being drawn. `live`: drawing has caught up. `paused`: drawing stopped behind the requested offset,
   * because much output follows. `over`: no more output will come.
   */
  readonly phase: 'past' | 'live' | 'paused' | 'over';
  /**
   * Offset from which the screen that drawing began with was drawn. Set if that screen may be incomplete.
   */
  readonly roughFrom: number | undefined;
  /** The requested offset once it is marked, and whether its output is gone: then what follows is marked. */
  readonly place: { readonly at: number; readonly isRemoved: boolean } | undefined;
  /** Output bytes behind the drawn part, in phase `paused`. */
  readonly ahead: number;
}

export const NO_DRAWING_YET: DrawingState = { phase: 'past', roughFrom: undefined, place: undefined, ahead: 0 };

/** The session whose chunks are drawn. */
interface DrawingSource {
  /** All that was printed up to this output offset was printed before we came. */
  readonly pastOffset: number;
  pause(): void;
}

/** Maximum bytes of a cut line; anything longer is no text anyway. */
const LINE_BYTES = 4096;
const LINE_FEED = 0x0a;

/** Draws the chunks of one reading. */
export class Drawing {
  readonly #screen: TerminalScreen;
  readonly #source: DrawingSource;
  readonly #changed: (change: Partial<DrawingState>) => void;
  readonly #stream: 'stdout' | 'stderr' | undefined;
  readonly #bare = new BareLines();
  #seeker: Seeker | undefined;
  #isInLine: boolean;
  #isForeign = false;
  #isLive = false;
  #isOver = false;

  constructor(
    screen: TerminalScreen,
    source: DrawingSource,
    { at, stream, skipsLine = false }: DrawingOptions,
    changed: (change: Partial<DrawingState>) => void,
  ) {
    this.#screen = screen;
    this.#source = source;
    this.#stream = stream;
    this.#isInLine = skipsLine;
    this.#seeker = at === undefined ? undefined : new Seeker(at, screen);
    this.#changed = changed;
  }

  /** Takes the session as of the beginning. `offset`: the output offset of the beginning. */
  begin(info: SessionInfo, offset: number | undefined): Promise<void> | undefined {
    this.#isForeign = info.foreign !== null;
    this.#screen.begin(info);
    return this.#catchUp(undefined, offset);
  }

  /** Waits while too much is not drawn yet. */
  draw(chunk: Chunk): Promise<void> | undefined {
    if (this.#isOver) return undefined;
    switch (chunk.type) {
      case 'screen':
        if (!chunk.exact) this.#changed({ roughFrom: chunk.drawnFrom });
        return this.#catchUp(this.#screen.draw(chunk), chunk.offset);
      case 'output':
        return this.#catchUp(this.#drawOutput(chunk), chunk.offset + chunk.bytes.length);
      case 'gap':
        return this.#catchUp(this.#screen.draw(chunk), chunk.to);
      default:
        return this.#screen.draw(chunk);
    }
  }

  missed(): void {
    if (!this.#isOver) this.#screen.missed();
  }

  async ended(): Promise<void> {
    await this.#screen.settled();
    if (!this.#isOver) this.#changed({ phase: 'over' });
  }

  stop(): void {
    this.#isOver = true;
  }

  #drawOutput(chunk: Extract<Chunk, { type: 'output' }>): Promise<void> | undefined {
    const { bytes, kind } = chunk;
    const end = chunk.offset + bytes.length;
    if (this.#isForeign && this.#bare.are(bytes)) this.#screen.returnLines();
    const rest = this.#isInLine ? withoutFirstLine(bytes) : bytes;
    this.#isInLine = false;
    if (this.#seeker !== undefined) return this.#seek(this.#seeker, end, rest, kind);
    if (this.#stream === undefined || kind === this.#stream) return this.#screen.write(rest, end, kind);
    this.#screen.pass(end);
    return undefined;
  }

  async #seek(seeker: Seeker, end: number, bytes: Uint8Array, kind: 'tty' | 'stdout' | 'stderr'): Promise<void> {
    const renderedTo = await seeker.draw(end - bytes.length, bytes, kind);
    if (renderedTo === end) return;
    await this.#screen.settled();
    if (this.#isOver) return;
    this.#isOver = true;
    const { pastOffset } = this.#source;
    this.#source.pause();
    this.#arrive();
    this.#changed({ phase: 'paused', ahead: Math.max(pastOffset, end) - renderedTo });
  }

  /** Goes live once all is drawn that was printed before we came. */
  #catchUp(drawing: Promise<void> | undefined, offset: number | undefined): Promise<void> | undefined {
    return this.#isLive || offset === undefined ? drawing : this.#goLive(drawing, offset);
  }

  async #goLive(drawing: Promise<void> | undefined, offset: number): Promise<void> {
    await drawing;
    if (this.#isOver || offset < this.#source.pastOffset) return;
    this.#isLive = true;
    await this.#screen.settled();
    if (this.#isOver) return;
    this.#arrive();
    this.#changed({ phase: 'live' });
  }

  #arrive(): void {
    const seeker = this.#seeker;
    this.#seeker = undefined;
    if (seeker?.mark === undefined) return;
    this.#screen.showPlace();
    this.#changed({ place: { at: seeker.at, isRemoved: seeker.mark > seeker.at } });
  }
}

function withoutFirstLine(bytes: Uint8Array): Uint8Array {
  const at = bytes.subarray(0, LINE_BYTES).indexOf(LINE_FEED);
  return at === -1 ? bytes : bytes.subarray(at + 1);
}

const RETURN = 0x0d;

/** Detects output whose lines end without a carriage return, as written by emitters without a terminal. */
export class BareLines {
  #last = 0;
  #verdict: boolean | undefined;

  /** Returns true if the first complete line ends so; false until then. Takes the output in order. */
  are(bytes: Uint8Array): boolean {
    if (this.#verdict !== undefined) return this.#verdict;
    const at = bytes.indexOf(LINE_FEED);
    if (at !== -1) this.#verdict = (at === 0 ? this.#last : bytes[at - 1]) !== RETURN;
    this.#last = bytes.at(-1) ?? this.#last;
    return this.#verdict ?? false;
  }
}
