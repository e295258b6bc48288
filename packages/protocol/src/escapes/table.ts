// Transitions of the parser of escape sequences, after the state diagram of the VT500 (https://vt100.net/emu/dec_ansi_parser).

/** States of the parser. */
export const GROUND = 0;
/** After the first byte of a character that may be a C1 control. */
export const C1_BEGUN = 1;
export const ESCAPE = 2;
/** After ESC and intermediates, before the final byte. */
export const INTERMEDIATE = 3;
export const CSI = 4;
/** In OSC, DCS, SOS, PM and APC. */
export const STRING = 5;
/** In a string, after the first byte of a character that may be ST. */
export const STRING_C1 = 6;
/** In a string, after an ESC that ends it or belongs to ST. */
export const STRING_ESCAPE = 7;

/** Actions of the parser, without the transition alone. */
export const BEGIN = 1;
export const BEGIN_STRING = 2;
/** A control outside of sequences, and inside of one that continues. */
export const EXECUTE = 3;
export const EXECUTE_INSIDE = 4;
/** The last byte of a sequence, and BEL in a string. */
export const FINISH = 5;
export const BELL = 6;
/** The sequence is cut in front of this byte, which is taken again. */
export const CUT = 7;
/** A string ends in front of the ESC before this byte, which is taken again. */
export const INTERRUPT = 8;
/** Only the state changes, and this byte is taken again. */
export const AGAIN = 9;

/**
 * Form of C1 controls (CSI in one character, and its like): `utf-8`: characters of two bytes. `single`: one unit each,
 * as in UTF-16. `none`: they are text.
 */
export type C1Form = 'utf-8' | 'single' | 'none';

/** The action and the next state (`action * 16 + state`) for each state and byte (`state * 256 + byte`). */
export const ESCAPE_TABLES: Readonly<Record<C1Form, Uint8Array>> = {
  'utf-8': /* @__PURE__ */ escapeTable('utf-8'),
  single: /* @__PURE__ */ escapeTable('single'),
  none: /* @__PURE__ */ escapeTable('none'),
};

function escapeTable(c1: C1Form): Uint8Array {
  const table = new Uint8Array(8 * 256);
  const set = (state: number, from: number, to: number, next: number, action = 0): void => {
    table.fill(action * 16 + next, state * 256 + from, state * 256 + to + 1);
  };
  set(GROUND, 0x00, 0xff, GROUND);
  set(GROUND, 0x00, 0x1f, GROUND, EXECUTE);
  set(GROUND, 0x7f, 0x7f, GROUND, EXECUTE);
  set(GROUND, 0x1b, 0x1b, ESCAPE, BEGIN);
  if (c1 === 'utf-8') set(GROUND, 0xc2, 0xc2, C1_BEGUN);
  set(C1_BEGUN, 0x00, 0xff, GROUND, AGAIN);
  const c1State = c1 === 'utf-8' ? C1_BEGUN : GROUND;
  if (c1 !== 'none') {
    set(c1State, 0x80, 0x9f, GROUND, EXECUTE);
    set(c1State, 0x9b, 0x9b, CSI, BEGIN);
    for (const string of [0x90, 0x98, 0x9d, 0x9e, 0x9f]) set(c1State, string, string, STRING, BEGIN_STRING);
  }
  if (c1 === 'utf-8') set(C1_BEGUN, 0xa0, 0xbf, GROUND);

  set(ESCAPE, 0x20, 0x2f, INTERMEDIATE);
  set(ESCAPE, 0x30, 0x7e, GROUND, FINISH);
  set(ESCAPE, 0x5b, 0x5b, CSI);
  for (const string of [0x50, 0x58, 0x5d, 0x5e, 0x5f]) set(ESCAPE, string, string, STRING, BEGIN_STRING);
  set(INTERMEDIATE, 0x20, 0x2f, INTERMEDIATE);
  set(INTERMEDIATE, 0x30, 0x7e, GROUND, FINISH);
  set(CSI, 0x20, 0x3f, CSI);
  set(CSI, 0x40, 0x7e, GROUND, FINISH);
  for (const state of [ESCAPE, INTERMEDIATE, CSI]) {
    set(state, 0x00, 0x1f, state, EXECUTE_INSIDE);
    set(state, 0x7f, 0x7f, state, EXECUTE_INSIDE);
    set(state, 0x80, 0xff, GROUND, CUT);
    for (const ending of [0x18, 0x1a, 0x1b]) set(state, ending, ending, GROUND, CUT);
  }

  set(STRING, 0x00, 0xff, STRING);
  set(STRING, 0x07, 0x07, STRING, BELL);
  set(STRING, 0x1b, 0x1b, STRING_ESCAPE);
  for (const cancel of [0x18, 0x1a]) set(STRING, cancel, cancel, GROUND, CUT);
  if (c1 === 'utf-8') set(STRING, 0xc2, 0xc2, STRING_C1);
  if (c1 === 'single') set(STRING, 0x9c, 0x9c, GROUND, FINISH);
  set(STRING_C1, 0x00, 0xff, STRING, AGAIN);
  set(STRING_C1, 0x9c, 0x9c, GROUND, FINISH);
  set(STRING_ESCAPE, 0x00, 0xff, ESCAPE, INTERRUPT);
  set(STRING_ESCAPE, 0x5c, 0x5c, GROUND, FINISH);
  return table;
}
