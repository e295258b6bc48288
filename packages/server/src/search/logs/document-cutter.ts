// Cuts the output of one log into documents, and enough of them into a block; takes its events, with the output before
// each.

import { isOutput, type TrafficMark } from '@binnacle/protocol';
import { PlainText, type TextPiece } from '../../cursor/plain-text.ts';
import type { Entry, Head } from '../../log/log.ts';
import { BlockTerms, type TermWriter } from '../block-terms.ts';
import type { NewEvent } from '../event-rows.ts';
import { inSteps } from '../snippets.ts';
import type { BlockDocument } from '../text-index.ts';

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

export interface CutDocument {
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

export interface DocumentSink {
  /** Takes a block of consecutive documents. */
  block(docs: readonly CutDocument[], terms: BlockTerms): void;
  event(mark: TrafficMark, event: NewEvent): void;
}

export interface CutterOptions {
  readonly writer: TermWriter;
  /** Events up to this place were taken. */
  readonly marks: number;
  /** Arrival of the session, in ms since 1970: entries of an imported recording never count as older. Default 0. */
  readonly leastTime?: number;
  /** Maximum bytes of a block. Default 1 MiB: a search that may find something in a block reads all of it. */
  readonly blockBytes?: number;
}

export class DocumentCutter {
  readonly #options: CutterOptions;
  readonly #sink: DocumentSink;
  #plain = new PlainText();
  /** Output offset at which #plain began. */
  #base: number;
  /** End of the part that was taken. */
  #at: Head;
  #marks: number;
  #lastTime = 0;
  #doc: CutDocument | undefined;
  /** Complete documents since the last block, and their words. */
  #complete: CutDocument[] = [];
  #terms: BlockTerms | undefined;
  /** Positions of the last output entries, ascending: the current line began in one of them. */
  #begins: Head[] = [];
  /** Beginning of the output since the last event. */
  #preview = '';

  constructor(at: Head, options: CutterOptions, sink: DocumentSink) {
    this.#options = options;
    this.#sink = sink;
    this.#at = at;
    this.#base = at.offset;
    this.#marks = options.marks;
  }

  /** Position at which reading continues. */
  get at(): Head {
    return this.#at;
  }

  /** Place up to which events were taken. */
  get marks(): number {
    return this.#marks;
  }

  /** Documents since the last block, the growing one last. */
  get documents(): readonly CutDocument[] {
    return this.#doc === undefined ? this.#complete : [...this.#complete, this.#doc];
  }

  /** The document that may grow. */
  get growing(): CutDocument | undefined {
    return this.#doc;
  }

  /** Returns the position from which another cutter cuts `first` again, or without it what follows all documents. */
  positionOf(first: CutDocument | undefined): Head {
    if (first !== undefined) return first.start;
    // An incomplete sequence or character is read again.
    const next = this.#base + this.#plain.resumeAt;
    return next < this.#at.offset ? this.#startOf(next) : this.#at;
  }

  /** Takes the part between `at` and the end of the entry. */
  take(entry: Entry): void {
    const begin = { place: this.#at.place, offset: entry.offset };
    if (isOutput(entry.kind)) {
      this.#takeOutput(entry, begin);
      this.#at = { place: entry.next, offset: entry.offset + entry.bytes.length };
      return;
    }
    this.#at = { place: entry.next, offset: entry.offset };
    const mark = entry.kind === 'event' ? markOf(entry.bytes) : undefined;
    if (mark !== undefined && entry.next > this.#marks) {
      this.#sink.event(mark, { time: entry.time, offset: entry.offset, output: this.#preview });
    }
    this.#marks = Math.max(this.#marks, entry.next);
    if (mark !== undefined) this.#preview = '';
  }

  /** Ends the text: no output will follow, or not from here. */
  flush(): void {
    this.#takePieces(this.#plain.flush(), this.#lastTime);
  }

  /** Completes the growing document. */
  close(): void {
    const doc = this.#doc;
    if (doc === undefined) return;
    this.#doc = undefined;
    const { blockBytes = BLOCK_BYTES, writer } = this.#options;
    const isFar = (): boolean => doc.end - (this.#complete[0]?.start.offset ?? doc.end) >= blockBytes;
    // Output without text was in between: a block of both would have a range without limit.
    if (isFar()) this.#endBlock();
    this.#complete.push(doc);
    this.#terms ??= new BlockTerms();
    writer.add(doc.text, this.#terms);
    if (this.#terms.isFull || isFar() || this.#complete.length >= BLOCK_DOCS) this.#endBlock();
  }

  /** Goes on behind a gap in the output. A block is one range of the output. */
  skipTo(at: Head): void {
    this.#doc = undefined;
    this.#complete = [];
    this.#terms = undefined;
    this.#plain = new PlainText();
    this.#base = at.offset;
    this.#begins = [];
    this.#at = at;
  }

  #takeOutput(entry: Entry, begin: Head): void {
    this.#begins.push(begin);
    const time = Math.max(entry.time, this.#options.leastTime ?? 0);
    this.#lastTime = time;
    for (const pieces of inSteps(this.#plain, entry.bytes)) this.#takePieces(pieces, time);
  }

  #takePieces(pieces: readonly TextPiece[], time: number): void {
    const end = this.#base + this.#plain.resumeAt;
    pieces.forEach((piece, i) => {
      const next = pieces[i + 1];
      this.#add(piece, next === undefined ? end : this.#base + next.at, time);
    });
  }

  #add(piece: TextPiece, end: number, time: number): void {
    const late = this.#doc !== undefined && time - this.#doc.time > SPREAD_MS;
    const isFar = this.#doc !== undefined && end - this.#doc.start.offset > MOST_DOC_BYTES;
    if (isFar || (late && this.#doc?.text.endsWith('\n'))) this.close();
    this.#doc ??= {
      start: this.#startOf(this.#base + piece.at),
      time,
      text: '',
      end,
      id: undefined,
      isDirty: false,
      isPlain: true,
    };
    if (this.#preview.length < PREVIEW_CHARS) {
      this.#preview += piece.text.slice(0, PREVIEW_CHARS - this.#preview.length);
    }
    const doc = this.#doc;
    doc.text += piece.text;
    doc.end = end;
    doc.isDirty = true;
    doc.isPlain &&= this.#plain.isPlain;
    const isEnough = doc.text.length >= ENOUGH_CHARS && piece.text.endsWith('\n');
    if (isEnough || doc.text.length >= MOST_CHARS) this.close();
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

  #endBlock(): void {
    const [docs, terms] = [this.#complete, this.#terms];
    this.#complete = [];
    this.#terms = undefined;
    if (terms !== undefined) this.#sink.block(docs, terms);
  }
}

export const toBlock = ({ id, start, end, time, isPlain }: CutDocument): BlockDocument => ({
  id,
  at: start.offset,
  place: start.place,
  bytes: end - start.offset,
  time,
  isPlain,
});

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
