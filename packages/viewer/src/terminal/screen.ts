// A terminal on the page: draws bytes, has a size, and emits input, titles, links and other events.

import '@xterm/xterm/css/xterm.css';
import type { Chunk } from '@binnacle/client/react';
import { boundSize, type TerminalEvents, TerminalScreen } from '@binnacle/client/terminal';
import type { OutputKind } from '@binnacle/protocol';
import { FitAddon } from '@xterm/addon-fit';
import { type IDisposable, type IMarker, type ITheme, Terminal } from '@xterm/xterm';
import { oneLine } from '../model/format.ts';
import { isPageKey } from '../ui/shortcuts.ts';
import { type Theme, terminalColours } from '../ui/theme.ts';
import { Anchors } from './anchors.ts';
import { baseFont, isPhone, MONO, type Size } from './cell-size.ts';
import { CommandMarks, isOfRun } from './command-marks.ts';
import { selectedText } from './copy-text.ts';
import { blinkCursor } from './cursor-blink.ts';
import { Finder, type FindResult } from './finder.ts';
import type { Arrow } from './keys.ts';
import { StderrRows } from './stderr-rows.ts';
import { lineHeight, scrollByTouch } from './touch-scroll.ts';
import { accelerate } from './webgl.ts';
import './xterm-input.css';
import './screen.css';
import './highlight-line.css';

export interface ScreenEvents extends TerminalEvents {
  /** Receives the window title that the program asked for. */
  readonly titled: (title: string) => void;
  /** Receives the target of the link under the pointer. */
  readonly hovered: (target: string | undefined) => void;
  /** Receives a chosen link: http or https only. */
  readonly linkChosen: (target: string) => void;
  /** Receives the number of marked commands. */
  readonly marked?: (count: number) => void;
  readonly found?: (found: FindResult) => void;
  /** Called for the keys of the find bar. */
  readonly finds?: () => void;
  /** Called when the reader scrolls up near the first line. */
  readonly neared?: () => void;
  /** Called when the screen that a drawing began with is drawn. */
  readonly begun?: () => void;
}

// About 5 MB at 80 columns; the log has the rest.
const SCROLLBACK_LINES = 5000;
// Minimum legible font size; the rest is reached by scrolling.
const SMALLEST_FONT = 7;
// Minimum font size on a phone. A whole wide line would be illegible there: a finger moves the picture sideways.
const SMALLEST_ON_PHONE = 11;
// Duration for which the picture stays where a finger moved it.
const TOUCH_REST_MS = 4000;

export interface ScreenOptions extends Size {
  readonly theme: Theme;
  readonly pipe: boolean;
  /** Makes the text available to a screen reader, and announces new output. */
  readonly screenReader: boolean;
}

/** Returns the colours of a theme. The line between rows and scrollbar is hidden: it would be white. */
function coloursOf(theme: Theme): ITheme {
  const colours = terminalColours(theme);
  return colours.background === undefined ? colours : { ...colours, overviewRulerBorder: colours.background };
}

const contrastOf = (theme: Theme): number => (theme === 'light' ? 4.5 : 1);

export class Screen extends TerminalScreen {
  readonly anchors: Anchors;
  readonly runs: CommandMarks;
  readonly finder: Finder;
  readonly streams: StderrRows;
  readonly #fit = new FitAddon();
  readonly #host: HTMLElement;
  readonly #events: ScreenEvents;
  readonly #undo: IDisposable[] = [];
  readonly #aborter = new AbortController();
  /** Covered pixels at the bottom of the host. */
  #covered = 0;
  #touchedAt = Number.NEGATIVE_INFINITY;
  /** True if the cursor moved since the last frame. */
  #hasMoved = false;
  /** True if the picture may be larger than the page; false after a fit was measured, until a size changes. */
  #mayBeLarger = true;
  /** Frame request of the pending letterbox measurement. */
  #letterboxing: number | undefined;

  /** Creates the terminal. `host` must be visible: cells are measured in it. */
  constructor(host: HTMLElement, options: ScreenOptions, events: ScreenEvents) {
    const isMoving = !window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    const appearance = {
      theme: coloursOf(options.theme),
      fontFamily: MONO,
      fontSize: baseFont(),
      scrollback: SCROLLBACK_LINES,
    };
    super({ Terminal }, host, host, appearance, events, {
      ...boundSize(options),
      minimumContrastRatio: contrastOf(options.theme),
      cursorBlink: isMoving,
      // Pipes carry bare line feeds; a terminal's line discipline would have added the returns.
      convertEol: options.pipe,
      screenReaderMode: options.screenReader,
      // Required for decorations, which mark the line of a search hit.
      allowProposedApi: true,
      linkHandler: {
        allowNonHttpProtocols: false,
        activate: (_event, target) => events.linkChosen(target),
        hover: (_event, target) => events.hovered(oneLine(target, 300)),
        leave: () => events.hovered(undefined),
      },
    });
    this.#host = host;
    this.#events = events;
    this.anchors = new Anchors(this.terminal);
    this.runs = new CommandMarks(this.terminal, (count) => events.marked?.(count));
    this.finder = new Finder(this.terminal, (found) => events.found?.(found));
    this.streams = new StderrRows(this.terminal);
    this.terminal.loadAddon(this.#fit);
    if (isMoving) this.#undo.push(blinkCursor(this.terminal));
    this.#listen();
    if (!options.screenReader) void accelerate(this.terminal, () => this.isDisposed);
  }

  override draw(chunk: Chunk): Promise<void> | undefined {
    if (chunk.type === 'event' && isOfRun(chunk.data)) {
      return this.settled().then(() => this.runs.apply(chunk.data));
    }
    const drawing = super.draw(chunk);
    return chunk.type === 'screen' ? Promise.resolve(drawing).then(() => this.#events.begun?.()) : drawing;
  }

  protected override rendered(end: number | undefined, kind: OutputKind): void {
    if (end !== undefined) this.anchors.rendered(end);
    if (kind !== 'tty') this.streams.rendered(kind === 'stderr');
  }

  override clear(): void {
    this.anchors.clear();
    this.runs.clear();
    super.clear();
  }

  override showPlace(): void {
    if (this.place !== undefined) decorate(this.terminal, this.place);
  }

  scrollToEnd(): void {
    this.terminal.scrollToBottom();
  }

  /** Returns the size that would fill the host, in the usual font size. */
  override fittingSize(): Size | undefined {
    this.#stopLetterboxing();
    this.setFont(baseFont());
    const size = this.#fit.proposeDimensions();
    return size === undefined || !Number.isFinite(size.cols) ? undefined : size;
  }

  /**
   * Fits the font to the host, so that a terminal of another viewer's size is visible as a whole, if legible. Debounced
   * to the next frame: the history may have hundreds of sizes, of which only the last is seen, and each costs a layout.
   */
  override letterbox(): void {
    this.#letterboxing ??= requestAnimationFrame(() => {
      this.#letterboxing = undefined;
      this.#fitType();
    });
  }

  #stopLetterboxing(): void {
    if (this.#letterboxing !== undefined) cancelAnimationFrame(this.#letterboxing);
    this.#letterboxing = undefined;
  }

  #fitType(): void {
    const element = this.terminal.element?.querySelector('.xterm-screen');
    if (!(element instanceof HTMLElement) || element.offsetWidth === 0 || element.offsetHeight === 0) return;
    const font = this.terminal.options.fontSize ?? baseFont();
    const style = getComputedStyle(this.#host);
    const across = Number.parseFloat(style.width) / (element.offsetWidth / font);
    const down = Number.parseFloat(style.height) / (element.offsetHeight / font);
    // Half a point at most between sizes: cells are snapped to pixels, so the ratio is not quite linear.
    const fitting = Math.floor(Math.min(across, down) * 2) / 2;
    const smallest = isPhone() ? SMALLEST_ON_PHONE : SMALLEST_FONT;
    this.setFont(Math.max(smallest, Math.min(baseFont(), fitting)));
    this.#showCursor();
    // The result is drawn with the next frame, which measures again.
    this.#mayBeLarger = true;
  }

  /**
   * Moves the picture up as far as the cursor's line needs when `pixels` at the bottom of the host are covered. The
   * size stays: a notice that comes and goes should not resize the program.
   */
  cover(pixels: number): void {
    this.#covered = pixels;
    this.#lift();
  }

  /** Scrolls a picture larger than the page to the cursor, unless a finger recently moved the picture. */
  #showCursor(): void {
    const frame = this.#host.parentElement;
    if (frame === null || performance.now() - this.#touchedAt < TOUCH_REST_MS) return;
    this.#mayBeLarger = frame.scrollHeight > frame.clientHeight + 1;
    if (!this.#mayBeLarger) return;
    const line = lineHeight(this.terminal);
    const top = this.#host.offsetTop + this.terminal.buffer.active.cursorY * line;
    if (top < frame.scrollTop) frame.scrollTop = top - line;
    else if (top + 2 * line > frame.scrollTop + frame.clientHeight)
      frame.scrollTop = top + 2 * line - frame.clientHeight;
  }

  show(theme: Theme): void {
    this.setTheme(coloursOf(theme));
    this.terminal.options.minimumContrastRatio = contrastOf(theme);
  }

  /** Sends a key that is not on the keyboard. */
  press(text: string): void {
    this.input.gestures.typed(performance.now());
    this.terminal.input(text, true);
  }

  /** Sends a line that was written beside the terminal, as a paste, and Enter. */
  enter(text: string): void {
    if (text !== '') {
      this.input.gestures.typed(performance.now());
      this.terminal.paste(text);
    }
    this.press('\r');
    this.terminal.scrollToBottom();
  }

  pressArrow(arrow: Arrow): void {
    this.press(this.terminal.modes.applicationCursorKeysMode ? `\x1bO${arrow}` : `\x1b[${arrow}`);
  }

  override dispose(): void {
    this.#stopLetterboxing();
    this.#aborter.abort();
    for (const undo of this.#undo) undo.dispose();
    this.finder.dispose();
    this.runs.dispose();
    super.dispose();
  }

  #lift(): void {
    const { element } = this.terminal;
    if (element === undefined) return;
    const below = this.#host.clientHeight - (this.terminal.buffer.active.cursorY + 1) * lineHeight(this.terminal);
    const up = this.#covered === 0 ? 0 : Math.max(0, Math.ceil(this.#covered - below));
    element.style.translate = up === 0 ? '' : `0 ${-up}px`;
  }

  #listen(): void {
    const { terminal } = this;
    const events = this.#events;
    this.#undo.push(
      // Throttled to once a frame: the measurement forces a layout, and output moves the cursor often.
      terminal.onCursorMove(() => {
        this.#hasMoved = true;
      }),
      terminal.onRender(() => {
        if (!this.#hasMoved) return;
        this.#hasMoved = false;
        if (this.#covered > 0) this.#lift();
        if (this.#mayBeLarger) this.#showCursor();
      }),
      terminal.onTitleChange((title) => events.titled(oneLine(title))),
    );
    terminal.attachCustomKeyEventHandler(
      (event) => !isPageKey(event) && !this.#copied(event) && !this.#finds(event) && !this.#jumps(event),
    );
    const signal = this.#aborter.signal;
    // xterm's own copy handler would include the padding of lines.
    const copy = (event: ClipboardEvent): void => {
      if (!terminal.hasSelection()) return;
      event.clipboardData?.setData('text/plain', selectedText(terminal));
      event.preventDefault();
      event.stopPropagation();
    };
    this.#host.addEventListener('copy', copy, { capture: true, signal });
    const near = (): void => {
      const { type, viewportY, baseY } = terminal.buffer.active;
      if (type === 'normal' && viewportY < baseY && viewportY < terminal.rows) events.neared?.();
    };
    this.#undo.push(terminal.onRender(near));
    const upwards = ({ deltaY }: WheelEvent): void => {
      const { type, viewportY } = terminal.buffer.active;
      // The request is sent although there is nothing above to scroll to.
      if (deltaY < 0 && type === 'normal' && viewportY === 0 && terminal.modes.mouseTrackingMode === 'none') {
        events.neared?.();
      }
    };
    this.#host.addEventListener('wheel', upwards, { capture: true, passive: true, signal });
    // The area around the terminal, which may be smaller than the page: a click there focuses the terminal, too.
    this.#host.addEventListener(
      'mousedown',
      (event) => {
        if (event.target !== this.#host) return;
        event.preventDefault();
        terminal.focus();
      },
      { signal },
    );
    const touched = (): void => {
      this.#touchedAt = performance.now();
    };
    this.#host.addEventListener('touchmove', touched, { passive: true, signal });
    scrollByTouch(terminal, this.#host, signal);
  }

  /** Handles Ctrl-Shift-C: copies, as in every terminal window. */
  #copied(event: KeyboardEvent): boolean {
    if (event.type !== 'keydown' || !event.ctrlKey || !event.shiftKey || event.code !== 'KeyC') return false;
    event.preventDefault();
    // Works without the clipboard permission and on plain http; xterm answers the copy event with its selection.
    if (this.terminal.hasSelection()) document.execCommand('copy');
    return true;
  }

  #finds(event: KeyboardEvent): boolean {
    const events = this.#events;
    const isFindChord =
      event.code === 'KeyF' && ((event.ctrlKey && event.shiftKey) || (event.metaKey && !event.ctrlKey));
    if (event.type !== 'keydown' || !isFindChord || event.altKey || events.finds === undefined) return false;
    event.preventDefault();
    events.finds();
    return true;
  }

  /** Handles Alt with a page key: moves from command to command. */
  #jumps(event: KeyboardEvent): boolean {
    if (event.type !== 'keydown' || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return false;
    if (event.key !== 'PageUp' && event.key !== 'PageDown') return false;
    event.preventDefault();
    this.jump(event.key === 'PageUp');
    return true;
  }

  /** Scrolls to the beginning of the command above or below. */
  jump(isOlder: boolean): void {
    const line = this.runs.next(isOlder);
    if (line !== undefined) this.runs.show(line);
    else if (isOlder) this.#events.neared?.();
    else this.terminal.scrollToBottom();
  }
}

// Lines shown above the highlighted one, for context.
const LINES_ABOVE = 4;
// Maximum wrapped rows of a highlighted line: a longer line is not for reading.
const MOST_WRAPPED = 20;

function decorate(terminal: Terminal, marker: IMarker): void {
  if (marker.isDisposed) return; // later output pushed the line out of the scrollback
  const decoration = terminal.registerDecoration({
    marker,
    width: terminal.cols,
    height: heightOf(terminal, marker.line),
    layer: 'top',
  });
  decoration?.onRender((element) => {
    element.classList.add('place');
    element.dataset.testid = 'place';
  });
  terminal.scrollToLine(Math.max(0, marker.line - LINES_ABOVE));
}

function heightOf(terminal: Terminal, line: number): number {
  const { active } = terminal.buffer;
  let height = 1;
  while (height < MOST_WRAPPED && active.getLine(line + height)?.isWrapped === true) height += 1;
  return height;
}
