// Loads the history above the drawn lines piece by piece as the reader scrolls up, up to the memory limit of a page.

import type { Session } from '@binnacle/client';
import type { BinnacleError, SessionInfo } from '@binnacle/protocol';
import type { IMarker } from '@xterm/xterm';
import { asFailure } from '../model/failure.ts';
import type { Anchor } from './anchors.ts';
import { drawPage, type PastPage, type Stream } from './history-page.ts';
import type { Screen } from './screen.ts';
import { internalsOf, putAbove } from './xterm-internals.ts';

export interface HistoryState {
  /**
   * `there`: more can be loaded. `far`: more is stored, but the page is full. `none`: the first line is the first of
   * the log.
   */
  readonly state: 'there' | 'loading' | 'far' | 'none';
  /** Offset to continue further back from, in state `far`. */
  readonly offset: number;
  readonly error: BinnacleError | undefined;
}

export const NO_HISTORY: HistoryState = { state: 'none', offset: 0, error: undefined };

/**
 * Bytes of the first piece. If a piece gives no lines, as of a program on the alternate screen, the next one is larger.
 */
const FIRST_BYTES = 128 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;
/** Maximum cells in memory: 12 bytes a cell, some 48 MB. */
const MOST_CELLS = 4_000_000;
const MOST_LINES = 50_000;
/** Maximum bytes before the screen to scan for commands whose lines came with the screen. */
const MARK_BYTES = 512 * 1024;
/** Lines compared where two pieces meet, and maximum distance of the seam from its estimated line. */
const SEAM_LINES = 8;
const SEAM_SLACK = 2000;

export class HistoryLoader {
  readonly #session: Session;
  readonly #screen: Screen;
  readonly #changed: (above: HistoryState) => void;
  readonly #mostLines: number;
  #info: SessionInfo | undefined;
  #only: Stream | undefined;
  #state: HistoryState['state'] = 'none';
  #aborter = new AbortController();
  /** Marker at the first line of the log, if that line is loaded. */
  #first: IMarker | undefined;

  constructor(session: Session, screen: Screen, changed: (above: HistoryState) => void, mostLines = MOST_LINES) {
    this.#mostLines = mostLines;
    this.#session = session;
    this.#screen = screen;
    this.#changed = changed;
  }

  /** Starts with a new drawing. `isWhole`: the drawing begins at the beginning of the log. */
  begin(info: SessionInfo, isWhole: boolean, only: Stream | undefined): void {
    this.stop();
    this.#aborter = new AbortController();
    this.#info = info;
    this.#only = only;
    this.#first = undefined;
    const { terminal } = this.#screen;
    const { signal } = this.#aborter;
    // Queued as a write: after the reset of the last drawing, and before new output.
    if (isWhole) terminal.write('', () => signal.aborted || this.#markFirst());
    this.#report(isWhole ? 'none' : 'there');
  }

  stop(): void {
    this.#aborter.abort();
  }

  /** Loads the next piece, unless one is already being loaded. */
  reach(): void {
    const info = this.#info;
    const aborter = this.#aborter;
    if (info === undefined || (this.#state !== 'there' && !(this.#state === 'none' && this.#isCut))) return;
    const anchor = this.#screen.anchors.oldest ?? this.#screen.anchors.again();
    if (anchor === undefined) return;
    this.#report('loading');
    this.#load(info, anchor, aborter.signal).then(
      (state) => {
        if (aborter.signal.aborted) return;
        if (state === 'none') this.#markFirst();
        this.#report(state);
      },
      (cause: unknown) => {
        if (!aborter.signal.aborted) this.#report('far', asFailure(cause));
      },
    );
  }

  /** Marks commands in the lines that came with a screen: a screen carries lines, but no command marks. */
  markRuns(): void {
    const info = this.#info;
    const aborter = this.#aborter;
    if (info === undefined || info.runs === null) return;
    // A failure only leaves these commands unmarked.
    this.#findRuns(info, aborter.signal).catch(() => undefined);
  }

  async #findRuns(info: SessionInfo, signal: AbortSignal): Promise<void> {
    const screen = this.#screen;
    const session = this.#session;
    await screen.settled();
    const anchor = screen.anchors.oldest;
    if (signal.aborted || anchor === undefined) return;
    const { marks } = await session.timeline({ points: 1, signal });
    const near = Math.max(info.oldestOffset, anchor.offset - MARK_BYTES);
    const first = marks.find(({ kind, offset }) => kind === 'run' && offset >= near && offset <= anchor.offset);
    if (signal.aborted || first === undefined) return;
    // Starts a byte before the run, so that the beginning of the run is within the piece.
    const from = Math.max(near, first.offset - 1);
    const page = await drawPage(session, info, screen, from, anchor.offset, this.#only, signal);
    try {
      if (!signal.aborted) this.#takeRuns(page, anchor);
    } finally {
      page.dispose();
    }
  }

  /** Takes over the marks of a page that ends at the anchor, for lines that are loaded. */
  #takeRuns(page: PastPage, anchor: Anchor): void {
    const { line, isDisposed } = anchor.marker;
    if (isDisposed || page.terminal.cols !== this.#screen.terminal.cols) return;
    const shift = page.end - line;
    const from = Math.max(0, -shift);
    for (let at = from; at < Math.min(line, from + SEAM_LINES); at += 1) {
      if (lineText(page, at + shift) !== this.#lineText(at)) return;
    }
    this.#screen.runs.mergeOverlap(page.runs, shift, line);
  }

  /** True if output exceeded the scrollback: the first line is no longer the first of the log. */
  get #isCut(): boolean {
    return this.#first?.isDisposed === true;
  }

  #markFirst(): void {
    this.#first = internalsOf(this.#screen.terminal).buffers.normal.addMarker(0);
  }

  async #load(info: SessionInfo, anchor: Anchor, signal: AbortSignal): Promise<HistoryState['state']> {
    const { terminal } = this.#screen;
    const oldest = info.oldestOffset;
    if (anchor.offset <= oldest) return 'none';
    for (let bytes = FIRST_BYTES; ; bytes *= 4) {
      const from = Math.max(oldest, anchor.offset - bytes);
      const page = await drawPage(this.#session, info, this.#screen, from, anchor.offset, this.#only, signal);
      try {
        signal.throwIfAborted();
        // Lines present at the request may have left the top of the scrollback meanwhile.
        if (anchor.marker.isDisposed) return 'there';
        // The size may have changed, too.
        if (page.terminal.cols !== terminal.cols) page.terminal.resize(terminal.cols, page.terminal.rows);
        this.#takeRuns(page, anchor);
        const count = this.#seam(page, anchor);
        if (count === undefined) return 'far';
        const most = Math.min(this.#mostLines, Math.floor(MOST_CELLS / terminal.cols));
        const room = most - internalsOf(terminal).buffers.normal.lines.length;
        if (count > 0 && room > 0) {
          const first = Math.max(0, count - room);
          putAbove(terminal, page.terminal, first, count);
          this.#screen.anchors.putAbove(page.anchors, first);
          this.#screen.runs.putAbove(page.runs, first, count - first);
          this.#screen.finder.forget();
          if (first > 0) return 'far';
        }
        if (from === oldest) return 'none';
        if (room <= 0) return 'far';
        if (count > 0) return 'there';
        if (bytes >= MOST_BYTES) return 'far';
      } finally {
        page.dispose();
      }
    }
  }

  /** Returns how many lines of the page belong above the first loaded line. Undefined if the pieces do not match. */
  #seam(page: PastPage, anchor: Anchor): number | undefined {
    const guess = page.end - anchor.marker.line;
    const fits = (count: number): boolean => {
      if (count < 0) return false;
      for (let at = 0; at < Math.min(SEAM_LINES, anchor.marker.line); at += 1) {
        if (lineText(page, count + at) !== this.#lineText(at)) return false;
      }
      return true;
    };
    // All lines of the page are already loaded.
    if (guess <= 0) return 0;
    if (fits(guess)) return guess;
    for (let off = 1; off < SEAM_SLACK; off += 1) {
      if (fits(guess - off)) return guess - off;
      if (guess + off <= page.end && fits(guess + off)) return guess + off;
    }
    return undefined;
  }

  #lineText(at: number): string {
    return this.#screen.terminal.buffer.normal.getLine(at)?.translateToString(true) ?? '';
  }

  #report(state: HistoryState['state'], error?: BinnacleError): void {
    this.#state = state;
    this.#changed({ state, offset: this.#screen.anchors.oldest?.offset ?? 0, error });
  }
}

const lineText = (page: PastPage, at: number): string =>
  page.terminal.buffer.normal.getLine(at)?.translateToString(true) ?? '';
