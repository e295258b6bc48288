// One log on its way into the index: cuts its output into documents, and enough of them into a block; takes its events,
// and stores where to continue after a restart.

import { isOutput, type TrafficMark } from '@binnacle/protocol';
import { PlainText, type TextPiece } from '../../cursor/plain-text.ts';
import type { Entry, Head } from '../../log/log.ts';
import type { Database, Statement } from '../../store/sqlite.ts';
import { BlockTerms, type TermWriter } from '../block-terms.ts';
import type { EventIndex } from '../event-rows.ts';
import { inSteps } from '../snippets.ts';
import type { TextIndex } from '../text-index.ts';

/** Minimum characters of a document, which ends after the line that reaches this number. */
const ENOUGH_CHARS = 3072;
/** Maximum characters of a document, which ends here even inside a line. */
const MOST_CHARS = 4096;
/** Maximum time between the beginning of a document and its output; later output begins the next document. */
const SPREAD_MS = 30_000;
/** Maximum output of a document: escape sequences are output without text, and a search reads a document as a whole. */
const MOST_DOC_BYTES = 64 * 1024;
const BLOCK_BYTES = 1024 * 1024;
/** Maximum documents of a block: slow output makes a document in 30 s, however small. */
const BLOCK_DOCS = 1024;
const PREVIEW_CHARS = 500;

export interface LogRow {
  readonly n: number;
  readonly epoch: string;
  readonly place: number;
  readonly offset: number;
  readonly marks: number;
  readonly kept_from: number;
}

interface OpenDoc {
  /** Beginning of its output, as a position for a reader. */
  readonly start: Head;
  readonly time: number;
  /** Empty once the document is complete and in the index. */
  text: string;
  end: number;
  /** Row id; undefined before the document is in the index. */
  id: number | undefined;
  isDirty: boolean;
  /** See BlockDocument. */
  isPlain: boolean;
}

export interface LogIndexParts {
  readonly db: Database;
  readonly texts: TextIndex;
  readonly events: EventIndex;
  readonly writer: TermWriter;
  /** Arrival of the session, in ms since 1970: entries of an imported recording never count as older. */
  readonly leastTime?: number;
  /** Maximum bytes of a block. Default 1 MiB: a search that may find something in a block reads all of it. */
  readonly blockBytes?: number;
}

export class LogIndex {
  readonly row: LogRow;
  readonly #parts: LogIndexParts;
  readonly #save: Statement;
  #plain = new PlainText();
  /** Output offset at which #plain began. */
  #base: number;
  /** End of the part that was taken. */
  #at: Head;
  #marks: number;
  #lastTime = 0;
  #doc: OpenDoc | undefined;
  /** Complete documents since the last block, and their words. */
  #complete: OpenDoc[] = [];
  #terms: BlockTerms | undefined;
  /** Positions of the last output entries, ascending: the current line began in one of them. */
  #begins: Head[] = [];
  /** Beginning of the output since the last event. */
  #preview = '';

  /** Removes documents from the row's offset on, which were incomplete, and makes them again. */
  constructor(row: LogRow, parts: LogIndexParts) {
    this.row = row;
    this.#parts = parts;
    this.#save = parts.db.prepare('UPDATE logs SET place = ?, offset = ?, marks = ? WHERE n = ?');
    this.#at = { place: row.place, offset: row.offset };
    this.#base = row.offset;
    this.#marks = row.marks;
    parts.texts.removeFrom(row.n, row.offset);
  }

  /** Position at which reading continues. */
  get at(): Head {
    return this.#at;
  }

  /** Characters of complete documents that are in the index neither as texts nor in a block. */
  get unwrittenChars(): number {
    return this.#complete.reduce((sum, { isDirty, text }) => sum + (isDirty ? text.length : 0), 0);
  }

  /** Takes the part between `from` and the end of the entry. */
  take(entry: Entry): void {
    const begin = { place: this.#at.place, offset: entry.offset };
    if (isOutput(entry.kind)) {
      this.#takeOutput(entry, begin);
      this.#at = { place: entry.next, offset: entry.offset + entry.bytes.length };
      return;
    }
    this.#at = { place: entry.next, offset: entry.offset };
    if (entry.next <= this.#marks) return;
    this.#marks = entry.next;
    const mark = entry.kind === 'event' ? markOf(entry.bytes) : undefined;
    if (mark === undefined) return;
    this.#parts.events.add(this.row.n, mark, { time: entry.time, offset: entry.offset, output: this.#preview });
    this.#preview = '';
  }

  /** Skips a gap in the output. */
  skipTo(at: Head): void {
    this.#flush();
    this.#close();
    this.#writeAll();
    // A block is one range of the output.
    this.#startBlock();
    this.#plain = new PlainText();
    this.#base = at.offset;
    this.#begins = [];
    this.#at = at;
  }

  /**
   * Writes all documents, so that they can be found. Those since the last block are in the full-text index until there
   * are enough for a block. `isFinal`: no output will follow.
   */
  settle(isFinal: boolean): void {
    if (isFinal) this.#flush();
    this.#writeAll();
    if (isFinal) this.#doc = undefined;
  }

  /** Stores where to begin again after a restart. */
  save(): void {
    const next = this.#base + this.#plain.resumeAt;
    // After everything that was taken, except an incomplete sequence or character, which is read again.
    const unwritten = this.#complete.find(({ isDirty }) => isDirty) ?? this.#doc;
    const { place, offset } = unwritten?.start ?? (next < this.#at.offset ? this.#startOf(next) : this.#at);
    this.#save.run(place, offset, this.#marks, this.row.n);
  }

  #takeOutput(entry: Entry, begin: Head): void {
    this.#begins.push(begin);
    const time = Math.max(entry.time, this.#parts.leastTime ?? 0);
    this.#lastTime = time;
    for (const pieces of inSteps(this.#plain, entry.bytes)) this.#takePieces(pieces, time);
  }

  #flush(): void {
    this.#takePieces(this.#plain.flush(), this.#lastTime);
  }

  #takePieces(pieces: readonly TextPiece[], time: number): void {
    const end = this.#base + this.#plain.resumeAt;
    pieces.forEach((piece, i) => {
      const next = pieces[i + 1];
      this.#add(piece, next === undefined ? end : this.#base + next.at, time);
    });
  }

  #add(piece: TextPiece, end: number, time: number): void {
    if (this.#preview.length < PREVIEW_CHARS) {
      this.#preview += piece.text.slice(0, PREVIEW_CHARS - this.#preview.length);
    }
    const late = this.#doc !== undefined && time - this.#doc.time > SPREAD_MS;
    const isFar = this.#doc !== undefined && end - this.#doc.start.offset > MOST_DOC_BYTES;
    if (isFar || (late && this.#doc?.text.endsWith('\n'))) this.#close();
    this.#doc ??= {
      start: this.#startOf(this.#base + piece.at),
      time,
      text: '',
      end,
      id: undefined,
      isDirty: false,
      isPlain: true,
    };
    const doc = this.#doc;
    doc.text += piece.text;
    doc.end = end;
    doc.isDirty = true;
    doc.isPlain &&= this.#plain.isPlain;
    const isEnough = doc.text.length >= ENOUGH_CHARS && piece.text.endsWith('\n');
    if (isEnough || doc.text.length >= MOST_CHARS) this.#close();
  }

  /** Returns the position of an offset in the entry that contains it. */
  #startOf(offset: number): Head {
    let found = 0;
    this.#begins.forEach((begin, i) => {
      if (begin.offset <= offset) found = i;
    });
    this.#begins = this.#begins.slice(found);
    const place = this.#begins[0]?.place ?? this.#at.place;
    return { place, offset };
  }

  #close(): void {
    const doc = this.#doc;
    if (doc === undefined) return;
    this.#doc = undefined;
    const { blockBytes = BLOCK_BYTES } = this.#parts;
    const isFar = (): boolean => doc.end - (this.#complete[0]?.start.offset ?? doc.end) >= blockBytes;
    // Output without text was in between: a block of both would have a range without limit.
    if (isFar()) this.#writeBlock();
    this.#complete.push(doc);
    this.#terms ??= new BlockTerms();
    this.#parts.writer.add(doc.text, this.#terms);
    if (this.#terms.isFull || isFar() || this.#complete.length >= BLOCK_DOCS) this.#writeBlock();
  }

  #writeBlock(): void {
    const docs = this.#complete.map(({ id, start, end, time, isPlain }) => {
      return { id, at: start.offset, place: start.place, bytes: end - start.offset, time, isPlain };
    });
    if (this.#terms !== undefined) this.#parts.texts.addBlock(this.row.n, docs, this.#terms);
    this.#startBlock();
  }

  #startBlock(): void {
    this.#complete = [];
    this.#terms = undefined;
  }

  #writeAll(): void {
    for (const doc of this.#complete) {
      this.#write(doc);
      doc.text = '';
    }
    if (this.#doc !== undefined) this.#write(this.#doc);
  }

  #write(doc: OpenDoc): void {
    if (!doc.isDirty) return;
    const { start, text, time, end } = doc;
    const content = { at: start.offset, bytes: end - start.offset, text, time };
    if (doc.id === undefined) doc.id = this.#parts.texts.add(this.row.n, content);
    else this.#parts.texts.replace(doc.id, content);
    doc.isDirty = false;
  }
}

/** Parses an event; undefined for an event of another kind. */
function markOf(bytes: Uint8Array): TrafficMark | undefined {
  try {
    const body = JSON.parse(Buffer.from(bytes).toString()) as Partial<TrafficMark> | null;
    const traffic = body?.traffic;
    return typeof traffic === 'object' && traffic !== null && Number.isSafeInteger(traffic.bytes)
      ? (body as TrafficMark)
      : undefined;
  } catch {
    return undefined; // not written by this gateway
  }
}
