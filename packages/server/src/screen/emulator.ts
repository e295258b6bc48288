// A terminal emulator without a display: processes output, and tells where it may be stopped. All dependencies on the
// emulator's internals are here and in restore-text.ts; its version is pinned for that reason.

// CommonJS, in which Node finds no named exports.
import headless from '@xterm/headless';
import { MAX_COLS, MAX_ROWS } from './screen-size.ts';

const { Terminal } = headless;

/** Rows above the screen that are retained: the default of an emulator in a viewer. */
export const SCROLLBACK = 1000;
/** Minimum columns of the emulator. */
const MIN_COLS = 2;

export interface ScreenSize {
  readonly cols: number;
  readonly rows: number;
}

type Headless = InstanceType<typeof Terminal>;

export interface Attributes {
  readonly fg: number;
  readonly bg: number;
  readonly extended: { readonly underlineStyle: number; readonly underlineColor: number; readonly urlId: number };
}

export interface Cell extends Attributes {
  readonly content: number;
  getChars(): string;
  getWidth(): number;
}

export interface BufferLine {
  readonly isWrapped: boolean;
  readonly length: number;
  loadCell(at: number, cell: Cell): Cell;
  getWidth(at: number): number;
  hasContent(at: number): unknown;
  setCellFromCodepoint(at: number, code: number, width: number, attributes: Attributes): void;
  resize(cols: number, fill: Cell): unknown;
}

export type Charset = Readonly<Record<string, string>> | undefined;

export interface TerminalBuffer {
  readonly x: number;
  readonly y: number;
  readonly ybase: number;
  readonly savedX: number;
  readonly savedY: number;
  readonly savedCurAttrData: Attributes;
  readonly savedCharset: Charset;
  readonly scrollTop: number;
  readonly scrollBottom: number;
  readonly tabs: Readonly<Record<string, boolean>>;
  readonly lines: { readonly length: number; get(at: number): BufferLine | undefined };
}

interface ColorEvent {
  /** 0 queries, 1 sets, 2 restores the default. */
  readonly type: number;
  readonly index?: number;
  readonly color?: readonly [number, number, number];
}

interface MutableAttributes {
  readonly fg: number;
  bg: number;
  extended: { underlineStyle: number; readonly urlId: number; clone(): MutableAttributes['extended'] };
}

/** The internals of the emulator. */
export interface TerminalCore {
  readonly buffers: { readonly normal: TerminalBuffer; readonly alt: TerminalBuffer; readonly active: TerminalBuffer };
  readonly _inputHandler: {
    parse(bytes: Uint8Array): unknown;
    print(codes: Uint32Array, start: number, end: number): void;
    restoreCursor(numbers?: unknown): boolean;
    insertChars(numbers: unknown): boolean;
    readonly _parser: { readonly currentState: number; readonly precedingJoinState: number };
    readonly _utf8Decoder: { readonly interim: Uint8Array };
    readonly _curAttrData: Attributes;
    readonly _windowTitle: string;
    readonly _iconName: string;
    eraseInDisplay(numbers: { readonly params: Int32Array }, respectsProtection: boolean): boolean;
    _resetBufferLine(row: number, respectsProtection: boolean): void;
    onColor(listener: (events: readonly ColorEvent[]) => void): unknown;
  };
  registerCsiHandler(
    id: { readonly final: string },
    handler: (numbers: { readonly params: Int32Array }) => boolean,
  ): unknown;
  readonly coreService: {
    readonly isCursorHidden: boolean;
    readonly modes: { readonly insertMode: boolean };
    readonly decPrivateModes: {
      readonly applicationCursorKeys: boolean;
      readonly applicationKeypad: boolean;
      readonly bracketedPasteMode: boolean;
      readonly cursorBlink: boolean | undefined;
      readonly cursorStyle: string | undefined;
      readonly origin: boolean;
      readonly reverseWraparound: boolean;
      readonly sendFocus: boolean;
      readonly synchronizedOutput: boolean;
      readonly wraparound: boolean;
    };
  };
  readonly coreMouseService: { readonly activeProtocol: string; readonly activeEncoding: string };
  readonly optionsService: { readonly rawOptions: { readonly convertEol: boolean } };
  readonly _charsetService: {
    readonly glevel: number;
    readonly _charsets: readonly Charset[];
    readonly charset: Charset;
  };
  readonly _oscLinkService: { getLinkData(id: number): { readonly id?: string; readonly uri: string } | undefined };
}

const GROUND = 0;
const UNDERLINE = 0x10_00_00_00;
const EXTENDED = 0x10_00_00_00;

export class Emulator {
  readonly terminal: Headless;
  readonly core: TerminalCore;
  /**
   * Colours that a program has set: of the palette (0 to 255), the text (256), the background (257) and the cursor
   * (258).
   */
  readonly colors = new Map<number, readonly [number, number, number]>();
  /** True if the size is above the maximum: the screen is drawn smaller, and not exactly. */
  isClipped = false;
  /** True after an error in the emulator. */
  isBroken = false;

  constructor(size: ScreenSize) {
    this.terminal = new Terminal({ ...this.#drawable(size), scrollback: SCROLLBACK, allowProposedApi: true });
    this.core = (this.terminal as unknown as { readonly _core: TerminalCore })._core;
    limitCounts(this.terminal);
    this.#mendErasing();
    this.#mendMargin();
    this.#mendRestoring();
    this.#mendInserting();
    this.core._inputHandler.onColor((events) => this.#color(events));
  }

  get size(): ScreenSize {
    return { cols: this.terminal.cols, rows: this.terminal.rows };
  }

  /** Processes all bytes synchronously. */
  write(bytes: Uint8Array): void {
    try {
      this.core._inputHandler.parse(bytes);
    } catch {
      // The emulator lost the rest of these bytes.
      this.isBroken = true;
    }
  }

  resize(size: ScreenSize): void {
    const { cols, rows } = this.#drawable(size);
    this.terminal.resize(cols, rows);
    this.#cutHidden();
  }

  /** True outside of sequences and characters. */
  get isAtGround(): boolean {
    const { _parser, _utf8Decoder } = this.core._inputHandler;
    return _parser.currentState === GROUND && _utf8Decoder.interim[0] === 0;
  }

  dispose(): void {
    this.terminal.dispose();
  }

  /**
   * Fixes a bug of the emulator: `CSI 1 J` in the last cell of a screen with nothing above it throws, and loses the
   * output after it.
   */
  #mendErasing(): void {
    const { _inputHandler: does, buffers } = this.core;
    this.core.registerCsiHandler({ final: 'J' }, (numbers) => {
      if (numbers.params[0] !== 1) return false;
      try {
        does.eraseInDisplay(numbers, false);
      } catch {
        for (let row = buffers.active.y - 1; row >= 0; row--) does._resetBufferLine(row, false);
      }
      return true;
    });
  }

  /**
   * Fixes a bug of the emulator: without wrapping, a wide character that does not fit was dropped, and half of the one
   * before it was left. No output makes such a row again, so it could not be restored. Now the earlier character stays
   * whole, or disappears with what is written over it.
   */
  #mendMargin(): void {
    const { _inputHandler: does, buffers, coreService } = this.core;
    const print = does.print.bind(does);
    const cell = this.terminal.buffer.active.getNullCell() as unknown as Cell;
    does.print = (codes, start, end) => {
      print(codes, start, end);
      if (coreService.decPrivateModes.wraparound) return;
      const { active } = buffers;
      const line = active.lines.get(active.ybase + active.y);
      const last = this.terminal.cols - 1;
      if (line === undefined || line.getWidth(last - 1) !== 2) return;
      if (line.hasContent(last)) line.setCellFromCodepoint(last - 1, 0, 1, does._curAttrData);
      else line.setCellFromCodepoint(last, 0, 0, line.loadCell(last - 1, cell));
    };
  }

  /**
   * Fixes a bug of the emulator: a saved cursor contains the fact of an underline, but not its style, so a restored
   * underline could have no style.
   */
  #mendRestoring(): void {
    const { _inputHandler: does } = this.core;
    const restoreCursor = does.restoreCursor.bind(does);
    does.restoreCursor = (numbers) => {
      const isDone = restoreCursor(numbers);
      const now = does._curAttrData as unknown as MutableAttributes;
      if ((now.bg & EXTENDED) === 0 || now.extended.urlId !== 0) return isDone;
      const isUnderlined = (now.fg & UNDERLINE) !== 0;
      if (isUnderlined !== (now.extended.underlineStyle !== 0)) {
        // Cells share the previous object.
        now.extended = now.extended.clone();
        now.extended.underlineStyle = isUnderlined ? 1 : 0;
      }
      if (!isUnderlined) now.bg &= ~EXTENDED;
      return isDone;
    };
  }

  /**
   * Fixes a bug of the emulator: `CSI n @` between the halves of a wide character left the second half alone, and
   * without a width.
   */
  #mendInserting(): void {
    const { _inputHandler: does, buffers } = this.core;
    const insertChars = does.insertChars.bind(does);
    does.insertChars = (numbers) => {
      const { active } = buffers;
      const { x } = active;
      const line = active.lines.get(active.ybase + active.y);
      if (x > 0 && x < this.terminal.cols && line?.getWidth(x - 1) === 2) {
        for (const half of [x - 1, x]) line.setCellFromCodepoint(half, 0, 1, does._curAttrData);
      }
      return insertChars(numbers);
    };
  }

  /**
   * Removes the hidden part of rows after the alternate screen became narrower. The emulator would show it again when
   * the screen becomes wider, unlike any other terminal, and no text makes such a row.
   */
  #cutHidden(): void {
    const { cols } = this.terminal;
    const { lines } = this.core.buffers.alt;
    const fill = this.terminal.buffer.active.getNullCell() as unknown as Cell;
    for (let y = 0; y < lines.length; y++) {
      const line = lines.get(y);
      if (line === undefined || line.length <= cols) continue;
      line.resize(cols, fill);
      // Half of a wide character.
      if (line.getWidth(cols - 1) === 2) line.setCellFromCodepoint(cols - 1, 0, 1, line.loadCell(cols - 1, fill));
    }
  }

  #drawable({ cols, rows }: ScreenSize): ScreenSize {
    this.isClipped = cols > MAX_COLS || rows > MAX_ROWS;
    return { cols: Math.max(MIN_COLS, Math.min(cols, MAX_COLS)), rows: Math.min(rows, MAX_ROWS) };
  }

  #color(events: readonly ColorEvent[]): void {
    for (const { type, index, color } of events) {
      if (type === 1 && index !== undefined && color !== undefined) this.colors.set(index, color);
      else if (type === 2 && index === undefined) this.colors.clear();
      else if (type === 2 && index !== undefined) this.colors.delete(index);
    }
  }
}

/** Internals of a terminal: its handlers get the parameters of a sequence themselves, and can change them. */
interface ParserCore {
  registerCsiHandler(id: { final: string }, handler: (numbers: { readonly params: Int32Array }) => boolean): unknown;
}

/**
 * Limits repeat counts. The emulator executes these sequences one by one, up to 2^31 times. More than the number of
 * rows or columns makes no difference.
 */
function limitCounts(terminal: Headless): void {
  const core = (terminal as unknown as { readonly _core: ParserCore })._core;
  const limit = (finals: string, most: () => number): void => {
    for (const final of finals) {
      core.registerCsiHandler({ final }, ({ params }) => {
        if ((params[0] ?? 0) > most()) params[0] = most();
        return false;
      });
    }
  };
  limit('STLM', () => terminal.rows);
  limit('IZ', () => terminal.cols);
  limit('b', () => terminal.rows * terminal.cols);
}
