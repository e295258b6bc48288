// Text that brings a new terminal into the state of an emulator: rows, colours, cursor, modes. Output written after it
// has the same effect as in the emulator.

import { CellText, PLAIN } from './cells.ts';
import {
  type Attributes,
  type Cell,
  type Charset,
  Emulator,
  type TerminalBuffer as Rows,
  type TerminalCore,
} from './emulator.ts';

/** Any wide character. */
const WIDE = '一';
const HAS_CONTENT = 0x3f_ff_ff;
const MAX_TITLE = 1000;
const MOUSE: Readonly<Record<string, string>> = { X10: '9', VT200: '1000', DRAG: '1002', ANY: '1003' };
const MOUSE_ENCODINGS: Readonly<Record<string, string>> = { SGR: '1006', SGR_PIXELS: '1016' };
const STYLES = ['block', 'underline', 'bar'];
/** Designators of the character sets that a terminal may select. */
const CHARSETS = 'A045CRQKYE6ZH7=';

/**
 * Tells whether the state can be restored from text: not in the middle of a sequence, nor in a state that no text
 * produces.
 */
export function isRestorable(emulator: Emulator): boolean {
  if (!emulator.isAtGround) return false;
  const { core } = emulator;
  if (!isJoining(core) && !isAtMargin(emulator)) return !isOutside(core) || core.buffers.active === core.buffers.normal;
  if (isOutside(core)) return false;
  const last = lastCell(emulator);
  if (last === undefined) return false;
  const { _curAttrData: now } = core._inputHandler;
  // The last character is written again at the very end, with the present attributes.
  const isSame = last.cell.fg >>> 0 === now.fg >>> 0 && last.cell.bg >>> 0 === now.bg >>> 0;
  return (
    !isJoining(core) || (isSame && !core.coreService.modes.insertMode && core._charsetService.charset === undefined)
  );
}

/** `scrollback`: maximum rows above the screen. */
export function restoring(emulator: Emulator, scrollback: number): { readonly text: string; readonly above: number } {
  const { core, terminal } = emulator;
  const { normal, alt, active } = core.buffers;
  const { cols, rows } = terminal;
  const cell = (): Cell => terminal.buffer.active.getNullCell() as unknown as Cell;
  const out = new CellText(core, [cell(), cell()]);
  out.push('\x1bc\x1b[20l');
  for (const [index, color] of emulator.colors) out.push(colorText(index, color));
  const above = Math.min(scrollback, normal.ybase);
  buffer(out, normal, { first: normal.ybase - above, cols, rows });
  if (active === normal && hasSaved(alt)) {
    out.plain();
    out.push(`\x1b[?47h\x1b[${alt.savedY - alt.ybase + 1};${Math.min(alt.savedX, cols - 1) + 1}H`);
    save(out, alt);
    out.push('\x1b[?47l');
  }
  if (active === alt) {
    out.plain();
    // The cursor decides which rows are removed when the terminal has fewer rows.
    out.push(`\x1b[${normal.y + 1};${Math.min(normal.x, cols - 1) + 1}H\x1b(B\x1b[?47h\x1b[H`);
    buffer(out, alt, { first: alt.ybase, cols, rows });
  }
  title(out, core);
  region(out, active, rows);
  const { decPrivateModes, modes, isCursorHidden } = core.coreService;
  const row = active.y - (decPrivateModes.origin ? active.scrollTop : 0);
  // Not by column alone: in origin mode the emulator moves down with each such step.
  const to = (x: number): string => `\x1b[${Math.max(0, row) + 1};${x + 1}H`;
  const x = Math.min(active.x, cols - 1);
  if (isOutside(core) && active === normal) {
    // The cursor comes along from the other buffer.
    out.push(`\x1b[?47h\x1b[?6h\x1b[${active.y + 1};${x + 1}H\x1b[?47l`);
  } else {
    if (decPrivateModes.origin) out.push('\x1b[?6h');
    out.push(to(x));
  }
  const last = isAtMargin(emulator) || isJoining(core) ? lastCell(emulator) : undefined;
  // Only a character at the margin moves the cursor past the margin. ASCII must not be translated.
  if (last !== undefined) {
    out.push(`\x1b(B\x0f${to(last.x)}`);
    out.attributes(last.cell);
    // No later character joins it.
    out.push(`${last.cell.getChars()}\x0f`);
  }
  // Otherwise only its appearance is restored, and no later character joins it.
  const repeats = isJoining(core) && last !== undefined && isRestorable(emulator);
  out.attributes(core._inputHandler._curAttrData);
  charsets(out, core);
  if (modes.insertMode) out.push('\x1b[4h');
  if (core.optionsService.rawOptions.convertEol) out.push('\x1b[20h');
  const set = (isSet: boolean, mode: string): void => {
    if (isSet) out.push(`\x1b[?${mode}h`);
  };
  set(decPrivateModes.applicationCursorKeys, '1');
  set(decPrivateModes.reverseWraparound, '45');
  set(decPrivateModes.sendFocus, '1004');
  set(decPrivateModes.bracketedPasteMode, '2004');
  set(decPrivateModes.synchronizedOutput, '2026');
  if (decPrivateModes.applicationKeypad) out.push('\x1b=');
  if (!decPrivateModes.wraparound) out.push('\x1b[?7l');
  if (isCursorHidden) out.push('\x1b[?25l');
  const { cursorStyle, cursorBlink } = decPrivateModes;
  if (cursorStyle !== undefined) out.push(`\x1b[${STYLES.indexOf(cursorStyle) * 2 + (cursorBlink === true ? 1 : 2)} q`);
  const { activeProtocol, activeEncoding } = core.coreMouseService;
  set(activeProtocol in MOUSE, MOUSE[activeProtocol] ?? '');
  set(activeEncoding in MOUSE_ENCODINGS, MOUSE_ENCODINGS[activeEncoding] ?? '');
  // The next output may join it, or repeat it.
  if (repeats && last !== undefined)
    out.push(`${to(last.x)}${last.cell.getChars()}${hasDropped(emulator) ? WIDE : ''}`);
  return { text: out.text, above };
}

interface Extent {
  readonly first: number;
  readonly cols: number;
  readonly rows: number;
}

/** Restores a buffer's rows, tabs, region and saved cursor. */
function buffer(out: CellText, of: Rows, { first, cols, rows }: Extent): void {
  const isSaved = hasSaved(of);
  // The saved cursor is in a row, which may be above the screen by now, and come back when there are more rows.
  out.rows(of, first, cols, (y) => {
    if (!isSaved || of.savedY >= of.ybase || y !== Math.max(of.savedY, first)) return;
    out.push(`\x1b[${Math.min(of.savedX, cols - 1) + 1}G`);
    save(out, of);
    out.push('\r');
  });
  out.plain();
  const stops = Object.keys(of.tabs)
    .map(Number)
    .filter((stop) => of.tabs[stop] === true && stop < cols);
  const isUsual = stops.length === Math.ceil(cols / 8) && stops.every((stop) => stop % 8 === 0);
  if (!isUsual) out.push(`\x1b[3g${stops.map((stop) => `\x1b[${stop + 1}G\x1bH`).join('')}`);
  region(out, of, rows);
  if (!isSaved || of.savedY < of.ybase) return;
  out.push(`\x1b[${Math.min(rows - 1, of.savedY - of.ybase) + 1};${Math.min(of.savedX, cols - 1) + 1}H`);
  save(out, of);
}

function save(out: CellText, { savedCurAttrData, savedCharset }: Rows): void {
  // Links, underline styles and colours are not saved.
  out.attributes({ ...savedCurAttrData, bg: savedCurAttrData.bg & ~0x10_00_00_00, extended: PLAIN.extended });
  out.push(`\x1b(${designator(savedCharset)}\x1b7\x1b(B`);
  out.plain();
}

const hasSaved = (of: Rows): boolean =>
  of.savedX > 0 || of.savedY > 0 || of.savedCharset !== undefined || !isPlain(of.savedCurAttrData);

const isPlain = ({ fg, bg }: Attributes): boolean => fg === 0 && bg === 0;

function region(out: CellText, { scrollTop, scrollBottom }: Rows, rows: number): void {
  if (scrollTop !== 0 || scrollBottom !== rows - 1) out.push(`\x1b[${scrollTop + 1};${scrollBottom + 1}r`);
}

function charsets(out: CellText, { _charsetService }: TerminalCore): void {
  const { _charsets, glevel, charset } = _charsetService;
  // The current set can differ from the set of its slot (after `CSI ? 1049 l`).
  const all = [..._charsets];
  all[glevel] = charset;
  for (const [slot, introducer] of ['(', ')', '*', '+'].entries()) {
    const name = designator(all[slot]);
    if (name !== 'B') out.push(`\x1b${introducer}${name}`);
  }
  if (glevel > 0) out.push(['\x0f', '\x0e', '\x1bn', '\x1bo'][glevel] ?? '');
}

/** Finds the name of a character set. Only an emulator knows which is which. */
function designator(charset: Charset): string {
  if (charset === undefined) return 'B';
  const scratch = new Emulator({ cols: 2, rows: 1 });
  try {
    for (const name of CHARSETS) {
      scratch.write(Buffer.from(`\x1b(${name}`));
      if (scratch.core._charsetService._charsets[0] === charset) return name;
    }
    return 'B';
  } finally {
    scratch.dispose();
  }
}

function title(out: CellText, { _inputHandler }: TerminalCore): void {
  const { _windowTitle, _iconName } = _inputHandler;
  if (_iconName !== '') out.push(`\x1b]1;${shown(_iconName)}\x1b\\`);
  if (_windowTitle !== '') out.push(`\x1b]2;${shown(_windowTitle)}\x1b\\`);
}

const shown = (name: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would end the sequence.
  name.slice(0, MAX_TITLE).replace(/[\x00-\x1f\x7f-\x9f]/g, '');

function colorText(index: number, [r, g, b]: readonly [number, number, number]): string {
  const two = (part: number): string => part.toString(16).padStart(2, '0');
  const name = index < 256 ? `4;${index}` : String(10 + index - 256);
  return `\x1b]${name};rgb:${two(r)}/${two(g)}/${two(b)}\x1b\\`;
}

/** True if the last character can be joined, or repeated. */
const isJoining = ({ _inputHandler }: TerminalCore): boolean => _inputHandler._parser.precedingJoinState !== 0;

/**
 * True if the last character was wide and did not fit before the margin: the next one takes it for the character that
 * is there.
 */
const hasDropped = ({ core, terminal }: Emulator): boolean =>
  !core.coreService.decPrivateModes.wraparound &&
  core.buffers.active.x === terminal.cols - 1 &&
  widthOf(core._inputHandler._parser.precedingJoinState) === 2;

/** Unpacks the width from the emulator's join state. */
const widthOf = (joinState: number): number => (joinState >> 1) & 3;

/** True if the cursor is outside of the region in origin mode, where no sequence can move it. */
const isOutside = ({ buffers: { active }, coreService: { decPrivateModes } }: TerminalCore): boolean =>
  decPrivateModes.origin && (active.y < active.scrollTop || active.y > active.scrollBottom);

/** True past the last column: the next character begins a row. */
const isAtMargin = ({ core, terminal }: Emulator): boolean => core.buffers.active.x >= terminal.cols;

function lastCell({ core, terminal }: Emulator): { readonly x: number; readonly cell: Cell } | undefined {
  const { active } = core.buffers;
  const line = active.lines.get(active.ybase + active.y);
  if (line === undefined || active.x === 0) return undefined;
  const cell = line.loadCell(active.x - 1, terminal.buffer.active.getNullCell() as unknown as Cell);
  let x = active.x - 1;
  if (cell.getWidth() === 0 && x > 0) {
    x -= 1;
    line.loadCell(x, cell);
    if (cell.getWidth() !== 2) return undefined;
  }
  return (cell.content & HAS_CONTENT) === 0 ? undefined : { x, cell };
}
