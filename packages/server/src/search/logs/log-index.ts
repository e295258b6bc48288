// One log on its way into the index: writes its documents, blocks and events, and stores where to continue after a
// restart.

import { defined } from '@binnacle/protocol';
import type { Entry, Head } from '../../log/log.ts';
import type { Database, Statement } from '../../store/sqlite.ts';
import type { TermWriter } from '../block-terms.ts';
import type { EventIndex } from '../event-rows.ts';
import type { TextIndex } from '../text-index.ts';
import type { MadeBlocks } from './block-maker.ts';
import { type CutDocument, DocumentCutter, toBlock } from './document-cutter.ts';

export interface LogRow {
  readonly n: number;
  readonly epoch: string;
  readonly place: number;
  readonly offset: number;
  readonly marks: number;
  readonly kept_from: number;
}

export interface LogIndexParts {
  readonly db: Database;
  readonly texts: TextIndex;
  readonly events: EventIndex;
  readonly writer: TermWriter;
  /** See CutterOptions. */
  readonly leastTime?: number;
  readonly blockBytes?: number;
}

export class LogIndex {
  readonly row: LogRow;
  readonly #parts: LogIndexParts;
  readonly #save: Statement;
  readonly #cutter: DocumentCutter;
  #isFinal = false;

  /** Removes documents from a position on, which were incomplete, and makes them again. Default: that of the row. */
  constructor(row: LogRow, parts: LogIndexParts, from: Head = row) {
    this.row = row;
    this.#parts = parts;
    this.#save = parts.db.prepare('UPDATE logs SET place = ?, offset = ?, marks = ? WHERE n = ?');
    const { writer, leastTime, blockBytes } = parts;
    this.#cutter = new DocumentCutter(
      { place: from.place, offset: from.offset },
      { writer, marks: row.marks, ...defined({ leastTime, blockBytes }) },
      {
        block: (docs, terms) => parts.texts.addBlock(row.n, docs.map(toBlock), terms.collected),
        event: (mark, event) => parts.events.add(row.n, mark, event),
      },
    );
    parts.texts.removeFrom(row.n, from.offset);
  }

  /** Replaces all documents behind `from` with blocks that were made apart from the index, and goes on at `next`. */
  static resumed({ from, blocks, next }: MadeBlocks, row: LogRow, parts: LogIndexParts): LogIndex {
    parts.texts.removeFrom(row.n, from.offset);
    for (const { docs, terms } of blocks) parts.texts.addBlock(row.n, docs, terms);
    return new LogIndex(row, parts, next);
  }

  /** Position at which reading continues. */
  get at(): Head {
    return this.#cutter.at;
  }

  /** Position behind the last block. */
  get blockEnd(): Head {
    return this.#cutter.positionOf(this.#cutter.documents[0]);
  }

  /** Characters of complete documents that are in the index neither as texts nor in a block. */
  get unwrittenChars(): number {
    const { documents, growing } = this.#cutter;
    return documents.reduce((sum, doc) => sum + (doc.isDirty && doc !== growing ? doc.text.length : 0), 0);
  }

  /** Takes the part between `at` and the end of the entry. */
  take(entry: Entry): void {
    this.#cutter.take(entry);
  }

  /** Skips a gap in the output. */
  skipTo(at: Head): void {
    this.#cutter.flush();
    this.#cutter.close();
    this.#writeAll();
    this.#cutter.skipTo(at);
  }

  /**
   * Writes all documents, so that they can be found. Those since the last block are in the full-text index until there
   * are enough for a block. `isFinal`: no output will follow.
   */
  settle(isFinal: boolean): void {
    if (isFinal) this.#cutter.flush();
    this.#writeAll();
    this.#isFinal = isFinal;
  }

  /** Stores where to begin again after a restart: after everything that is written and does not grow. */
  save(): void {
    const { documents, growing } = this.#cutter;
    const first = documents.find((doc) => doc.isDirty || (doc === growing && !this.#isFinal));
    const { place, offset } = this.#cutter.positionOf(first);
    this.#save.run(place, offset, this.#cutter.marks, this.row.n);
  }

  #writeAll(): void {
    const { documents, growing } = this.#cutter;
    for (const doc of documents) {
      this.#write(doc);
      if (doc !== growing) doc.text = '';
    }
  }

  #write(doc: CutDocument): void {
    if (!doc.isDirty) return;
    const { start, text, time, end } = doc;
    const content = { at: start.offset, bytes: end - start.offset, text, time };
    if (doc.id === undefined) doc.id = this.#parts.texts.add(this.row.n, content);
    else this.#parts.texts.replace(doc.id, content);
    doc.isDirty = false;
  }
}
