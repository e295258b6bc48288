// How much one cell may hold. Accents, joiners and the like take no cell of their own, so that one letter may have any
// number of them, and whoever measures or draws it takes as long as they are many, squared. Knows no session.

import type { IDisposable, Terminal } from '@xterm/xterm';

/** Scripts and emoji that people write need fewer than ten. */
const MAX_MARKS = 32;
/** The first character that may take no cell. */
const FIRST_MARK = 0x300;

interface Printing {
  print(codes: Uint32Array, start: number, end: number): void;
  readonly _unicodeService: { wcwidth(code: number): number };
}

/** Beyond 32 in one cell they are not drawn; the log has them. Does nothing where xterm is built otherwise. */
export function boundMarks(terminal: Terminal): IDisposable {
  const { _core } = terminal as unknown as { _core?: { _inputHandler?: Partial<Printing> } };
  const handler = _core?._inputHandler;
  if (handler?.print === undefined || handler._unicodeService === undefined) return { dispose: () => {} };
  const { _unicodeService: unicode } = handler;
  const print = handler.print.bind(handler) as Printing['print'];
  // Marks in the cell before the cursor; the count continues from call to call.
  let marks = 0;
  handler.print = (codes, start, end) => {
    let from = start;
    for (let at = start; at < end; at += 1) {
      const code = codes[at] ?? 0;
      marks = code >= FIRST_MARK && unicode.wcwidth(code) === 0 ? marks + 1 : 0;
      if (marks <= MAX_MARKS) continue;
      if (at > from) print(codes, from, at);
      from = at + 1;
    }
    if (end > from) print(codes, from, end);
  };
  return {
    dispose: () => {
      // Its own is on the prototype.
      delete handler.print;
    },
  };
}
