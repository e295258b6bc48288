// What a terminal shows now: reads the end of a session's output, and has it drawn. Knows no protocol.

import { BinnacleError, isOutput } from '@binnacle/protocol';
import { Cursor } from '../cursor/cursor.ts';
import { positionOf } from '../cursor/from.ts';
import type { Page } from '../log/log.ts';
import type { Session } from '../session.ts';
import type { Drawing, Drawn } from './drawing.ts';
import type { Screens } from './screens.ts';

/** Programs draw all of a screen again long before they have written this much; a shell's screen is its last lines. */
const MAX_BYTES = 1024 * 1024;
/** Of more changes of the size, the last ones are drawn. */
const MAX_SIZES = 1000;

export interface Screen extends Drawn {
  /** Output bytes that it shows. */
  readonly offset: number;
}

/** Draws the end of what it has written so far. Throws `not_a_tty`, `screen_timeout`, and what reading throws. */
export async function drawScreen(session: Session, screens: Screens, signal: AbortSignal): Promise<Screen> {
  if (session.record.spec.mode !== 'pty' && !session.isForeign) {
    throw new BinnacleError('not_a_tty', {
      message: 'The command runs on pipes and has no screen.',
      hint: 'Read it with bash_output, or start it with pty: true.',
    });
  }
  let offset = 0;
  const drawn = await screens.draw(async (until) => {
    const read = await readEnd(session, until);
    offset = read.offset;
    return read.drawing;
  }, signal);
  return { ...drawn, offset };
}

async function readEnd(session: Session, signal: AbortSignal): Promise<{ drawing: Drawing; offset: number }> {
  await session.refresh();
  const { log } = session;
  const { head } = log;
  const begin =
    head.offset <= MAX_BYTES ? ('start' as const) : { offset: Math.max(log.oldest.offset, head.offset - MAX_BYTES) };
  const cursor = new Cursor(log, await positionOf(log, begin));
  const { cols, rows } = session.record.spec;
  // What is not read from its beginning has the size of now: sizes are told where they change, and that was before.
  const part = new Part({ cols, rows });
  while (cursor.position.place < head.place && !signal.aborted) {
    const reading = await cursor.next();
    if (reading.kind === 'head') break;
    if (reading.kind === 'page') part.add(reading.page);
  }
  return { drawing: part.drawing, offset: cursor.position.offset };
}

interface Size {
  readonly cols: number;
  readonly rows: number;
}

/** The output of pages in a row, and where its size changed. */
class Part {
  readonly #pages: Buffer[] = [];
  #length = 0;
  #sizes: { readonly at: number; readonly cols: number; readonly rows: number }[];

  constructor(size: Size) {
    this.#sizes = [{ at: 0, ...size }];
  }

  get drawing(): Drawing {
    return { bytes: Buffer.concat(this.#pages), sizes: this.#sizes };
  }

  add({ entries }: Page): void {
    const pieces: Uint8Array[] = [];
    for (const { kind, bytes } of entries) {
      if (kind === 'resize') this.#resize(JSON.parse(Buffer.from(bytes).toString()) as Size);
      else if (isOutput(kind)) {
        pieces.push(bytes);
        this.#length += bytes.length;
      }
    }
    // One for each page: entries may be as small as a byte.
    if (pieces.length > 0) this.#pages.push(Buffer.concat(pieces));
  }

  #resize({ cols, rows }: Size): void {
    // Nothing was drawn in the size before.
    if (this.#sizes.at(-1)?.at === this.#length) this.#sizes.pop();
    this.#sizes.push({ at: this.#length, cols, rows });
    if (this.#sizes.length >= 2 * MAX_SIZES) this.#sizes = this.#sizes.slice(-MAX_SIZES);
  }
}
