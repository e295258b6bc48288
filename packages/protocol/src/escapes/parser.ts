// Parser of terminal output: tells text, controls and escape sequences apart, wherever the output is cut.

import {
  AGAIN,
  BEGIN,
  BEGIN_STRING,
  BELL,
  C1_BEGUN,
  type C1Form,
  CSI,
  CUT,
  ESCAPE,
  ESCAPE_TABLES,
  EXECUTE,
  EXECUTE_INSIDE,
  FINISH,
  GROUND,
  INTERRUPT,
  STRING,
  STRING_ESCAPE,
} from './table.ts';

/**
 * End of a sequence. `whole`: it ended by itself. `interrupted`: another ESC ended the string. `cut`: it broke off.
 * `more`: the string continues in the next call, because it is longer than `maxSequence`.
 */
export type SequenceEnd = 'whole' | 'interrupted' | 'cut' | 'more';

/** Receivers of the parts of terminal output. The units are valid only during the call. */
export interface EscapeHandlers {
  /** Takes text: `units` from `from` up to `to`. `at`: units of input before it. UTF-8 is as it came, valid or not. */
  readonly text?: (units: Uint8Array, from: number, to: number, at: number) => void;
  /**
   * Takes a control: C0, DEL, or C1 (0x80 to 0x9f). `at`: units of input before it. `isInside`: a sequence continues
   * around it, unless this returns true.
   */
  readonly control?: (code: number, at: number, isInside: boolean) => unknown;
  /** Takes `ESC …` or `CSI …`, with the controls inside. */
  readonly sequence?: (units: Uint8Array, from: number, to: number, end: SequenceEnd) => void;
  /** Takes OSC, DCS, SOS, PM or APC, with introducer and terminator. */
  readonly string?: (units: Uint8Array, from: number, to: number, end: SequenceEnd) => void;
}

/** Differences between terminals, and limits. */
export interface EscapeOptions {
  /** Form of C1 controls. Default `utf-8`. */
  readonly c1?: C1Form;
  /** Controls that are reported; others are text. Default: all. */
  readonly controls?: readonly number[];
  /** True if BEL ends all strings, as on the console of Linux, instead of OSC only. Default false. */
  readonly bellEndsAll?: boolean;
  /**
   * Maximum units of `ESC …` or `CSI …` behind its first two, and of a part of a string, and so the maximum that is
   * stored. Default 65,536.
   */
  readonly maxSequence?: number;
  /** Maximum units of a string behind its first two; further output is text. Default: unlimited, as in terminals. */
  readonly maxString?: number;
}

const DEFAULT_MAX_SEQUENCE = 65_536;
/** Maximum units to search one by one in ground: starting the runtime's search costs as much. */
const NEAR = 32;
/** Maximum different units that the runtime's search looks for. With more of them one pass over the table is faster. */
const MAX_SEARCHES = 2;
const INTRODUCER = 2;
/** First byte of C1 controls in UTF-8. */
const LEAD = Uint8Array.of(0xc2);
const ESC = 0x1b;
const ESCAPES = Uint8Array.of(ESC);
const ESCAPE_ENTRY = BEGIN * 16 + ESCAPE;

/**
 * Parser of terminal output, after the state diagram of the VT500. Gives the same parts wherever the output is cut,
 * except that text and long strings come in more of them. Never throws, and stores at most `maxSequence` units.
 *
 * A unit is a byte. Other text can be parsed if each of its units above 0xff is passed as 0xff.
 *
 * @example
 * ```ts
 * import { EscapeParser } from '@binnacle/protocol';
 *
 * let text = '';
 * const parser = new EscapeParser({
 *   text: (bytes, from, to) => {
 *     text += new TextDecoder().decode(bytes.subarray(from, to));
 *   },
 * });
 * parser.push(new TextEncoder().encode('\u001b[31mred\u001b[0m'));
 * console.log(text); // 'red'
 * ```
 */
export class EscapeParser {
  readonly #handlers: EscapeHandlers;
  readonly #table: Uint8Array;
  /** The row of the table for ground, with the controls that are reported. */
  readonly #ground: Uint8Array;
  readonly #bellEndsAll: boolean;
  readonly #maxSequence: number;
  readonly #maxString: number;
  /** Units that end a run in ground, if they are few; their next positions in the current input. */
  readonly #stops: readonly number[];
  readonly #stopsAt: number[];
  #state = GROUND;
  /** Units before the current input. */
  #before = 0;
  /** Beginning of the current text or sequence in the current input. */
  #from = 0;
  /** Units of input before the last sequence that began in ground. */
  #groundAt = 0;
  /** Units of input before the last sequence that began inside of another, and cut it. */
  #interruptedAt = -1;
  /** Units of input at which the current sequence is too long. */
  #limitAt = 0;
  #isOsc = false;
  /** True if a part of the current string was passed on. */
  #isParted = false;
  /** Beginning of the current sequence, from earlier inputs. */
  #stored = new Uint8Array(0);
  #storedLength = 0;

  constructor(handlers: EscapeHandlers, options: EscapeOptions = {}) {
    const { c1 = 'utf-8', controls, bellEndsAll = false } = options;
    this.#handlers = handlers;
    this.#table = ESCAPE_TABLES[c1];
    this.#ground = this.#table.subarray(0, 256);
    this.#bellEndsAll = bellEndsAll;
    this.#maxSequence = options.maxSequence ?? DEFAULT_MAX_SEQUENCE;
    this.#maxString = options.maxString ?? Number.POSITIVE_INFINITY;
    this.#stops = [];
    if (controls !== undefined) {
      this.#ground = this.#ground.slice();
      for (let unit = 0; unit < 0x80; unit += 1) {
        if (unit !== ESC && !controls.includes(unit)) this.#ground[unit] = GROUND;
      }
      const stops = [ESC, ...controls, ...(c1 === 'utf-8' ? LEAD : [])];
      if (stops.length <= MAX_SEARCHES && c1 !== 'single') this.#stops = stops;
    }
    this.#stopsAt = this.#stops.map(() => -1);
  }

  /** True outside of sequences. */
  get isGround(): boolean {
    return this.#state === GROUND;
  }

  /** Units of input up to the last position outside of sequences. An incomplete character may end there. */
  get groundAt(): number {
    return this.#state === GROUND ? this.#before : this.#groundAt;
  }

  /** Parses the next input. */
  push(units: Uint8Array): void {
    const { length } = units;
    if (length === 0) return;
    const table = this.#table;
    const ground = this.#ground;
    const { text, sequence } = this.#handlers;
    this.#from = 0;
    const hasStops = this.#stops.length > 0;
    for (let n = 0; n < this.#stopsAt.length; n += 1) this.#stopsAt[n] = -1;
    if (this.#state === C1_BEGUN) this.#resolveLead(units[0] as number);
    let i = 0;
    while (i < length) {
      const state = this.#state;
      let entry = state;
      if (state === GROUND) {
        const near = hasStops ? Math.min(length, i + NEAR) : length;
        for (; i < near; i += 1) {
          const unit = units[i] as number;
          if (unit >= 0x20 && unit < 0x7f) continue; // nearly all; faster than the table
          entry = ground[unit] as number;
          if (entry !== GROUND) break;
        }
        if (i === near && i < length) {
          i = this.#nextStop(units, i);
          if (i < length) entry = ground[units[i] as number] as number;
        }
        if (i === length) break;
        const end = entry === ESCAPE_ENTRY ? this.#simpleEnd(units, i) : 0;
        if (end > 0) {
          if (text !== undefined) this.#text(units, i);
          if (sequence !== undefined) sequence(units, i, end, 'whole');
          this.#from = end;
          i = end;
          continue;
        }
      } else {
        const row = state << 8;
        const end = Math.min(length, this.#limitAt - this.#before);
        for (; i < end; i += 1) {
          entry = table[row | (units[i] as number)] as number;
          if (entry !== state) break;
        }
        if (i === length) break;
        if (i >= end) {
          this.#cut(units, i);
          continue;
        }
      }
      if (entry < 16) {
        this.#state = entry;
        if (entry === C1_BEGUN) this.#beginsLead(i);
        i += 1;
      } else i += this.#act(units, i, entry);
    }
    this.#suspend(units);
    this.#before += length;
  }

  /**
   * Returns the end of a CSI at `from` that is whole and nothing but parameters and a final character, as nearly all
   * are; 0 for everything else.
   */
  #simpleEnd(units: Uint8Array, from: number): number {
    if (units[from + 1] !== 0x5b) return 0;
    const limit = Math.min(units.length, from + this.#capacity);
    let i = from + INTRODUCER;
    for (; i < limit; i += 1) {
      const unit = units[i] as number;
      if (unit >= 0x40) return unit < 0x7f ? i + 1 : 0;
      if (unit < 0x20) return 0;
    }
    return 0;
  }

  /** Ends the input: an incomplete sequence is cut. */
  end(): void {
    this.#from = 0;
    if (this.#state === C1_BEGUN) this.#handlers.text?.(LEAD, 0, 1, this.#before - 1);
    else if (this.#state !== GROUND) this.#cut(LEAD, 0);
    this.reset();
  }

  /** Forgets an incomplete sequence: the next input may be anything. */
  reset(): void {
    this.#state = GROUND;
    this.#storedLength = 0;
    this.#isParted = false;
  }

  /** Takes a unit that is more than a transition. Returns 1, or 0 if the unit must be taken again. */
  #act(units: Uint8Array, i: number, entry: number): 0 | 1 {
    const next = entry & 15;
    switch (entry >> 4) {
      case BEGIN:
        this.#begin(units, this.#state === C1_BEGUN ? i - 1 : i);
        this.#state = next;
        return 1;
      case BEGIN_STRING: {
        if (this.#state !== ESCAPE) this.#begin(units, this.#state === C1_BEGUN ? i - 1 : i);
        const introducer = units[i] as number;
        this.#isOsc = introducer === 0x5d || introducer === 0x9d;
        this.#limitAt += this.#maxString - this.#maxSequence;
        this.#state = next;
        return 1;
      }
      case EXECUTE:
        this.#text(units, this.#state === C1_BEGUN ? i - 1 : i);
        this.#state = GROUND;
        this.#from = i + 1;
        this.#handlers.control?.(units[i] as number, this.#before + i, false);
        return 1;
      case EXECUTE_INSIDE:
        if (this.#handlers.control?.(units[i] as number, this.#before + i, true) === true) this.#cut(units, i + 1);
        return 1;
      case BELL:
        if (!this.#isOsc && !this.#bellEndsAll) return 1;
        this.#finish(units, i + 1, 'whole');
        return 1;
      case FINISH:
        this.#finish(units, i + 1, 'whole');
        return 1;
      case CUT:
        this.#cut(units, i);
        this.#interruptedAt = this.#before + i;
        return 0;
      case INTERRUPT:
        this.#interrupt(units, i - 1);
        return 0;
      default:
        this.#state = next;
        return 0;
    }
  }

  /** Returns the next position of a unit that ends a run in ground. */
  #nextStop(units: Uint8Array, from: number): number {
    let next = units.length;
    for (let n = 0; n < this.#stops.length; n += 1) {
      let at = this.#stopsAt[n] as number;
      if (at < from) {
        at = units.indexOf(this.#stops[n] as number, from);
        if (at < 0) at = units.length;
        this.#stopsAt[n] = at;
      }
      if (at < next) next = at;
    }
    return next;
  }

  /** Notes the first byte of a character that may be a C1 control. */
  #beginsLead(i: number): void {
    if (this.#before + i !== this.#interruptedAt) this.#groundAt = this.#before + i;
    this.#limitAt = Number.POSITIVE_INFINITY;
  }

  /** Passes on the first byte of a character from the input before, unless the character is a C1 control. */
  #resolveLead(unit: number): void {
    const action = (this.#table[(C1_BEGUN << 8) | unit] as number) >> 4;
    if (action !== 0 && action !== AGAIN) return;
    this.#state = GROUND;
    this.#handlers.text?.(LEAD, 0, 1, this.#before - 1);
  }

  #begin(units: Uint8Array, at: number): void {
    this.#text(units, at);
    if (this.#before + at !== this.#interruptedAt) this.#groundAt = this.#before + at;
    this.#limitAt = this.#before + at + INTRODUCER + this.#maxSequence;
    this.#from = Math.max(at, 0);
    if (at < 0) this.#store(LEAD, 0, 1);
  }

  #text(units: Uint8Array, to: number): void {
    if (to > this.#from) this.#handlers.text?.(units, this.#from, to, this.#before + this.#from);
  }

  #cut(units: Uint8Array, i: number): void {
    this.#finish(units, i, 'cut');
  }

  /** Ends the current sequence in front of `to`. */
  #finish(units: Uint8Array, to: number, end: SequenceEnd): void {
    const handler = this.#state < STRING ? this.#handlers.sequence : this.#handlers.string;
    this.#state = GROUND;
    this.#pass(handler, units, to, end);
    this.#from = to;
    this.#isParted = false;
    this.#storedLength = 0;
  }

  /** Ends a string in front of the ESC at `escapeAt`: -1 if that was in the input before. */
  #interrupt(units: Uint8Array, escapeAt: number): void {
    if (escapeAt < 0 && this.#storedLength > 0) this.#storedLength -= 1;
    this.#finish(units, Math.max(escapeAt, 0), 'interrupted');
    if (escapeAt < 0) this.#store(ESCAPES, 0, 1);
    this.#state = ESCAPE;
    this.#limitAt = this.#before + escapeAt + INTRODUCER + this.#maxSequence;
  }

  /** Gives the current sequence to its handler, in two parts if it is too long to be stored. */
  #pass(handler: EscapeHandlers['string'], units: Uint8Array, to: number, end: SequenceEnd): void {
    if (handler === undefined) return;
    if (this.#storedLength === 0) {
      handler(units, this.#from, to, end);
      return;
    }
    const from = Math.min(to, this.#from + this.#capacity - this.#storedLength);
    this.#store(units, this.#from, from);
    handler(this.#stored, 0, this.#storedLength, from < to ? 'more' : end);
    if (from < to) handler(units, from, to, end);
  }

  /** Stores the beginning of a sequence at the end of an input, or passes on a part of a long string. */
  #suspend(units: Uint8Array): void {
    const { length } = units;
    const state = this.#state;
    if (state === GROUND) this.#text(units, length);
    else if (state === C1_BEGUN) this.#text(units, length - 1);
    else if (state < STRING) this.#store(units, this.#from, length);
    else if (this.#handlers.string !== undefined) {
      const to = state === STRING_ESCAPE ? length - 1 : length;
      if (!this.#isParted && this.#storedLength + to - this.#from < this.#capacity) {
        this.#store(units, this.#from, length);
        return;
      }
      if (to > this.#from) this.#pass(this.#handlers.string, units, to, 'more');
      this.#isParted = true;
      this.#storedLength = 0;
      this.#store(units, to, length);
    }
  }

  get #capacity(): number {
    return this.#maxSequence + INTRODUCER;
  }

  #store(units: Uint8Array, from: number, to: number): void {
    if (this.#handlers.sequence === undefined && (this.#handlers.string === undefined || this.#state === CSI)) return;
    const length = this.#storedLength + to - from;
    if (length > this.#stored.length) {
      const larger = new Uint8Array(Math.min(this.#capacity, Math.max(64, 2 * length)));
      larger.set(this.#stored.subarray(0, this.#storedLength));
      this.#stored = larger;
    }
    this.#stored.set(units.subarray(from, to), this.#storedLength);
    this.#storedLength = length;
  }
}
