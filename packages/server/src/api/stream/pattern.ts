// Search for an untrusted regular expression in streamed text. RE2 takes time linear in text and pattern, so `(a+)+$`
// cannot hang the gateway; RE2 refuses look-around and back references. RE2 has no streaming: each chunk is searched
// together with the end of the text before, so a match longer than that overlap may be missed.

import { BinnacleError } from '@binnacle/protocol';
import { RE2JS, RE2JSException, RE2Set } from 're2js';
import type { FairScheduler } from '../../base/fair-scheduler.ts';

const MAX_LENGTH = 500;
/** Maximum steps of the compiled pattern: the maximum cost per character of text. */
const MAX_STEPS = 250;
/**
 * Maximum classes and ranges beyond ASCII. The second limit applies if case is ignored: compiling then visits each
 * character of the classes.
 */
const MAX_WIDE = 16;
const MAX_WIDE_FOLDED = 4;
const WIDE = /\\[pP]|-(?:[^\0-\x7f]|\\x\{)/g;
/** Maximum bytes of the matcher's DFA cache. A much larger cache would take longer to build than it saves. */
const MAX_MEMORY = 256 * 1024;
/**
 * Characters that are searched again with the following text. A match up to this length is found wherever the text is
 * cut.
 */
export const OVERLAP = 4096;
/** Maximum characters × steps per search: a search cannot be interrupted, so a large pattern gets less text at once. */
const WORK = 65_536;
const SLICE_MS = 5;

export interface Pattern {
  /** Tests for a match, fast and with limited memory: only a set accepts a memory limit. */
  readonly set: RE2Set;
  /** Finds the position of the match. */
  readonly exact: RE2JS;
  /** Characters that are searched again with the following text, and the maximum of new characters per search. */
  readonly overlap: number;
}

/** Compiles a pattern. Throws `bad_pattern`. */
export function compilePattern(source: string): Pattern {
  if (source.length > MAX_LENGTH) throw badPattern(`It is longer than ${MAX_LENGTH} characters.`);
  const ours = toRe2Syntax(source);
  const wide = ours.match(WIDE)?.length ?? 0;
  if (wide > (/\(\?[a-zA-Z]*i/.test(ours) ? MAX_WIDE_FOLDED : MAX_WIDE)) {
    throw badPattern('It has too many classes of characters beyond ASCII.');
  }
  const exact = compileSource(ours);
  const steps = exact.programSize();
  if (steps > MAX_STEPS) throw badPattern('It is too large: count less, or ask for less.');
  const set = new RE2Set(RE2Set.UNANCHORED, RE2JS.MULTILINE, MAX_MEMORY);
  set.add(ours);
  set.compile();
  return { set, exact, overlap: Math.min(OVERLAP, Math.floor(WORK / steps)) };
}

function compileSource(source: string): RE2JS {
  try {
    return RE2JS.compile(source, RE2JS.MULTILINE);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    // RE2 reports the pattern with the prefix that MULTILINE becomes.
    throw badPattern(`${error.message.replace(/^error parsing regexp: /, '').replace('`(?m)', '`')}.`);
  }
}

/** Converts `\uHHHH`, which RE2 lacks, and refuses anchors of the whole text: a stream has no ends, only lines do. */
function toRe2Syntax(source: string): string {
  if (/\(\?[a-zA-Z]*-[a-zA-Z]*m/.test(source))
    throw badPattern('"(?-m)" is not supported: ^ and $ are those of lines.');
  return source.replaceAll(/\\(?:u([0-9a-fA-F]{4})|.)/gs, (found, digits: string | undefined) => {
    if (found === '\\A' || found === '\\z')
      throw badPattern(`"${found}" is not supported: ^ and $ are those of lines.`);
    return digits === undefined ? found : `\\x{${digits}}`;
  });
}

/** Searches for a pattern in one text that arrives in chunks. A match is permanent. */
export class Seeker {
  readonly #pattern: Pattern;
  readonly #scheduler: FairScheduler;
  readonly #by: string;
  /** Text that may still be part of a match. */
  #buffer = '';
  /** True if #buffer begins inside a line that was too long. */
  #beginsInLine = false;
  /** Length of #buffer that has been searched. */
  #done = 0;
  #found = false;
  #isTriedAtEnd = false;

  /** `by`: key of the caller's slots in the scheduler. */
  constructor(pattern: Pattern, scheduler: FairScheduler, by: string) {
    this.#pattern = pattern;
    this.#scheduler = scheduler;
    this.#by = by;
  }

  /**
   * Searches more text. Returns true once a match exists, whatever follows. An incomplete line may be searched later;
   * if `isAll` reports that nothing follows for now, the line is searched as it is. Yields to other work.
   */
  async feed(text: string, signal: AbortSignal, isAll: () => boolean = () => false): Promise<boolean> {
    await this.#scheduler.nextSlot(this.#by);
    let begun = performance.now();
    const rest = async (): Promise<void> => {
      if (performance.now() - begun <= SLICE_MS) return;
      await this.#scheduler.nextSlot(this.#by);
      begun = performance.now();
    };
    const { overlap } = this.#pattern;
    for (let at = 0; at < text.length && !this.#found && !signal.aborted; at += overlap) {
      await rest();
      this.#search(text.slice(at, at + overlap));
    }
    await rest();
    return this.#found || (!signal.aborted && isAll() && this.isFoundAtEnd);
  }

  /** True if the text so far, taken as complete, matches: `$` then also matches its end. */
  get isFoundAtEnd(): boolean {
    if (!this.#isTriedAtEnd && !this.#found) this.#found = this.#matchesIn(this.#buffer, true);
    this.#isTriedAtEnd = true;
    return this.#found;
  }

  #search(text: string): void {
    this.#buffer += text;
    this.#isTriedAtEnd = false;
    // Without the last line feed: `^$` would match after it, on a line that may not be empty.
    const lines = this.#buffer.lastIndexOf('\n');
    const isTooLong = this.#buffer.length - Math.max(this.#done, lines) > this.#pattern.overlap;
    const end = isTooLong ? this.#buffer.length : lines;
    if (end <= this.#done) return;
    this.#found = this.#matchesIn(this.#buffer.slice(0, end), !isTooLong);
    this.#done = end;
    this.#dropSearched();
  }

  #matchesIn(text: string, isEnd: boolean): boolean {
    const { set, exact } = this.#pattern;
    if (set.match(text).length === 0) return false;
    if (isEnd && !this.#beginsInLine) return true;
    // The cut in a long line is neither a beginning nor an end of a line; a match there is found with the following
    // text.
    const match = exact.matcher(text);
    return match.find(this.#beginsInLine ? 1 : 0) && (isEnd || match.end() < text.length);
  }

  #dropSearched(): void {
    const { overlap } = this.#pattern;
    const last = this.#buffer.length - overlap;
    if (last <= 0) return;
    const line = this.#buffer.lastIndexOf('\n', last - 1) + 1;
    const from = last - line < overlap ? line : last;
    if (from === 0) return;
    this.#beginsInLine = this.#buffer[from - 1] !== '\n';
    this.#buffer = this.#buffer.slice(from);
    this.#done = Math.max(0, this.#done - from);
  }
}

const badPattern = (message: string): BinnacleError =>
  new BinnacleError('bad_pattern', { message: `"until": ${message}` });
