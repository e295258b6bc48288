// One terminal in a page: draws chunks at its own pace, has a size, and sorts what the emulator emits. Knows no React
// and no session. xterm.js is passed in, because it is loaded only where there is a page.

import type { OutputKind, SessionInfo } from '@binnacle/protocol';
import type * as Xterm from '@xterm/xterm';
import type { Chunk } from '../log/chunks.ts';
import { TerminalFeed } from './feed.ts';
import { boundSize, guard } from './guards.ts';
import { listenToInput, type TerminalInputEvents } from './input-events.ts';

/** Appearance of a terminal. */
export interface TerminalAppearance {
  /** Pixels. */
  readonly fontSize?: number;
  /** CSS font family. */
  readonly fontFamily?: string;
  /** Lines above the screen. Default 5000. */
  readonly scrollback?: number;
  /** Colours. Default: background and text as the style sheet says, `--binnacle-bg` and `--binnacle-fg`. */
  readonly theme?: Xterm.ITheme;
}

/** Callbacks of a `TerminalScreen`. */
export interface TerminalEvents extends TerminalInputEvents {
  /** All that was printed up to this output offset was printed before we came. */
  past(): number;
}

const SCROLLBACK_LINES = 5000;
const FONT_SIZE = 13.5;
// Smaller type is not legible: the rest is reached by scrolling.
const SMALLEST_FONT = 7;
// Steps per point: finer differences are invisible.
const STEPS = 2;
const MAX_TRIES = 4;
// Width of xterm's scrollbar.
const BAR_PX = 14;
const MONO =
  'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, "DejaVu Sans Mono", "Liberation Mono", Consolas, monospace';
// CAN ends a sequence that a gap cut; the rest takes back colours.
const CANCEL = '\x18';
const AFTER_GAP = `${CANCEL}\x1b[0m`;

/**
 * A terminal in a page. A subclass may add to it, as the page of Binnacle does; `useSessionTerminal` draws a session into
 * it.
 *
 * @example
 * ```ts
 * import { TerminalScreen } from '@binnacle/client/terminal';
 *
 * export class QuietScreen extends TerminalScreen {
 *   override showPlace(): void {
 *     super.showPlace();
 *     this.terminal.clearSelection();
 *   }
 * }
 * ```
 */
export class TerminalScreen {
  /** The xterm.js terminal, for code that reads it or draws into it. */
  readonly terminal: Xterm.Terminal;
  /** The input of the terminal: code that types into it reports the gesture here. */
  protected readonly input: ReturnType<typeof listenToInput>;
  readonly #box: HTMLElement;
  readonly #baseFont: number;
  readonly #events: TerminalEvents;
  readonly #feed: TerminalFeed;
  readonly #undo: (() => void)[];
  #theme: Xterm.ITheme | undefined;
  /** Output offset behind what is drawn. */
  #renderedTo = 0;
  #isDisposed = false;
  /** The line of the requested offset. */
  #place: Xterm.IMarker | undefined;

  /** Fills `box`, which must be visible: cells are measured in it. `options`: more options of xterm.js. */
  constructor(
    xterm: Pick<typeof Xterm, 'Terminal'>,
    box: HTMLElement,
    host: HTMLElement,
    appearance: TerminalAppearance,
    events: TerminalEvents,
    options: Xterm.ITerminalOptions & Xterm.ITerminalInitOnlyOptions = {},
  ) {
    this.#box = box;
    this.#events = events;
    this.#theme = appearance.theme;
    this.#baseFont = appearance.fontSize ?? FONT_SIZE;
    this.terminal = new xterm.Terminal({
      fontSize: this.#baseFont,
      fontFamily: appearance.fontFamily ?? MONO,
      scrollback: appearance.scrollback ?? SCROLLBACK_LINES,
      // The sixteen colours of programs are made for black; on paper they need help.
      minimumContrastRatio: appearance.theme === undefined ? 4.5 : 1,
      // Title and size reports, and moving the window: a program must not read or move what is not its own.
      windowOptions: {},
      ...options,
    });
    const { terminal } = this;
    this.#feed = new TerminalFeed(terminal);
    this.input = listenToInput(terminal, host, events, () => this.#isAnswering);
    const handlers = [guard(terminal), this.input];
    this.#undo = handlers.map((handler) => () => handler.dispose());
    terminal.open(host);
    terminal.options.theme = this.#theme ?? themeOf(box);
    const scheme = window.matchMedia('(prefers-color-scheme: dark)');
    const changed = (): void => this.setTheme(this.#theme);
    scheme.addEventListener('change', changed);
    this.#undo.push(() => scheme.removeEventListener('change', changed));
  }

  /** Whether `dispose` was called. */
  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  /** Size in columns and rows. */
  get size(): { readonly cols: number; readonly rows: number } {
    return { cols: this.terminal.cols, rows: this.terminal.rows };
  }

  /** Takes the size that the session has when reading begins; later ones are among the chunks. */
  begin(info: Pick<SessionInfo, 'mode' | 'cols' | 'rows'>): void {
    // Without a terminal there is no size.
    if (info.mode === 'pty') this.resize(info);
    // Pipes carry bare line feeds; a terminal's line discipline would have added the returns.
    else this.returnLines();
  }

  /** Draws bytes as the program wrote them; `end`: the output offset behind them. Waits while too much is not drawn yet. */
  write(bytes: Uint8Array, end?: number, kind: OutputKind = 'tty'): Promise<void> | undefined {
    if (this.#isDisposed) return undefined;
    return this.#feed.write(bytes, () => {
      if (end !== undefined) this.#renderedTo = end;
      this.rendered(end, kind);
    });
  }

  /** Called when bytes are drawn. */
  protected rendered(_end: number | undefined, _kind: OutputKind): void {}

  /** Notes that output up to an offset is not to be drawn. */
  pass(end: number): void {
    if (this.#isDisposed) return;
    this.terminal.write('', () => {
      this.#renderedTo = end;
    });
  }

  /** Draws a chunk. Waits while too much is not drawn yet. */
  draw(chunk: Chunk): Promise<void> | undefined {
    if (this.#isDisposed) return undefined;
    switch (chunk.type) {
      case 'output':
        return this.write(chunk.bytes, chunk.offset + chunk.bytes.length, chunk.kind);
      case 'screen':
        this.resize(chunk);
        return this.write(new TextEncoder().encode(chunk.data), chunk.offset);
      case 'gap':
        this.terminal.write(AFTER_GAP, () => {
          this.#renderedTo = chunk.to;
        });
        return undefined;
      case 'resize':
        // Chunks of the old size must be drawn before it changes.
        return this.settled().then(() => this.resize(chunk.data));
      case 'event':
        return undefined;
    }
  }

  /** Discards everything drawn, and earlier writes that are not drawn yet. */
  clear(): void {
    this.#place = undefined;
    // Written as a sequence, to keep the order of writes.
    if (!this.#isDisposed) this.terminal.write(`${CANCEL}\x1bc`);
  }

  /** Treats a bare line feed as a new line from now on, for output written without a terminal. */
  returnLines(): void {
    if (!this.#isDisposed && !this.terminal.options.convertEol) this.terminal.options.convertEol = true;
  }

  /** Marks the line of the cursor as the requested offset. Call when all earlier output is drawn. */
  markPlace(): void {
    // The alternate screen has no lines that stay.
    if (this.#isDisposed || this.terminal.buffer.active.type !== 'normal') return;
    this.#place = this.terminal.registerMarker(0);
  }

  /** Scrolls to the marked line. Call when the following output is drawn. */
  showPlace(): void {
    const line = this.place?.line;
    if (line !== undefined) this.terminal.scrollToLine(Math.max(0, line));
  }

  /** The line of the requested offset; undefined while there is none. */
  protected get place(): Xterm.IMarker | undefined {
    return this.#isDisposed || this.#place?.isDisposed === true ? undefined : this.#place;
  }

  /** The next chunk was dropped. */
  missed(): void {
    if (!this.#isDisposed) this.terminal.write(AFTER_GAP);
  }

  /** Resolves when all that was handed over is drawn. */
  async settled(): Promise<void> {
    await this.#feed.settled();
  }

  /** Sets the size of the picture, at most 1000 columns and 400 rows. */
  resize(size: { readonly cols: number; readonly rows: number }): void {
    const { cols, rows } = boundSize(size);
    if (!this.#isDisposed) this.terminal.resize(cols, rows);
  }

  /** The program's terminal has another size: what is drawn shows that later than what is known of the session. */
  onResize(listener: () => void): Xterm.IDisposable {
    return this.terminal.onResize(listener);
  }

  /** The size that would fill the box, in the usual type. */
  fittingSize(): { readonly cols: number; readonly rows: number } | undefined {
    if (this.#isDisposed) return undefined;
    this.setFont(this.#baseFont);
    const cell = this.#cell();
    if (cell === undefined) return undefined;
    const cols = Math.floor((this.#box.clientWidth - BAR_PX) / cell.width);
    const rows = Math.floor(this.#box.clientHeight / cell.height);
    return cols >= 2 && rows >= 1 ? boundSize({ cols, rows }) : undefined;
  }

  /** Fits the type to the box, so that a terminal of another size is visible as a whole, unless that is not legible. */
  letterbox(): void {
    if (this.#isDisposed) return;
    const room = this.#room();
    if (room === undefined) return;
    const font = this.terminal.options.fontSize ?? this.#baseFont;
    let size = Math.min(this.#baseFont, Math.floor(font * room * STEPS) / STEPS);
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      this.setFont(Math.max(SMALLEST_FONT, size));
      if (size <= SMALLEST_FONT || (this.#room() ?? 1) >= 1) return;
      // Cells are snapped to pixels, so the size of the picture is not quite that of the type.
      size -= 1 / STEPS;
    }
  }

  /** Undefined: as the style sheet says. */
  setTheme(theme: Xterm.ITheme | undefined): void {
    this.#theme = theme;
    if (!this.#isDisposed) this.terminal.options.theme = theme ?? themeOf(this.#box);
  }

  /** Typing is refused, and looks so. */
  readOnly(isSo: boolean): void {
    if (!this.#isDisposed) this.terminal.options.disableStdin = isSo;
  }

  /** Takes the keyboard focus. */
  focus(): void {
    this.terminal.focus();
  }

  /** Removes the terminal from the page. */
  dispose(): void {
    this.#isDisposed = true;
    for (const undo of this.#undo) undo();
    this.#feed.stop();
    this.terminal.dispose();
  }

  /** History was answered when it happened. */
  get #isAnswering(): boolean {
    return this.#renderedTo >= this.#events.past();
  }

  #cell(): { readonly width: number; readonly height: number } | undefined {
    const screen = this.terminal.element?.querySelector('.xterm-screen');
    if (!(screen instanceof HTMLElement) || screen.offsetWidth === 0 || screen.offsetHeight === 0) return undefined;
    return { width: screen.offsetWidth / this.terminal.cols, height: screen.offsetHeight / this.terminal.rows };
  }

  /** How many times as large the picture could be. */
  #room(): number | undefined {
    const cell = this.#cell();
    if (cell === undefined) return undefined;
    const across = (this.#box.clientWidth - BAR_PX) / (cell.width * this.terminal.cols);
    return Math.min(across, this.#box.clientHeight / (cell.height * this.terminal.rows));
  }

  protected setFont(size: number): void {
    if (this.terminal.options.fontSize !== size) this.terminal.options.fontSize = size;
  }
}

/** Nothing where there is no style sheet: then xterm's own colours hold. */
function themeOf(box: HTMLElement): Xterm.ITheme {
  const style = getComputedStyle(box);
  const [background, foreground] = ['--binnacle-bg', '--binnacle-fg'].map((name) =>
    style.getPropertyValue(name).trim(),
  );
  if (!background || !foreground) return {};
  return { background, foreground, cursor: foreground, cursorAccent: background };
}
