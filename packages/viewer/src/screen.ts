// One terminal on the page: draws bytes, has a size, and sorts what comes out of it. Knows no session and no React.

import { FitAddon } from '@xterm/addon-fit';
import { type IDisposable, type IMarker, Terminal } from '@xterm/xterm';
import { accelerate } from './accelerate.ts';
import { Gestures } from './auto-reply.ts';
import { boundCounts, boundSize } from './bounds.ts';
import type { Arrow } from './key-bar.tsx';
import { decorate } from './place.ts';
import { type Theme, terminalColours } from './theme.ts';
import { oneLine } from './words.ts';

export interface Size {
  readonly cols: number;
  readonly rows: number;
}

export interface ScreenEvents {
  /** A key, a paste, composed text. */
  readonly typed: (text: string) => void;
  /** A mouse or wheel report: text, or bytes one a character in the oldest encoding. */
  readonly pointed: (report: string | Uint8Array) => void;
  /** The emulator answered the program by itself. Never while history is drawn. */
  readonly replied: (text: string) => void;
  /** The window title that the program asked for. */
  readonly titled: (title: string) => void;
  /** The target of the link under the pointer. */
  readonly hovered: (target: string | undefined) => void;
  /** A link was chosen: http or https only. */
  readonly followed: (target: string) => void;
  /** The terminal has another size now. */
  readonly resized: () => void;
}

// xterm holds what it has not parsed in memory and gives up above 50 MB; a second of a fast flood is plenty.
const PENDING_LIMIT = 1024 * 1024;
const PENDING_LOW = 256 * 1024;
// About 5 MB at 80 columns; the log holds all of it.
const SCROLLBACK_LINES = 5000;
// Smaller than this nobody reads: the rest is reached by scrolling.
const SMALLEST_FONT = 7;
// On a phone all of a wide line would be that small: there a finger moves the picture sideways.
const SMALLEST_ON_PHONE = 11;
const MONO =
  'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, "DejaVu Sans Mono", "Liberation Mono", Consolas, monospace';

export interface ScreenOptions extends Size {
  readonly theme: Theme;
  readonly pipe: boolean;
  /** Keeps the text where a screen reader finds it, and announces what comes. */
  readonly screenReader: boolean;
}

const isPhone = (): boolean => window.matchMedia('(max-width: 719px)').matches;
export const baseFont = (): number => (isPhone() ? 12 : 13.5);

export class Screen {
  private readonly terminal: Terminal;
  private readonly fit: FitAddon;
  private readonly host: HTMLElement;
  private readonly events: ScreenEvents;
  private readonly gestures: Gestures;
  private readonly undo: IDisposable[];
  private readonly aborter: AbortController;
  private pending: number;
  private drained: (() => void) | undefined;
  private answering: boolean;
  private disposed: boolean;
  /** Pixels at the bottom of the host. */
  private covered: number;
  /** The line that was asked for. */
  private place: IMarker | undefined;

  /** `host` must be visible: cells are measured in it. */
  constructor(host: HTMLElement, options: ScreenOptions, events: ScreenEvents) {
    this.host = host;
    this.events = events;
    this.gestures = new Gestures();
    this.undo = [];
    this.aborter = new AbortController();
    this.pending = 0;
    this.drained = undefined;
    this.answering = false;
    this.disposed = false;
    this.covered = 0;
    this.place = undefined;
    this.terminal = new Terminal({
      ...boundSize(options),
      theme: terminalColours(options.theme),
      minimumContrastRatio: options.theme === 'light' ? 4.5 : 1,
      fontFamily: MONO,
      fontSize: baseFont(),
      scrollback: SCROLLBACK_LINES,
      cursorBlink: !window.matchMedia('(prefers-reduced-motion: reduce)').matches,
      // Pipes carry bare line feeds; a terminal's line discipline would have added the returns.
      convertEol: options.pipe,
      screenReaderMode: options.screenReader,
      // For decorations: they mark the line that a search led to.
      allowProposedApi: true,
      // Title and size reports, and moving the window: a program must not read or move what is not its own.
      windowOptions: {},
      linkHandler: {
        allowNonHttpProtocols: false,
        activate: (_event, target) => this.events.followed(target),
        hover: (_event, target) => this.events.hovered(oneLine(target, 300)),
        leave: () => this.events.hovered(undefined),
      },
    });
    this.fit = new FitAddon();
    this.terminal.loadAddon(this.fit);
    // The clipboard is the viewer's: OSC 52 neither writes nor reads it.
    this.undo.push(this.terminal.parser.registerOscHandler(52, () => true));
    this.undo.push(boundCounts(this.terminal));
    this.terminal.open(host);
    this.listen();
    if (!options.screenReader) void accelerate(this.terminal, () => this.disposed);
  }

  /** Draws bytes as the program wrote them. Waits while too many are not drawn yet. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.disposed) return;
    this.pending += bytes.length;
    this.terminal.write(bytes, () => {
      this.pending -= bytes.length;
      if (this.pending <= PENDING_LOW) this.release();
    });
    if (this.pending > PENDING_LIMIT) {
      await new Promise<void>((resolve) => {
        this.drained = resolve;
      });
    }
  }

  /** Resolves when all that was written before is drawn. */
  async settled(): Promise<void> {
    if (this.disposed) return;
    await new Promise<void>((resolve) => this.terminal.write('', resolve));
  }

  /** Answers queries from now on, or not: history was answered when it happened. */
  answer(on: boolean): void {
    this.answering = on;
  }

  /** Forgets everything drawn, and what was to be drawn before this. */
  clear(): void {
    this.place = undefined;
    // As a sequence among the others, so that it is in its turn.
    if (!this.disposed) this.terminal.write('\x18\x1bc');
  }

  /** Line feeds alone begin new lines from now on, as without a terminal they mean to. */
  returnLines(): void {
    if (!this.terminal.options.convertEol) this.terminal.options.convertEol = true;
  }

  /** Remembers the line where the cursor is. Call it when all before is drawn. */
  markPlace(): void {
    // A program on the whole screen has no lines that stay.
    if (this.disposed || this.terminal.buffer.active.type !== 'normal') return;
    this.place = this.terminal.registerMarker(0);
  }

  /** Scrolls to the remembered line and marks it. Call it when what follows it is drawn. */
  showPlace(): void {
    if (!this.disposed && this.place !== undefined) decorate(this.terminal, this.place);
  }

  scrollToEnd(): void {
    this.terminal.scrollToBottom();
  }

  get size(): Size {
    return { cols: this.terminal.cols, rows: this.terminal.rows };
  }

  resize(size: Size): void {
    const { cols, rows } = boundSize(size);
    if (!this.disposed) this.terminal.resize(cols, rows);
  }

  /** The size that would fill the host, in the usual type. */
  wanted(): Size | undefined {
    this.setFont(baseFont());
    const size = this.fit.proposeDimensions();
    return size === undefined || !Number.isFinite(size.cols) ? undefined : size;
  }

  /** Fits the type to the host, so that a terminal of somebody else's size can be seen whole, where that can be read. */
  letterbox(): void {
    const element = this.terminal.element?.querySelector('.xterm-screen');
    if (!(element instanceof HTMLElement) || element.offsetWidth === 0 || element.offsetHeight === 0) return;
    const font = this.terminal.options.fontSize ?? baseFont();
    const style = getComputedStyle(this.host);
    const across = Number.parseFloat(style.width) / (element.offsetWidth / font);
    const down = Number.parseFloat(style.height) / (element.offsetHeight / font);
    const readable = isPhone() ? Math.max(across, SMALLEST_ON_PHONE) : across;
    // Half a point at most between sizes: cells are snapped to pixels, so the ratio is not quite linear.
    const fitting = Math.floor(Math.min(readable, down) * 2) / 2;
    this.setFont(Math.max(SMALLEST_FONT, Math.min(baseFont(), fitting)));
  }

  /**
   * So many pixels at the bottom of the host are covered: moves the picture up as far as the cursor's line needs.
   * The size stays: the program should not be told of a new one because a notice came and went.
   */
  cover(pixels: number): void {
    this.covered = pixels;
    this.lift();
  }

  setTheme(theme: Theme): void {
    this.terminal.options.theme = terminalColours(theme);
    this.terminal.options.minimumContrastRatio = theme === 'light' ? 4.5 : 1;
  }

  focus(): void {
    this.terminal.focus();
  }

  /** A key that is not on the keyboard. */
  press(text: string): void {
    this.gestures.typed(performance.now());
    this.terminal.input(text, true);
  }

  pressArrow(arrow: Arrow): void {
    this.press(this.terminal.modes.applicationCursorKeysMode ? `\x1bO${arrow}` : `\x1b[${arrow}`);
  }

  dispose(): void {
    this.disposed = true;
    this.aborter.abort();
    for (const undo of this.undo) undo.dispose();
    this.release();
    this.terminal.dispose();
  }

  private lift(): void {
    const { element } = this.terminal;
    if (element === undefined) return;
    const below = this.host.clientHeight - (this.terminal.buffer.active.cursorY + 1) * this.lineHeight();
    const up = this.covered === 0 ? 0 : Math.max(0, Math.ceil(this.covered - below));
    element.style.translate = up === 0 ? '' : `0 ${-up}px`;
  }

  private setFont(size: number): void {
    if (this.terminal.options.fontSize !== size) this.terminal.options.fontSize = size;
  }

  private release(): void {
    this.drained?.();
    this.drained = undefined;
  }

  private listen(): void {
    const { terminal, gestures, events } = this;
    this.undo.push(
      terminal.onKey(({ key }) => gestures.pressed(performance.now(), key)),
      terminal.onData((data) => this.sort(data)),
      // The oldest mouse encoding puts coordinates into single bytes, so it cannot be text.
      terminal.onBinary((data) => {
        if (this.answering) events.pointed(Uint8Array.from(data, (char) => char.charCodeAt(0) & 0xff));
      }),
      terminal.onResize(() => events.resized()),
      terminal.onCursorMove(() => {
        if (this.covered > 0) this.lift();
      }),
      terminal.onTitleChange((title) => events.titled(oneLine(title))),
    );
    terminal.attachCustomKeyEventHandler((event) => !isPageKey(event) && !this.copied(event));
    const signal = this.aborter.signal;
    for (const type of ['paste', 'beforeinput', 'compositionend'] as const) {
      this.host.addEventListener(type, () => gestures.typed(performance.now()), { capture: true, signal });
    }
    for (const type of ['wheel', 'mousedown'] as const) {
      this.host.addEventListener(type, () => gestures.pointed(performance.now()), {
        capture: true,
        passive: true,
        signal,
      });
    }
    // Beside the terminal, which may be smaller than the page: a click there means the terminal too.
    this.host.addEventListener(
      'mousedown',
      (event) => {
        if (event.target !== this.host) return;
        event.preventDefault();
        terminal.focus();
      },
      { signal },
    );
    this.scrollByTouch(signal);
  }

  private sort(data: string): void {
    const kind = this.gestures.sort(data);
    if (kind === 'text') this.events.typed(data);
    else if (!this.answering) return;
    else if (kind === 'pointer') this.events.pointed(data);
    else this.events.replied(data);
  }

  /** Ctrl-Shift-C copies, as in every terminal window. */
  private copied(event: KeyboardEvent): boolean {
    if (event.type !== 'keydown' || !event.ctrlKey || !event.shiftKey || event.code !== 'KeyC') return false;
    event.preventDefault();
    // Works without the clipboard permission and on plain http; xterm answers the copy event with its selection.
    if (this.terminal.hasSelection()) document.execCommand('copy');
    return true;
  }

  // xterm 6 does not scroll by touch: here a finger moves lines.
  private scrollByTouch(signal: AbortSignal): void {
    let last: Touch | undefined;
    /** Pixels that were moved and make no whole line yet. */
    let rest = 0;
    const start = (event: TouchEvent): void => {
      last = event.touches[0];
      rest = 0;
    };
    const move = (event: TouchEvent): void => {
      const touch = event.touches[0];
      if (touch === undefined || last === undefined || event.touches.length > 1) return;
      event.preventDefault();
      // A terminal that is wider than the page, or higher, moves itself; what is left of the way moves its lines.
      const frame = this.host.parentElement;
      const top = frame?.scrollTop ?? 0;
      frame?.scrollBy(last.clientX - touch.clientX, last.clientY - touch.clientY);
      rest += last.clientY - touch.clientY - ((frame?.scrollTop ?? 0) - top);
      last = touch;
      const line = this.lineHeight();
      const lines = Math.trunc(rest / line);
      rest -= lines * line;
      if (lines !== 0) this.scroll(lines, touch);
    };
    this.host.addEventListener('touchstart', start, { passive: true, signal });
    this.host.addEventListener('touchmove', move, { passive: false, signal });
  }

  private scroll(lines: number, at: Touch): void {
    const { buffer, modes, element } = this.terminal;
    if (buffer.active.type === 'normal' && modes.mouseTrackingMode === 'none') {
      this.terminal.scrollLines(lines);
      return;
    }
    // A program on the whole screen gets the wheel, which xterm turns into what that program asked for.
    const { clientX, clientY } = at;
    const wheel = {
      deltaY: lines,
      deltaMode: WheelEvent.DOM_DELTA_LINE,
      clientX,
      clientY,
      bubbles: true,
      cancelable: true,
    };
    element?.querySelector('.xterm-screen')?.dispatchEvent(new WheelEvent('wheel', wheel));
  }

  private lineHeight(): number {
    const drawn = this.terminal.element?.querySelector('.xterm-screen');
    return Math.max(1, drawn instanceof HTMLElement ? drawn.offsetHeight / this.terminal.rows : 1);
  }
}

/** Keys that are the page's, even in the terminal: Ctrl-Shift and an arrow. */
export const isPageKey = (event: KeyboardEvent): boolean =>
  event.ctrlKey && event.shiftKey && !event.altKey && !event.metaKey && event.key.startsWith('Arrow');

/** What would fill an element of that many pixels: for a session that does not exist yet. */
export function sizeFor(width: number, height: number): Size | undefined {
  const context = document.createElement('canvas').getContext('2d');
  if (context === null) return undefined;
  context.font = `${baseFont()}px ${MONO}`;
  const metrics = context.measureText('W');
  const cell = metrics.fontBoundingBoxAscent + metrics.fontBoundingBoxDescent;
  if (!(metrics.width > 0 && cell > 0)) return undefined;
  const cols = Math.floor((width - 32) / metrics.width);
  const rows = Math.floor((height - 16) / Math.ceil(cell));
  return cols >= 20 && rows >= 5 ? { cols, rows } : undefined;
}
