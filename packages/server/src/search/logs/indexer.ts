// Brings logs into the index up to their last reported heads, one slice of one log at a time. Growing logs go before
// finished ones. Logs that are far behind are left to a source of blocks.

import { BinnacleError, defined, type Epoch, RECORDING_SOURCE } from '@binnacle/protocol';
import { LruMap } from '../../base/lru-map.ts';
import type { Statement } from '../../store/sqlite.ts';
import { bornAt } from '../row-ids.ts';
import type { LogNews } from '../wire.ts';
import type { BlockSource } from './block-maker.ts';
import { BlockRequests, type MadeRequest } from './block-requests.ts';
import { LogIndex, type LogIndexParts, type LogRow } from './log-index.ts';
import type { Readers } from './readers.ts';

/** Bytes of one log per slice, and maximum bytes of a slice that waits for the end of a block. */
const SLICE_BYTES = 1024 * 1024;
const MOST_SLICE_BYTES = 4 * SLICE_BYTES;
/**
 * Minimum bytes behind which blocks are requested, and maximum bytes of a request: the last incomplete block is made
 * again, on average half of one.
 */
const FAR_BYTES = 2 * SLICE_BYTES;
const REQUEST_BYTES = 16 * SLICE_BYTES;
/** Time without requests after a failure of the source, such as a thread that cannot start. */
const FAILURE_MS = 60_000;
/** Maximum characters that a log keeps in memory while other logs have their turn. */
const MOST_UNWRITTEN_CHARS = 64 * 1024;
/** Maximum logs whose last text may still grow. Beyond it, a log is read again from the beginning of that text. */
const MAX_OPEN = 256;

export interface IndexerEvents {
  did(id: string, place: number): void;
  warn(message: string, facts: Readonly<Record<string, unknown>>): void;
  /** There is work again. */
  wake(): void;
}

export interface IndexerOptions {
  /** Makes the blocks of logs that are far behind. Default: none, the indexer makes all blocks. */
  readonly blocks?: BlockSource;
  /** Default 2 MiB. */
  readonly farBytes?: number;
}

export class Indexer {
  readonly #parts: LogIndexParts;
  readonly #readers: Readers;
  readonly #events: IndexerEvents;
  readonly #get: Statement;
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #retire: Statement;
  readonly #setRetainedFrom: Statement;
  /** Least recently used first. */
  readonly #open = new LruMap<string, LogIndex>(MAX_OPEN, {
    evicted: (log) => {
      log.settle(false);
      log.save();
    },
  });
  /** Ids of logs that are behind, growing and finished ones. */
  readonly #live = new Set<string>();
  readonly #over = new Set<string>();
  /** Logs that are far behind. Undefined without a source of blocks. */
  readonly #requests: BlockRequests | undefined;
  readonly #farBytes: number;
  /** Logs of which no block was made from this offset on: the index reads them itself until their next block. */
  readonly #unmade = new Map<string, number>();
  /** No requests before this time, after a failure. */
  #requestsFrom = Number.NEGATIVE_INFINITY;
  /** Logs that were read since the last commit. */
  readonly #uncommitted = new Set<string>();

  constructor(
    parts: LogIndexParts,
    readers: Readers,
    events: IndexerEvents,
    { blocks, farBytes = FAR_BYTES }: IndexerOptions = {},
  ) {
    this.#parts = parts;
    this.#requests = blocks && new BlockRequests(blocks, () => events.wake());
    this.#farBytes = farBytes;
    this.#readers = readers;
    this.#events = events;
    const { db } = parts;
    this.#get = db.prepare('SELECT n, epoch, place, offset, marks, kept_from FROM logs WHERE id = ?');
    this.#insert = db.prepare(
      `INSERT INTO logs (id, conversation, foreign_id, source, labels, epoch, place, offset, marks, kept_from)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
    );
    this.#update = db.prepare('UPDATE logs SET conversation = ?, foreign_id = ?, source = ?, labels = ? WHERE id = ?');
    // Renamed: the name is then free for a later log of the same id.
    this.#retire = db.prepare(`UPDATE logs SET gone = 1, id = id || ' ' || n, foreign_id = NULL WHERE id = ?`);
    this.#setRetainedFrom = db.prepare('UPDATE logs SET kept_from = ?1 WHERE n = ?2 AND kept_from < ?1');
  }

  get hasWork(): boolean {
    return this.#live.size > 0 || this.#over.size > 0 || this.#requests?.hasResult === true;
  }

  accept(news: LogNews): void {
    const isKnown = this.#readers.news.has(news.id);
    this.#readers.accept(news);
    const row = this.#get.get(news.id) as LogRow | undefined;
    if (row !== undefined) {
      if (!isKnown) this.#describe(news);
      if (news.oldest.offset > row.kept_from) this.#setRetainedFrom.run(news.oldest.offset, row.n);
      // No change: most news after a restart.
      if (news.isFinal && row.place === news.head.place && row.offset === news.head.offset) {
        this.#events.did(news.id, news.head.place);
        return;
      }
    }
    if (this.#requests?.has(news.id) === true) return;
    this.#over.delete(news.id);
    if (news.isFinal) this.#live.delete(news.id);
    (news.isFinal ? this.#over : this.#live).add(news.id);
  }

  /** Hides a log's rows from all results; retention removes them later. */
  forget(id: string): void {
    this.#retire.run(id);
    this.#drop(id);
    this.#readers.forget(id);
  }

  /** Call after each commit. */
  committed(): void {
    this.#uncommitted.clear();
  }

  /** Discards the state in memory after a rolled back transaction: it is ahead of the index. */
  reset(): void {
    const ids = new Set([...this.#open.keys(), ...(this.#requests?.ids ?? []), ...this.#uncommitted]);
    this.#requests?.clear();
    this.#open.clear();
    this.#uncommitted.clear();
    for (const id of ids) this.#queueAgain(id);
  }

  /** Returns the bytes of output that are not in the index, for the logs that `isSelected` accepts. */
  behind(isSelected: (news: LogNews) => boolean = () => true): number {
    let bytes = 0;
    for (const id of [...this.#live, ...this.#over, ...(this.#requests?.ids ?? [])]) {
      const news = this.#readers.news.get(id);
      if (news === undefined || !isSelected(news)) continue;
      const from = this.#open.peek(id)?.at.offset ?? (this.#get.get(id) as LogRow | undefined)?.offset ?? 0;
      bytes += Math.max(0, news.head.offset - Math.max(from, news.oldest.offset));
    }
    return bytes;
  }

  /** Takes a slice of the next log. Returns the bytes that it read. Throws SQLite's errors. */
  async step(): Promise<number> {
    const made = this.#requests?.take();
    const taken = made === undefined ? 0 : this.#takeMade(made);
    // Also after a request without blocks: its log has lost documents that are only made again here.
    const id = made?.request.news.id ?? this.#next();
    const news = id === undefined ? undefined : this.#readers.news.get(id);
    if (id === undefined || news === undefined) return taken;
    try {
      return taken + (await this.#read(id));
    } catch (error) {
      if (!(error instanceof BinnacleError) && !isFileError(error)) throw error;
      const latest = this.#readers.news.get(id);
      // The log was deleted during the read: nothing is left to give up.
      if (latest === undefined) return taken;
      this.#giveUp(news, error);
      if (latest.head.place > news.head.place) this.#queueAgain(id);
      return taken;
    }
  }

  /** Takes blocks that were requested, and queues their log again. */
  #takeMade({ request, made }: MadeRequest): number {
    const { news, from } = request;
    const { id } = news;
    this.#queueAgain(id);
    const row = this.#get.get(id) as LogRow | undefined;
    // Another log has the id now.
    if (row?.epoch !== request.epoch) return 0;
    if ('error' in made) this.#noteFailure(made.error);
    const isAhead = 'next' in made && made.next.place > from.place;
    if (!isAhead) this.#unmade.set(id, from.offset);
    const resumed = isAhead ? made : { from, blocks: [], next: from };
    const log = LogIndex.resumed(resumed, row, { ...this.#parts, leastTime: bornAt(id) });
    log.save();
    this.#open.set(id, log);
    this.#uncommitted.add(id);
    return resumed.next.place - from.place;
  }

  #noteFailure(error: unknown): void {
    const isFirst = performance.now() >= this.#requestsFrom;
    this.#requestsFrom = performance.now() + FAILURE_MS;
    const ids = this.#requests?.ids ?? [];
    this.#requests?.clear();
    for (const id of ids) this.#queueAgain(id);
    if (isFirst) this.#events.warn('large output is indexed without a thread of its own', { error: String(error) });
  }

  #next(): string | undefined {
    for (const queue of [this.#live, this.#over]) {
      for (const id of queue) {
        queue.delete(id);
        if (this.#readers.news.has(id)) {
          // Moved to the end of the queue until it is done.
          queue.add(id);
          return id;
        }
      }
    }
    return undefined;
  }

  async #read(id: string): Promise<number> {
    const reader = this.#readers.of(id);
    const log = this.#logOf(id, reader.epoch, reader.oldest);
    if (this.#request(id, log)) return 0;
    this.#uncommitted.add(id);
    const from = log.at.place;
    const { head } = reader;
    // A slice ends soon after a block: texts without one stay in memory while other logs have their turn.
    const end = (): number => from + (log.unwrittenChars > MOST_UNWRITTEN_CHARS ? MOST_SLICE_BYTES : SLICE_BYTES);
    while (log.at.place < Math.min(head.place, end())) {
      const reading = await reader.read({ epoch: reader.epoch, ...log.at });
      // The log was deleted during the read.
      if (this.#open.peek(id) !== log) return 0;
      if (reading.kind === 'head') break;
      if (reading.kind === 'gap') {
        log.skipTo({ place: reading.next.place, offset: reading.next.offset });
        continue;
      }
      for (const entry of reading.page.entries) log.take(entry);
    }
    const bytes = log.at.place - from;
    if (log.unwrittenChars > MOST_UNWRITTEN_CHARS) log.settle(false);
    const news = this.#readers.news.get(id);
    if (news !== undefined && log.at.place >= news.head.place) {
      log.settle(news.isFinal);
      this.#live.delete(id);
      this.#over.delete(id);
      if (news.isFinal) this.#drop(id, log);
      this.#events.did(id, log.at.place);
    }
    log.save();
    return bytes;
  }

  /** Requests the blocks of a log that is far behind. Returns false if it is not, or no block was made of it. */
  #request(id: string, log: LogIndex): boolean {
    const news = this.#readers.news.get(id);
    if (this.#requests === undefined || news === undefined || performance.now() < this.#requestsFrom) return false;
    // Events of emitters are listed as soon as the emitter has its response, also while all processors are busy.
    if (news.foreign !== null && news.foreign.source !== RECORDING_SOURCE) return false;
    const from = log.blockEnd;
    if (this.#unmade.get(id) === from.offset || news.head.offset - from.offset < this.#farBytes) return false;
    this.#drop(id);
    const { blockBytes } = this.#parts;
    const epoch = log.row.epoch as Epoch;
    this.#requests.add({ news, epoch, from, maxBytes: REQUEST_BYTES, ...defined({ blockBytes }) });
    return true;
  }

  #logOf(id: string, epoch: Epoch, oldest: { readonly place: number; readonly offset: number }): LogIndex {
    let log = this.#open.peek(id);
    if (log !== undefined && log.row.epoch !== epoch) {
      this.#retire.run(id);
      log = undefined;
    }
    if (log === undefined) {
      let row = this.#get.get(id) as LogRow | undefined;
      if (row !== undefined && row.epoch !== epoch) {
        this.#retire.run(id);
        row = undefined;
      }
      row ??= this.#begin(id, epoch, oldest);
      log = new LogIndex(row, { ...this.#parts, leastTime: bornAt(id) });
    }
    this.#open.set(id, log);
    return log;
  }

  #begin(id: string, epoch: Epoch, oldest: { readonly place: number; readonly offset: number }): LogRow {
    const news = this.#readers.news.get(id);
    const { foreign = null, conversation = null } = news ?? {};
    const labels = JSON.stringify(foreign?.labels ?? {});
    const name = foreign?.sessionId ?? null;
    const { place, offset } = oldest;
    this.#insert.run(id, conversation, name, foreign?.source ?? null, labels, epoch, place, offset, offset);
    return this.#get.get(id) as LogRow;
  }

  #describe({ id, conversation, foreign }: LogNews): void {
    const labels = JSON.stringify(foreign?.labels ?? {});
    this.#update.run(conversation, foreign?.sessionId ?? null, foreign?.source ?? null, labels, id);
  }

  #drop(id: string, log?: LogIndex): void {
    if (log !== undefined && this.#open.peek(id) !== log) return;
    this.#open.delete(id);
    this.#live.delete(id);
    this.#over.delete(id);
    this.#unmade.delete(id);
    this.#requests?.forget(id);
    this.#readers.close(id);
  }

  #queueAgain(id: string): void {
    const news = this.#readers.news.get(id);
    if (news !== undefined) (news.isFinal ? this.#over : this.#live).add(id);
  }

  /** Gives up a log that cannot be read at its place. The next news starts it again, unless it was deleted. */
  #giveUp(news: LogNews, error: unknown): void {
    const code = error instanceof BinnacleError ? error.code : 'internal';
    // During a deletion the files go before the index is notified.
    if (code !== 'session_gone' && this.#readers.hasLog(news.id)) {
      this.#events.warn('a log could not be indexed', { session: news.id, error: String(error), code });
    }
    // Output and events before the failure must not be taken again.
    this.#open.peek(news.id)?.save();
    if (code === 'bad_position' || code === 'wrong_epoch' || code === 'offset_ahead') this.#retire.run(news.id);
    this.#drop(news.id);
    this.#events.did(news.id, news.head.place);
  }
}

const isFileError = (error: unknown): boolean => error instanceof Error && 'syscall' in error;
