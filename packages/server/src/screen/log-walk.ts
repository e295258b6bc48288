// An emulator that advances through a log by pages, and tracks the last position outside of any sequence, where it can
// be restored and reading can continue.

import { EscapeParser, formatPosition, isOutput, type Position } from '@binnacle/protocol';
import type { Cursor } from '../cursor/cursor.ts';
import { incompleteBytes } from '../cursor/text-decoder.ts';
import type { Page } from '../log/log.ts';
import { type Checkpoint, MAX_TEXT } from './checkpoints.ts';
import { Emulator, SCROLLBACK, type ScreenSize } from './emulator.ts';
import { isRestorable, restoring } from './restore-text.ts';
import type { RenderedScreen } from './wire.ts';

/**
 * Maximum buffered bytes of a sequence. A longer one is processed in parts; until it ends there is no position to
 * restore.
 */
const MAX_PENDING = 64 * 1024;
const TAKEN = Symbol('taken');

export class LogWalk {
  readonly #emulator: Emulator;
  readonly #ground = new CutPointScanner();
  readonly #startOffset: number;
  #isExact: boolean;
  /** Position after the last entry that was read. */
  #at: Position;
  /** Position up to which the emulator has processed output; undefined inside a sequence. */
  #safe: Position | undefined;
  /** Bytes read but not processed: the beginning of a sequence or a character. */
  #pending: Buffer = Buffer.alloc(0);

  /** Starts at the beginning of the log. */
  static begin(at: Position, size: ScreenSize, isExact: boolean): LogWalk {
    return new LogWalk(new Emulator(size), at, { drawnFrom: at.offset, exact: isExact });
  }

  static from({ epoch, place, offset, cols, rows, data, drawnFrom, exact }: Checkpoint): LogWalk {
    const emulator = new Emulator({ cols, rows });
    emulator.write(Buffer.from(data));
    return new LogWalk(emulator, { epoch: epoch as Position['epoch'], place, offset }, { drawnFrom, exact });
  }

  private constructor(emulator: Emulator, at: Position, of: Pick<Checkpoint, 'drawnFrom' | 'exact'>) {
    this.#emulator = emulator;
    this.#at = at;
    this.#safe = at;
    this.#startOffset = of.drawnFrom;
    this.#isExact = of.exact;
  }

  get at(): Position {
    return this.#at;
  }

  /** True if the screen can be restored from text here. */
  get isRestorable(): boolean {
    return this.#safe !== undefined && isRestorable(this.#emulator);
  }

  /**
   * Processes the next page, of its output only the part before the offset `until`. Returns false at the head, and when
   * `until` is reached. Throws the errors of reading.
   */
  async step(cursor: Cursor, until = Number.POSITIVE_INFINITY): Promise<boolean> {
    const reading = await cursor.next();
    if (reading.kind === 'head') return false;
    if (reading.kind === 'page') return this.#page(reading.page, until);
    // The missing output may have been anything.
    this.#isExact = false;
    this.#flush();
    this.#at = reading.next;
    this.#settle(reading.next);
    return reading.next.offset <= until;
  }

  checkpoint(): Checkpoint {
    const at = this.#safe ?? this.#at;
    const { text, above } = this.#text();
    return {
      ...{ epoch: at.epoch, place: at.place, offset: at.offset, ...this.#emulator.size, data: text, scrollback: above },
      ...{ drawnFrom: this.#startOffset, exact: this.#wasExact },
    };
  }

  render(): RenderedScreen {
    return shown(this.checkpoint(), this.#emulator);
  }

  dispose(): void {
    this.#emulator.dispose();
  }

  get #wasExact(): boolean {
    return this.#isExact && !this.#emulator.isClipped && !this.#emulator.isBroken;
  }

  /** Returns the restoring text, with as many rows above the screen as fit. */
  #text(): { readonly text: string; readonly above: number } {
    for (let above = SCROLLBACK; ; above = above >> 1) {
      const made = restoring(this.#emulator, above);
      if (made.text.length <= MAX_TEXT || above === 0) return made;
    }
  }

  #page(page: Page, until: number): boolean {
    // Releases the page's memory for the next page: otherwise pages pile up until garbage collection.
    page.hold();
    page.once(TAKEN, () => true);
    const stopped = this.#entries(page, until);
    page.release();
    this.#at = stopped ?? page.next;
    return stopped === undefined;
  }

  /** Processes the entries of a page. Returns the position of a stop before the end of the page. */
  #entries(page: Page, until: number): Position | undefined {
    let { place } = page.from;
    const { epoch } = page.from;
    for (const { kind, bytes, offset, next } of page.pinnedEntries) {
      if (isOutput(kind)) {
        const at = { epoch, place, offset };
        if (offset + bytes.length > until) {
          if (offset < until) this.#output(bytes.subarray(0, until - offset), at, place);
          return { epoch, place, offset: Math.max(offset, until) };
        }
        this.#output(bytes, at, next);
      } else {
        if (kind === 'resize') this.#resize(bytes);
        if (this.#pending.length === 0) this.#settle({ epoch, place: next, offset });
      }
      place = next;
    }
    return undefined;
  }

  #output(bytes: Uint8Array, at: Position, next: number): void {
    const end = this.#ground.take(bytes);
    if (end === 0) {
      this.#pending = Buffer.concat([this.#pending, bytes]);
      if (this.#pending.length > MAX_PENDING) this.#flush();
      return;
    }
    // In one piece: the emulator loses some characters that come in two.
    const whole = bytes.subarray(0, end);
    this.#write(this.#pending.length === 0 ? whole : Buffer.concat([this.#pending, whole]));
    this.#pending = Buffer.from(bytes.subarray(end));
    const place = end === bytes.length ? next : at.place;
    this.#settle({ epoch: at.epoch, place, offset: at.offset + end });
  }

  #resize(bytes: Uint8Array): void {
    // The size changes even in the middle of a sequence.
    this.#flush();
    this.#emulator.resize(JSON.parse(Buffer.from(bytes).toString()) as ScreenSize);
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    this.#write(this.#pending);
    this.#pending = Buffer.alloc(0);
    this.#safe = undefined;
  }

  #write(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#emulator.write(bytes);
  }

  #settle(at: Position): void {
    this.#safe = this.#emulator.isAtGround ? at : undefined;
  }
}

function shown(checkpoint: Checkpoint, { terminal, core }: Emulator): RenderedScreen {
  const { active } = terminal.buffer;
  const { place, offset, cols, rows, data, scrollback, drawnFrom, exact } = checkpoint;
  return {
    position: formatPosition({ epoch: checkpoint.epoch as Position['epoch'], place, offset }),
    ...{ offset, cols, rows, data, scrollback, drawnFrom, exact },
    lines: Array.from({ length: rows }, (_, y) => active.getLine(active.baseY + y)?.translateToString(true) ?? ''),
    cursor: { row: active.cursorY, col: Math.min(active.cursorX, cols - 1) },
    title: core._inputHandler._windowTitle.slice(0, 1000),
    alternate: active.type === 'alternate',
    applicationKeys: core.coreService.decPrivateModes.applicationCursorKeys,
  };
}

/** Draws a checkpoint with an emulator that is then disposed. */
export function renderCheckpoint(checkpoint: Checkpoint): RenderedScreen {
  const emulator = new Emulator(checkpoint);
  emulator.write(Buffer.from(checkpoint.data));
  try {
    return shown(checkpoint, emulator);
  } finally {
    emulator.dispose();
  }
}

export class CutPointScanner {
  readonly #parser = new EscapeParser(
    {
      text: (_, from, to, at) => {
        if (at < this.#before) return; // the first byte of a character, from the piece before
        this.#textFrom = from;
        this.#textTo = to;
      },
    },
    { controls: [], bellEndsAll: true },
  );
  /** The last text in the current piece of output. */
  #textFrom = 0;
  #textTo = 0;
  /** Bytes of output before the current piece. */
  #before = 0;
  /** An incomplete character at the end of the last piece. */
  #incomplete = new Uint8Array(0);

  /**
   * Returns the length of the longest prefix of `bytes` after which no sequence or character is open; 0 if there is
   * none. Parses all of them.
   */
  take(bytes: Uint8Array): number {
    this.#textFrom = 0;
    this.#textTo = 0;
    this.#parser.push(bytes);
    const end = this.#parser.groundAt - this.#before;
    const last = bytes.subarray(Math.max(this.#textFrom, this.#textTo - 3), this.#textTo);
    const text = this.#textFrom > 0 ? last : Buffer.concat([this.#incomplete, last]);
    const incomplete = this.#textTo === end ? incompleteBytes(text) : 0;
    this.#incomplete = this.#parser.isGround ? Uint8Array.from(text.subarray(text.length - incomplete)) : NONE;
    this.#before += bytes.length;
    return Math.max(0, end - incomplete);
  }
}

const NONE = new Uint8Array(0);
