// All that an emulator shows and would do next, to be compared. Rows above the screen included.

import { PLAIN } from './cells.ts';
import type { Attributes, Cell, Emulator, TerminalBuffer as Rows } from './emulator.ts';

const EXTENDED = 0x10_00_00_00;

/** `above`: rows above the screen, the newest. */
export function stateOf(emulator: Emulator, above = 1000): object {
  const { core, terminal } = emulator;
  const { normal, alt, active } = core.buffers;
  const { _parser, _windowTitle, _curAttrData } = core._inputHandler;
  const { decPrivateModes, modes, isCursorHidden } = core.coreService;
  const { activeProtocol, activeEncoding } = core.coreMouseService;
  return {
    size: { cols: terminal.cols, rows: terminal.rows },
    normal: rowsOf(emulator, normal, Math.min(above, normal.ybase)),
    alternate: active === alt ? rowsOf(emulator, alt, 0) : undefined,
    cursor: { x: active.x, y: active.y },
    // Whether, and how wide what it joins is.
    joins: _parser.precedingJoinState >> 1,
    now: attributesOf(emulator, _curAttrData),
    title: _windowTitle,
    modes: { ...modes, ...decPrivateModes, isCursorHidden, activeProtocol, activeEncoding },
    eol: core.optionsService.rawOptions.convertEol,
    charsets: {
      level: core._charsetService.glevel,
      all: Array.from({ length: 4 }, (_, i) => core._charsetService._charsets[i]),
    },
    colors: [...emulator.colors].sort(([a], [b]) => a - b),
  };
}

function rowsOf(emulator: Emulator, of: Rows, above: number): object {
  const cell = emulator.terminal.buffer.active.getNullCell() as unknown as Cell;
  const first = of.ybase - above;
  const rows: string[] = [];
  for (let y = first; y < of.lines.length; y++) {
    const line = of.lines.get(y);
    if (line === undefined) continue;
    // The emulator does not keep how the first row continues.
    let text = y > first && line.isWrapped ? '+' : ' ';
    let before = '';
    for (let x = 0; x < emulator.terminal.cols; x++) {
      line.loadCell(x, cell);
      const chars = cell.getChars();
      const isEmpty = chars === '' && cell.getWidth() !== 0;
      // Nothing of it shows but what is behind it.
      const isErased = isEmpty && (cell.fg & 0x94_00_00_00) === 0 && (cell.bg & 0x40_00_00_00) === 0;
      const now = attributesOf(emulator, isErased ? { ...PLAIN, bg: cell.bg & 0x3_ff_ff_ff } : cell);
      if (now !== before) text += `<${now}>`;
      before = now;
      text += isErased ? '·' : isEmpty ? ' ' : chars;
    }
    rows.push(text);
  }
  const { scrollTop, scrollBottom, tabs, savedX, savedY, ybase, savedCurAttrData, savedCharset } = of;
  const { cols, rows: height } = emulator.terminal;
  return {
    rows,
    y: of.y,
    scrollTop,
    scrollBottom,
    tabs: Object.keys(tabs).filter((stop) => tabs[Number(stop)] === true && Number(stop) < cols),
    saved: {
      x: Math.min(savedX, cols - 1),
      y: Math.max(0, Math.min(height - 1, savedY - ybase)),
      fg: colorText(savedCurAttrData.fg),
      bg: colorText(savedCurAttrData.bg & ~EXTENDED),
      savedCharset,
    },
  };
}

function attributesOf({ core }: Emulator, { fg, bg, extended }: Attributes): string {
  const colors = `${colorText(fg)},${colorText(bg)}`;
  if ((bg & EXTENDED) === 0) return colors === '0,0' ? '' : colors;
  const link = extended.urlId === 0 ? '' : (core._oscLinkService.getLinkData(extended.urlId)?.uri ?? '');
  return `${colors},${extended.underlineStyle},${colorText(extended.underlineColor)},${link}`;
}

/** A colour of the palette leaves what was in the bits that it does not use. */
function colorText(color: number): string {
  const mode = color & 0x3_00_00_00;
  const used = mode === 0x3_00_00_00 ? 0xff_ff_ff_ff : mode === 0 ? 0xfc_00_00_00 : 0xff_00_00_ff;
  return ((color & used) >>> 0).toString(16);
}
