// Terminal modes that a program has changed, and the sequences that reset them.

import { EscapeParser, type EscapeSequence, sequenceOf } from '@binnacle/protocol';

/** DEC private modes that are on in a fresh terminal: line wrap, auto-repeat, visible cursor. */
const ON_BY_DEFAULT = new Set([7, 8, 25]);
/** Modes that are not tracked: the blinking cursor is the user's own setting, and 1048 saves rather than sets. */
const LEFT_ALONE = new Set([12, 1048]);
/** The alternate screen, in its three forms. Reset last, because leaving it also restores the cursor. */
const ALTERNATE_SCREEN = new Set([47, 1047, 1049]);

const SHIFT_OUT = 0x0e;

export class TerminalModes {
  readonly #parser = new EscapeParser(
    {
      control: (code, _, isInside) => {
        if (code === SHIFT_OUT && !isInside) this.#charset = true;
      },
      sequence: (bytes, from, to, end) => {
        if (end === 'whole') this.#sequence(sequenceOf(bytes, from, to));
      },
    },
    { bellEndsAll: true },
  );
  /** Private modes that differ from a fresh terminal, with their current value. */
  readonly #changed = new Map<number, boolean>();
  #keypad = false;
  #region = false;
  #charset = false;
  #keyboardDepth = 0;
  #otherKeys = false;
  #colours = false;

  push(chunk: Uint8Array): void {
    this.#parser.push(chunk);
  }

  /** True while a full-screen program uses the alternate screen. */
  get fullScreen(): boolean {
    return [...ALTERNATE_SCREEN].some((mode) => this.#changed.get(mode) === true);
  }

  /** Returns the bytes that restore the terminal; empty if nothing was changed. */
  restore(): string {
    let out = '';
    if (this.#keyboardDepth > 0) out += `\x1b[<${this.#keyboardDepth}u`;
    if (this.#otherKeys) out += '\x1b[>4m';
    if (this.#keypad) out += '\x1b>';
    if (this.#charset) out += '\x0f\x1b(B';
    // Resetting the region moves the cursor home, so the cursor is saved and restored around the reset.
    if (this.#region) out += '\x1b7\x1b[r\x1b8';
    const byTurn = [...this.#changed].sort(([a], [b]) => turn(a) - turn(b));
    for (const [mode, value] of byTurn) out += `\x1b[?${mode}${value ? 'l' : 'h'}`;
    if (this.#colours) out += '\x1b[0m';
    return out;
  }

  #sequence(sequence: EscapeSequence): void {
    if (sequence.kind === 'escape') this.#escape(sequence.text);
    if (sequence.kind !== 'csi') return;
    const { parameters, final } = sequence;
    if ((final === 'h' || final === 'l') && parameters.startsWith('?')) {
      for (const number of parameters.slice(1).split(';')) this.#set(Number(number), final === 'h');
    } else if (final === 'r' && /^[0-9;]*$/.test(parameters)) {
      this.#region = parameters !== '';
    } else if (final === 'u' && parameters.startsWith('>')) {
      this.#keyboardDepth += 1;
    } else if (final === 'u' && parameters.startsWith('<')) {
      this.#keyboardDepth = Math.max(0, this.#keyboardDepth - (Number(parameters.slice(1)) || 1));
    } else if (final === 'm' && parameters.startsWith('>4')) {
      this.#otherKeys = /^>4;[12]$/.test(parameters);
    } else if (final === 'm') {
      this.#colours = !/^(?:|0|.*;0)$/.test(parameters);
    } else if (final === 'p' && parameters === '!') {
      this.#reset(); // DECSTR
    }
  }

  #escape(text: string): void {
    if (text === 'c') this.#reset();
    else if (text === '=') this.#keypad = true;
    else if (text === '>') this.#keypad = false;
    else if (/^[()]/.test(text)) this.#charset = text !== '(B';
  }

  #set(mode: number, value: boolean): void {
    if (!Number.isInteger(mode) || mode <= 0 || LEFT_ALONE.has(mode)) return;
    if (value === ON_BY_DEFAULT.has(mode)) this.#changed.delete(mode);
    else this.#changed.set(mode, value);
  }

  #reset(): void {
    // RIS leaves the alternate screen, DECSTR does not; leaving it twice does no harm.
    for (const mode of [...this.#changed.keys()]) if (!ALTERNATE_SCREEN.has(mode)) this.#changed.delete(mode);
    this.#keypad = false;
    this.#region = false;
    this.#charset = false;
    this.#otherKeys = false;
    this.#colours = false;
  }
}

const turn = (mode: number): number => (ALTERNATE_SCREEN.has(mode) ? 1 : 0);
