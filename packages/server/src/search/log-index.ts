// One log on its way into the index: cuts its output into documents, takes its events, and remembers where it would have
// to begin again. Knows neither files nor other logs.

import { isOutput, type TrafficMark } from '@binnacle/protocol';
import { type Piece, PlainText } from '../cursor/plain-text.ts';
import type { Entry, Head } from '../log/log.ts';
import type { Database, Statement } from '../store/sqlite.ts';
import type { EventIndex } from './event-rows.ts';
import { inSteps } from './snippets.ts';
import type { TextIndex } from './text-index.ts';

/** A document ends with the first line behind so many characters, */
const ENOUGH_CHARS = 3072;
/** and here, wherever that is. */
const MOST_CHARS = 4096;
/** What came so much later than its beginning is in the next. */
const SPREAD_MS = 30_000;
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
  /** Where its output begins, as a reader would go there. */
  readonly start: Head;
  readonly time: number;
  text: string;
  end: number;
  /** Once it is in the index. */
  id: number | undefined;
  isDirty: boolean;
}

export interface LogIndexParts {
  readonly db: Database;
  readonly texts: TextIndex;
  readonly events: EventIndex;
  /** When the session came here, ms since 1970: what a recording brings along is not older to us. */
  readonly leastTime?: number;
}

export class LogIndex {
  readonly row: LogRow;
  readonly #parts: LogIndexParts;
  readonly #save: Statement;
  #plain = new PlainText();
  /** Output offset at which #plain began. */
  #base: number;
  /** Behind what was taken. */
  #at: Head;
  #marks: number;
  #lastTime = 0;
  #doc: OpenDoc | undefined;
  /** Where the last output entries begin, ascending: the line that is being made began in one of them. */
  #begins: Head[] = [];
  /** The beginning of the output since the last event. */
  #preview = '';

  /** What is in the index from the row's offset on was not whole, and is made again. */
  constructor(row: LogRow, parts: LogIndexParts) {
    this.row = row;
    this.#parts = parts;
    this.#save = parts.db.prepare('UPDATE logs SET place = ?, offset = ?, marks = ? WHERE n = ?');
    this.#at = { place: row.place, offset: row.offset };
    this.#base = row.offset;
    this.#marks = row.marks;
    parts.texts.removeFrom(row.n, row.offset);
  }

  /** Where reading goes on. */
  get at(): Head {
    return this.#at;
  }

  /** Takes what lies between `from` and the entry's end. */
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

  /** Output is missing there. */
  skipTo(at: Head): void {
    this.#flush();
    this.#close();
    this.#plain = new PlainText();
    this.#base = at.offset;
    this.#begins = [];
    this.#at = at;
  }

  /** Nothing follows for now, or ever: what is there can be found. */
  settle(isFinal: boolean): void {
    if (isFinal) this.#flush();
    this.#write();
    if (isFinal) this.#doc = undefined;
  }

  /** Writes down where to begin again. */
  save(): void {
    const next = this.#base + this.#plain.resumeAt;
    // Behind all that was taken, but for a sequence or character that is cut: that is read again.
    const { place, offset } = this.#doc?.start ?? (next < this.#at.offset ? this.#startOf(next) : this.#at);
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

  #takePieces(pieces: readonly Piece[], time: number): void {
    const end = this.#base + this.#plain.resumeAt;
    pieces.forEach((piece, i) => {
      const next = pieces[i + 1];
      this.#add(piece, next === undefined ? end : this.#base + next.at, time);
    });
  }

  #add(piece: Piece, end: number, time: number): void {
    if (this.#preview.length < PREVIEW_CHARS) {
      this.#preview += piece.text.slice(0, PREVIEW_CHARS - this.#preview.length);
    }
    const late = this.#doc !== undefined && time - this.#doc.time > SPREAD_MS;
    if (late && this.#doc?.text.endsWith('\n')) this.#close();
    this.#doc ??= {
      start: this.#startOf(this.#base + piece.at),
      time,
      text: '',
      end,
      id: undefined,
      isDirty: false,
    };
    const doc = this.#doc;
    doc.text += piece.text;
    doc.end = end;
    doc.isDirty = true;
    const isEnough = doc.text.length >= ENOUGH_CHARS && piece.text.endsWith('\n');
    if (isEnough || doc.text.length >= MOST_CHARS) this.#close();
  }

  /** As a position within the entry that holds that offset. */
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
    this.#write();
    this.#doc = undefined;
  }

  #write(): void {
    const doc = this.#doc;
    if (doc === undefined || !doc.isDirty) return;
    const { start, text, time, end } = doc;
    const content = { at: start.offset, bytes: end - start.offset, text, time };
    if (doc.id === undefined) doc.id = this.#parts.texts.add(this.row.n, content);
    else this.#parts.texts.replace(doc.id, content);
    doc.isDirty = false;
  }
}

/** Undefined for an event of another kind. */
function markOf(bytes: Uint8Array): TrafficMark | undefined {
  try {
    const body = JSON.parse(Buffer.from(bytes).toString()) as Partial<TrafficMark> | null;
    const traffic = body?.traffic;
    return typeof traffic === 'object' && traffic !== null && Number.isSafeInteger(traffic.bytes)
      ? (body as TrafficMark)
      : undefined;
  } catch {
    return undefined; // not of ours
  }
}
