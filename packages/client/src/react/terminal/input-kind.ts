// Separates data that a terminal emulator sends by itself from the input of a person. Pure.

/**
 * `auto`: an automatic answer to a query, or a focus report. Only the client that holds the lease may send it: with two
 * viewers the program would get two answers, and history must not be answered at all. `pointer`: a mouse or wheel
 * report. `text`: keys, paste and composed text.
 */
export type InputKind = 'auto' | 'pointer' | 'text';

const CSI_ANSWER = new RegExp(
  '^\\x1b\\[(?:' +
    '[?>=][0-9;:]*c' + // DA1, DA2, DA3
    '|[?]?[0-9]+;[0-9;]*R' + // DSR 6: where the cursor is
    '|[?]?[0-9;]*n' + // DSR 5 and its private forms, colour scheme reports among them
    '|[?]?[0-9;]*\\$y' + // DECRPM: the answer to DECRQM
    '|[0-9]+(?:;[0-9]+)*t' + // window reports
    '|[?][0-9]+u' + // kitty keyboard flags
    '|[0-9;]*x' + // DECREPTPARM
    '|[IO]' + // focus gained, focus lost
    ')$',
);
// OSC, DCS, APC, PM and SOS open strings that no key sends. Two characters alone are Alt and a letter.
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character.
const STRING_ANSWER = /^\x1b[\]P_^X][\s\S]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
const POINTER = /^\x1b\[(?:<[0-9;]+[Mm]|M[\s\S]{3,}|[0-9]+;[0-9]+;[0-9]+M)$/;

/** Classifies one chunk as an emulator hands it over: one answer, one report, or some text. */
export function inputKind(data: string): InputKind {
  if (!data.startsWith('\x1b')) return 'text';
  if (CSI_ANSWER.test(data) || STRING_ANSWER.test(data)) return 'auto';
  return POINTER.test(data) ? 'pointer' : 'text';
}

/**
 * Decides whether text is deliberate enough to take a free lease: a key, a paste or composed text, but not the arrow
 * keys that an emulator makes from a turned wheel.
 */
export class Gestures {
  #typedAt = -1;
  #pointedAt = -1;
  #key: string | undefined;

  /** Notes a paste, composed text or a virtual key. `now` is a monotonic clock in milliseconds. */
  typed(now: number): void {
    this.#typedAt = now;
  }

  /** Notes a key with the sequence that it becomes: Shift-F3 looks like an answer and is none. */
  pressed(now: number, sequence: string): void {
    this.#typedAt = now;
    this.#key = sequence;
  }

  /** Notes a turn of the wheel or a press of a button. */
  pointed(now: number): void {
    this.#pointedAt = now;
  }

  /** Classifies what the emulator sends, with the notes above. */
  sort(data: string): InputKind {
    const pressed = data === this.#key;
    this.#key = undefined;
    if (pressed) return 'text';
    const kind = inputKind(data);
    return kind === 'text' && this.#typedAt < this.#pointedAt ? 'pointer' : kind;
  }
}
