// Tells what a terminal emulator sends by itself from what a person does. Pure; knows no emulator and no network.

/**
 * `auto`: an answer to a query in the output, or a focus report. A viewer that does not steer must not send it:
 * with two viewers the program would get two answers, and history must not be answered at all.
 * `pointer`: a mouse or wheel report.
 * `text`: everything else, so keys, paste and composed text.
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

/** Sorts one chunk as an emulator hands it over: one answer, one report, or some text. */
export function inputKind(data: string): InputKind {
  if (!data.startsWith('\x1b')) return 'text';
  if (CSI_ANSWER.test(data) || STRING_ANSWER.test(data)) return 'auto';
  return POINTER.test(data) ? 'pointer' : 'text';
}

/**
 * Whether text is deliberate enough to take a free helm: a key, a paste or composed text, and not the arrow keys
 * that an emulator makes of a turned wheel.
 */
export class Gestures {
  private typedAt: number;
  private pointedAt: number;
  private key: string | undefined;

  constructor() {
    this.typedAt = -1;
    this.pointedAt = -1;
    this.key = undefined;
  }

  /** A paste, composed text, a virtual key. `now` is any clock that does not run backwards. */
  typed(now: number): void {
    this.typedAt = now;
  }

  /** A key of the keyboard, with the sequence that it becomes: Shift-F3 looks like an answer, and is none. */
  pressed(now: number, sequence: string): void {
    this.typedAt = now;
    this.key = sequence;
  }

  pointed(now: number): void {
    this.pointedAt = now;
  }

  sort(data: string): InputKind {
    const pressed = data === this.key;
    this.key = undefined;
    if (pressed) return 'text';
    const kind = inputKind(data);
    return kind === 'text' && this.typedAt < this.pointedAt ? 'pointer' : kind;
  }
}
