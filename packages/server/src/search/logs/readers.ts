// Open readers of session logs in the process of the index, and the last reported head of each log.

import { join } from 'node:path';
import { LruMap } from '../../base/lru-map.ts';
import { Cursor } from '../../cursor/cursor.ts';
import { outputBytes } from '../../cursor/output-bytes.ts';
import type { Head } from '../../log/log.ts';
import { PageCache } from '../../log/page-cache.ts';
import { listSegments } from '../../log/segment.ts';
import { SegmentFiles } from '../../log/segment-files.ts';
import { SegmentReader } from '../../log/segment-reader.ts';
import type { LogNews } from '../wire.ts';

const MAX_OPEN = 64;
/** Bytes of a page. A search reads a page or two per hit, and whole blocks of output. */
const PAGE_BYTES = 64 * 1024;
/**
 * Maximum time span of merged entries: a flood makes a few entries per page, and output of another time keeps its own.
 */
const MERGE_MS = 1000;

export class Readers {
  readonly #dir: string;
  readonly #files = new SegmentFiles({ maxOpen: 32 });
  readonly #cache = new PageCache({ maxBytes: 0 });
  /** Least recently used first. */
  readonly #open = new LruMap<string, SegmentReader>(MAX_OPEN, { evicted: (reader) => reader.close() });
  readonly #news = new Map<string, LogNews>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Last news of each log. */
  get news(): ReadonlyMap<string, LogNews> {
    return this.#news;
  }

  accept(reported: LogNews): void {
    const before = this.#news.get(reported.id);
    // News from the catalogue is older than news from the session itself.
    const head = before !== undefined && before.head.place > reported.head.place ? before.head : reported.head;
    const oldest =
      before !== undefined && before.oldest.place > reported.oldest.place ? before.oldest : reported.oldest;
    const news = { ...reported, head, oldest };
    this.#news.set(news.id, news);
    const reader = this.#open.peek(news.id);
    if (reader === undefined) return;
    reader.setOldest(news.oldest);
    reader.advance(news.head);
  }

  /** True if any part of the log exists; false for a deleted session. */
  hasLog(id: string): boolean {
    return listSegments(join(this.#dir, id, 'log')).length > 0;
  }

  forget(id: string): void {
    this.#news.delete(id);
    this.close(id);
  }

  close(id: string): void {
    this.#open.peek(id)?.close();
    this.#open.delete(id);
  }

  /** Throws the errors of `SegmentReader.open`, and an Error for a log without news. */
  of(id: string): SegmentReader {
    const news = this.#news.get(id);
    if (news === undefined) throw new Error('Nobody told of that log.');
    let reader = this.#open.peek(id);
    if (reader === undefined) {
      reader = SegmentReader.open(join(this.#dir, id, 'log'), {
        head: news.head,
        pageBytes: PAGE_BYTES,
        mergeMs: MERGE_MS,
        // In a process of its own a read delays nobody, and the way through the thread pool costs more than the page.
        warmBytes: Number.POSITIVE_INFINITY,
        files: this.#files,
        cache: this.#cache,
      });
      reader.setOldest(news.oldest);
    }
    this.#open.set(id, reader);
    return reader;
  }

  /** Reads output from an offset on, at most `bytes`. Throws the errors of reading, including `gap`. */
  async output(id: string, offset: number, bytes: number): Promise<Buffer> {
    return await this.outputFrom(id, await this.of(id).locate(offset), bytes);
  }

  /** The same from a place that is known. */
  async outputFrom(id: string, at: Head, bytes: number): Promise<Buffer> {
    const reader = this.of(id);
    return await outputBytes(new Cursor(reader, { epoch: reader.epoch, ...at }), bytes);
  }
}
