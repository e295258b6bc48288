// A terminal that nobody sees: takes what a program wrote, and says where it may be stopped. Everything that is known of
// the insides of the emulator is here and in restore-text.ts; the version is pinned for that. Knows no log.

// CommonJS, of which Node finds no names.
import headless from '@xterm/headless';
import { limitCounts } from './parameter-limits.ts';
import { MAX_COLS, MAX_ROWS } from './screen-size.ts';

const { Terminal } = headless;

/** Rows above the screen that are kept: what an emulator of a viewer keeps if it is not told otherwise. */
export const SCROLLBACK = 1000;
/** The least that the emulator has. */
const MIN_COLS = 2;

export interface Size {
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

export interface Line {
  readonly isWrapped: boolean;
  readonly length: number;
  loadCell(at: number, cell: Cell): Cell;
  getWidth(at: number): number;
  hasContent(at: number): unknown;
  setCellFromCodepoint(at: number, code: number, width: number, attributes: Attributes): void;
  resize(cols: number, fill: Cell): unknown;
}

export type Charset = Readonly<Record<string, string>> | undefined;

export interface Buffer {
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
  readonly lines: { readonly length: number; get(at: number): Line | undefined };
}

interface ColorEvent {
  /** 0 asks, 1 sets, 2 gives the default back. */
  readonly type: number;
  readonly index?: number;
  readonly color?: readonly [number, number, number];
}

interface Changeable {
  readonly fg: number;
  bg: number;
  extended: { underlineStyle: number; readonly urlId: number; clone(): Changeable['extended'] };
}

/** What of the emulator is not public. */
export interface Core {
  readonly buffers: { readonly normal: Buffer; readonly alt: Buffer; readonly active: Buffer };
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
  readonly core: Core;
  /** Of the palette (0 to 255), the text (256), what is behind it (257) and the cursor (258), where a program set them. */
  readonly colors = new Map<number, readonly [number, number, number]>();
  /** Larger than what is drawn: it is drawn smaller, and not as it is. */
  isClipped = false;
  /** The emulator failed at something. */
  isBroken = false;

  constructor(size: Size) {
    this.terminal = new Terminal({ ...this.#drawable(size), scrollback: SCROLLBACK, allowProposedApi: true });
    this.core = (this.terminal as unknown as { readonly _core: Core })._core;
    limitCounts(this.terminal);
    this.#mendErasing();
    this.#mendMargin();
    this.#mendRestoring();
    this.#mendInserting();
    this.core._inputHandler.onColor((events) => this.#color(events));
  }

  get size(): Size {
    return { cols: this.terminal.cols, rows: this.terminal.rows };
  }

  /** Takes all of it, now. */
  write(bytes: Uint8Array): void {
    try {
      this.core._inputHandler.parse(bytes);
    } catch {
      // What was behind it in these bytes is lost.
      this.isBroken = true;
    }
  }

  resize(size: Size): void {
    const { cols, rows } = this.#drawable(size);
    this.terminal.resize(cols, rows);
    this.#cutHidden();
  }

  /** Inside no sequence and no character. */
  get isAtGround(): boolean {
    const { _parser, _utf8Decoder } = this.core._inputHandler;
    return _parser.currentState === GROUND && _utf8Decoder.interim[0] === 0;
  }

  dispose(): void {
    this.terminal.dispose();
  }

  /** `CSI 1 J` in the last cell of a screen with nothing above it throws, and loses what is written behind it. */
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
   * Where nothing wraps, a wide character that does not fit is dropped, and half of the one before it was left: nothing
   * that is written makes such a row again. It stays whole, or goes with what is written over it.
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

  /** That there is a line under the text is kept with the cursor, what line is not: it could be one that has no style. */
  #mendRestoring(): void {
    const { _inputHandler: does } = this.core;
    const restoreCursor = does.restoreCursor.bind(does);
    does.restoreCursor = (numbers) => {
      const isDone = restoreCursor(numbers);
      const now = does._curAttrData as unknown as Changeable;
      if ((now.bg & EXTENDED) === 0 || now.extended.urlId !== 0) return isDone;
      const isUnderlined = (now.fg & UNDERLINE) !== 0;
      if (isUnderlined !== (now.extended.underlineStyle !== 0)) {
        // Cells have the one that there was.
        now.extended = now.extended.clone();
        now.extended.underlineStyle = isUnderlined ? 1 : 0;
      }
      if (!isUnderlined) now.bg &= ~EXTENDED;
      return isDone;
    };
  }

  /** `CSI n @` between the halves of a wide character left the second one alone, and without a width. */
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
   * A screen of its own that becomes narrower keeps what is cut off, and shows it when it is wide again: of no other
   * terminal is that so, and no text makes such a row.
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

  #drawable({ cols, rows }: Size): Size {
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
