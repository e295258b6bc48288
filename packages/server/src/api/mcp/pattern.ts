// A regular expression that somebody we do not trust wrote, sought in text as it comes. RE2 needs time that grows with
// the text and with the pattern, never with both to a power: no `(a+)+$` can hang us, and what cannot be done like
// that (look-around, back references) it refuses. It knows no streams: whole lines are searched as they come, with an
// end of what was before, so what is longer than that end may be missed. Knows no session.

import { BinnacleError } from '@binnacle/protocol';
import { RE2JS, RE2JSException, RE2Set } from 're2js';
import type { Turns } from '../../base/fair-scheduler.ts';

const MAX_LENGTH = 500;
/** Of the compiled pattern: the most that each character of the text can cost. */
const MAX_STEPS = 250;
/** Classes and ranges beyond ASCII: where case is ignored, each of their characters is looked at to compile it. */
const MAX_WIDE = 16;
const MAX_WIDE_FOLDED = 4;
const WIDE = /\\[pP]|-(?:[^\0-\x7f]|\\x\{)/g;
/** Of what is learnt of the pattern while it is sought. Much more would take longer to build than it saves. */
const MAX_MEMORY = 256 * 1024;
/** Characters that are searched again with what follows. What is as long as this is found wherever it is cut. */
export const OVERLAP = 4096;
/** Characters times steps: a search cannot be interrupted, and of a large pattern less is searched at once. */
const WORK = 65_536;
const TURN_MS = 5;

export interface Pattern {
  /** Tells whether it is there, fast, and with a limit to its memory: of a set that can be said. */
  readonly set: RE2Set;
  /** Tells where it is. */
  readonly exact: RE2JS;
  /** Characters that are searched again with what follows, and as many new ones at once. */
  readonly overlap: number;
}

/** A compiled pattern. Throws `bad_pattern`. */
export function compilePattern(source: string): Pattern {
  if (source.length > MAX_LENGTH) throw bad(`It is longer than ${MAX_LENGTH} characters.`);
  const ours = translated(source);
  const wide = ours.match(WIDE)?.length ?? 0;
  if (wide > (/\(\?[a-zA-Z]*i/.test(ours) ? MAX_WIDE_FOLDED : MAX_WIDE)) {
    throw bad('It has too many classes of characters beyond ASCII.');
  }
  const exact = compiled(ours);
  const steps = exact.programSize();
  if (steps > MAX_STEPS) throw bad('It is too large: count less, or ask for less.');
  const set = new RE2Set(RE2Set.UNANCHORED, RE2JS.MULTILINE, MAX_MEMORY);
  set.add(ours);
  set.compile();
  return { set, exact, overlap: Math.min(OVERLAP, Math.floor(WORK / steps)) };
}

function compiled(source: string): RE2JS {
  try {
    return RE2JS.compile(source, RE2JS.MULTILINE);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    // With the flag in front, as which RE2 reads MULTILINE.
    throw bad(`${error.message.replace(/^error parsing regexp: /, '').replace('`(?m)', '`')}.`);
  }
}

/** `\uHHHH` is foreign to RE2. The ends of a text that goes on are nowhere: only lines have ends. */
function translated(source: string): string {
  if (/\(\?[a-zA-Z]*-[a-zA-Z]*m/.test(source)) throw bad('"(?-m)" is not supported: ^ and $ are those of lines.');
  return source.replaceAll(/\\(?:u([0-9a-fA-F]{4})|.)/gs, (found, digits: string | undefined) => {
    if (found === '\\A' || found === '\\z') throw bad(`"${found}" is not supported: ^ and $ are those of lines.`);
    return digits === undefined ? found : `\\x{${digits}}`;
  });
}

/** Seeks a pattern in one text that comes in pieces. Once found, found. */
export class Seeker {
  readonly #pattern: Pattern;
  readonly #turns: Turns;
  readonly #by: string;
  /** What may still be a part of it. */
  #held = '';
  /** Of a line that is too long, the end is held. */
  #beginsInLine = false;
  /** So much of it was searched. */
  #done = 0;
  #found = false;
  #isTriedAtEnd = false;

  /** `by`: whose turns it takes. */
  constructor(pattern: Pattern, turns: Turns, by: string) {
    this.#pattern = pattern;
    this.#turns = turns;
    this.#by = by;
  }

  /**
   * True once it is found, whatever follows. A line that is not over may be searched later only; where `isAll` then
   * says that nothing follows for now, it is searched as it is. Lets others run meanwhile.
   */
  async feed(text: string, signal: AbortSignal, isAll: () => boolean = () => false): Promise<boolean> {
    await this.#turns.take(this.#by);
    let begun = performance.now();
    const rest = async (): Promise<void> => {
      if (performance.now() - begun <= TURN_MS) return;
      await this.#turns.take(this.#by);
      begun = performance.now();
    };
    const { overlap } = this.#pattern;
    for (let at = 0; at < text.length && !this.#found && !signal.aborted; at += overlap) {
      await rest();
      this.#take(text.slice(at, at + overlap));
    }
    await rest();
    return this.#found || (!signal.aborted && isAll() && this.isFoundAtEnd);
  }

  /** True when it is found in what came so far, taken for all there is: `$` means its end as well. */
  get isFoundAtEnd(): boolean {
    if (!this.#isTriedAtEnd && !this.#found) this.#found = this.#isIn(this.#held, true);
    this.#isTriedAtEnd = true;
    return this.#found;
  }

  #take(text: string): void {
    this.#held += text;
    this.#isTriedAtEnd = false;
    // Without its line feed: behind that, `^$` would find a line that may not be empty.
    const lines = this.#held.lastIndexOf('\n');
    const isTooLong = this.#held.length - Math.max(this.#done, lines) > this.#pattern.overlap;
    const end = isTooLong ? this.#held.length : lines;
    if (end <= this.#done) return;
    this.#found = this.#isIn(this.#held.slice(0, end), !isTooLong);
    this.#done = end;
    this.#forget();
  }

  #isIn(text: string, isEnd: boolean): boolean {
    const { set, exact } = this.#pattern;
    if (set.match(text).length === 0) return false;
    if (isEnd && !this.#beginsInLine) return true;
    // Where a line was cut is neither its beginning nor its end, and what is there is seen with what follows.
    const match = exact.matcher(text);
    return match.find(this.#beginsInLine ? 1 : 0) && (isEnd || match.end() < text.length);
  }

  #forget(): void {
    const { overlap } = this.#pattern;
    const last = this.#held.length - overlap;
    if (last <= 0) return;
    const line = this.#held.lastIndexOf('\n', last - 1) + 1;
    const from = last - line < overlap ? line : last;
    if (from === 0) return;
    this.#beginsInLine = this.#held[from - 1] !== '\n';
    this.#held = this.#held.slice(from);
    this.#done = Math.max(0, this.#done - from);
  }
}

const bad = (message: string): BinnacleError => new BinnacleError('bad_pattern', { message: `"until": ${message}` });
