// Reads a log from segment files to which another process may append. Trusts no bytes beyond the head that the writer
// reported.

import { BinnacleError, type Epoch, type Position } from '@binnacle/protocol';
import { FRAME_HEADER_BYTES } from './frame.ts';
import { AT_ONCE, type Head, type LogReader, type Pace, type Reading } from './log.ts';
import { type BuiltPage, PAGE_BYTES, type PageBuilder, type PageOptions, pageEnd } from './page.ts';
import { PageCache } from './page-cache.ts';
import { PageReading, type PageReadResult } from './page-reading.ts';
import { checkOffset, checkPosition } from './position-range.ts';
import { type Extent, nextValid, runSync } from './scan.ts';
import { SegmentFiles } from './segment-files.ts';
import { isMissing, type KnownSegment, SegmentList } from './segment-list.ts';
import { findOffset, findTime, inFile, inspectPlace } from './segment-search.ts';
import { isDue, Waiters } from './waiters.ts';

export interface SegmentReaderOptions extends PageOptions {
  /**
   * The last head that the writer reported. Without it the log must be finished: the reader searches its end on disk.
   */
  readonly head?: Head;
  /** Used if no segment header is readable. */
  readonly epoch?: Epoch;
  /** Shared by the readers of a gateway. Default: a cache for this reader. */
  readonly cache?: PageCache;
  /** Shared by the readers of a gateway. Default: descriptors for this reader. */
  readonly files?: SegmentFiles;
  /**
   * Bytes before the head that are read synchronously. Default 8 MiB: they were written a moment ago, so the kernel has
   * them in memory, and the way through the thread pool costs more than the page (64 KiB: 40-67 us synchronously,
   * 149-173 us through the pool).
   */
  readonly warmBytes?: number;
  /**
   * Called when waiters need a report of growth beyond `place`, at this pace; again if a stricter pace is needed before
   * the report.
   */
  readonly onWait?: (place: number, pace: Pace) => void;
}

/**
 * Maximum remembered ends of pages: enough for a few viewers that read old ranges at the same time. More viewers only
 * lose their read-ahead.
 */
const REMEMBERED = 32;
/** Maximum concurrent read-aheads: half of libuv's pool. */
const READ_AHEADS = 2;
/** Pages per read on the thread pool for a sequential reader: the way to the pool costs more than the bytes. */
const RUN_PAGES = 4;
/** Minimum bytes read beyond a page's end, so that its last entry is complete: one write of a PTY with its header. */
const MIN_SLACK = 4096 + FRAME_HEADER_BYTES;

export class SegmentReader implements LogReader {
  readonly epoch: Epoch;
  readonly #segments: SegmentList;
  readonly #files: SegmentFiles;
  readonly #ownFiles: boolean;
  readonly #cache: PageCache;
  readonly #name: string;
  readonly #pageBytes: number;
  readonly #headroom: number;
  readonly #mergeMs: number | undefined;
  readonly #warmBytes: number;
  readonly #onWait: (place: number, pace: Pace) => void;
  readonly #waiters: Waiters;
  /** Pace of the last call of `onWait`, until the report that answers it. */
  #requested: Pace | undefined;
  readonly #reading: Map<string, Promise<Reading>>;
  /** Places where the returned old pages ended. A read that begins at such a place is sequential. */
  readonly #expected: Set<number>;
  #readAheads: number;
  #slack: number;
  #head: Head;
  #oldest: Head;

  /** Opens the log in `dir`. Throws `session_gone` without a log, and `log_damaged` if its epoch is unknown. */
  static open(dir: string, options: SegmentReaderOptions = {}): SegmentReader {
    return new SegmentReader(dir, options);
  }

  private constructor(dir: string, options: SegmentReaderOptions) {
    this.#files = options.files ?? new SegmentFiles({ maxOpen: 8 });
    this.#ownFiles = options.files === undefined;
    this.#cache = options.cache ?? new PageCache();
    this.#segments = new SegmentList(dir, this.#files, options.epoch);
    try {
      const found = options.head === undefined ? this.#segments.findHead() : undefined;
      this.#head = options.head ?? found?.head ?? { place: 0, offset: 0 };
      this.epoch = found?.epoch ?? this.#segments.epochAt(this.#head.place);
      this.#oldest = this.#beginningOf(this.#segments.first);
    } catch (error) {
      // A writer replaces a file without a header by another of the same path.
      this.#closeFiles();
      throw error;
    }
    this.#pageBytes = options.pageBytes ?? PAGE_BYTES;
    this.#headroom = options.headroom ?? 0;
    this.#mergeMs = options.mergeMs;
    this.#warmBytes = options.warmBytes ?? 8 * 1024 * 1024;
    this.#name = `${dir}:${this.epoch}:${this.#pageBytes}:${this.#headroom}:${this.#mergeMs}`;
    this.#onWait = options.onWait ?? (() => undefined);
    this.#waiters = new Waiters();
    this.#reading = new Map();
    this.#expected = new Set();
    this.#readAheads = 0;
    this.#slack = MIN_SLACK;
  }

  get head(): Head {
    return this.#head;
  }

  get oldest(): Head {
    return this.#oldest;
  }

  /** Learns that the log has grown. Ignores an older head. A report that was asked for goes to `takeReport`. */
  advance(head: Head): void {
    this.#grow(head, 0);
  }

  /**
   * Takes a report that answers `onWait`; an outdated one brings no growth. `goesOn`: the writer reports the next growth
   * too, without another call of `onWait`.
   */
  takeReport(head: Head, goesOn: boolean): void {
    // The report has waited at the writer as long as the pace that it was asked for.
    const delayMs = this.#requested?.maxDelayMs ?? 0;
    if (!goesOn) this.#requested = undefined;
    try {
      this.#grow(head, delayMs);
    } finally {
      this.#requestReport();
    }
  }

  #grow(head: Head, delayMs: number): void {
    if (head.place <= this.#head.place) return;
    this.#head = head;
    this.#waiters.wake(head.place, delayMs);
  }

  /** Takes the report of the writer, or of the retention, that the log begins later now. */
  setOldest(oldest: Head): void {
    if (oldest.place <= this.#oldest.place) return;
    this.#oldest = oldest;
    this.#segments.forgetBefore(oldest.place);
    // A fast writer may have removed all entries up to its last report: the log reaches at least to its beginning.
    this.advance(oldest);
  }

  /** Finds the end of the entries on disk after the writer is gone for good, and uses it as the head. */
  settle(): Head {
    this.advance(this.#segments.findHead().head);
    return this.#head;
  }

  /** Closes descriptors. Running reads end first. */
  close(): void {
    this.#closeFiles();
    this.#cache.forget(this.#name);
  }

  #closeFiles(): void {
    if (this.#ownFiles) this.#files.close();
    else for (const segment of this.#segments.all) this.#files.drop(segment.path);
  }

  read(at: Position): Reading | Promise<Reading> {
    const boundary = checkPosition(this, at);
    if (boundary !== undefined) return boundary;
    const warm = this.#isWarm(at.place);
    const sequential = !warm && this.#expected.delete(at.place);
    const key = PageCache.key(this.#name, at.place, at.offset);
    const cached = this.#cache.get(key);
    if (cached !== undefined && this.#worthKeeping(cached)) {
      if (!warm) this.#expectNext(cached.next, sequential);
      return { kind: 'page', page: cached };
    }
    if (warm) {
      const page = this.#readNow(at);
      if (page !== undefined) {
        this.#cache.set(key, page);
        return { kind: 'page', page };
      }
    }
    const reading = this.#readOnce(key, at, sequential ? this.#runPages : 1);
    if (warm) return reading;
    return reading.then((read) => {
      if (read.kind === 'page') this.#expectNext(read.page.next, sequential);
      return read;
    });
  }

  wait(place: number, wake: () => void, pace = AT_ONCE): () => void {
    const { place: head } = this.#head;
    if (isDue(head - place, pace)) {
      wake();
      return () => undefined;
    }
    const cancel = this.#waiters.add(place, head, wake, pace);
    this.#requestReport();
    return cancel;
  }

  /** Repeats `onWait` if there are waiters: the receiver may have lost the earlier call. */
  remind(): void {
    this.#requested = undefined;
    this.#requestReport();
  }

  #requestReport(): void {
    const { pace } = this.#waiters;
    if (pace === undefined) return;
    const requested = this.#requested;
    if (requested !== undefined && requested.atLeast <= pace.atLeast && requested.maxDelayMs <= pace.maxDelayMs) return;
    this.#requested = pace;
    this.#onWait(this.#head.place, pace);
  }

  /**
   * Finds the position of an offset. Between two entries, and at the head, that is before the entries that are not
   * output.
   */
  locate(offset: number): Position | Promise<Position> {
    const head = this.#head;
    checkOffset(this, offset);
    if (offset === this.#oldest.offset) return { epoch: this.epoch, ...this.#oldest };
    return this.#locateWithRetry(async () => {
      checkOffset(this, offset);
      const spot = await findOffset(this.#segments, this.#files, head.place, offset);
      return { epoch: this.epoch, ...spot };
    });
  }

  async locateTime(time: number): Promise<Position> {
    const head = this.#head;
    return await this.#locateWithRetry(async () => {
      const spot = await findTime(this.#segments, this.#files, head.place, time);
      return { epoch: this.epoch, ...(spot ?? head) };
    });
  }

  #isWarm(place: number): boolean {
    return place >= this.#head.place - this.#warmBytes;
  }

  // A page that ended at an earlier head stays correct, but a late reader would crawl from small page to small page.
  #worthKeeping(page: BuiltPage): boolean {
    if (page.complete) return true;
    const from = page.from.place;
    const readable = Math.min(pageEnd(from, this.#pageBytes), this.#head.place) - from;
    return readable < 2 * (page.next.place - from);
  }

  /** Fewer pages for more readers: otherwise their read-aheads evict each other's pages before they are read. */
  get #runPages(): number {
    return this.#cache.enabled ? Math.max(1, Math.min(RUN_PAGES, Math.floor(REMEMBERED / this.#expected.size))) : 1;
  }

  #readOnce(key: string, at: Position, pages: number): Promise<Reading> {
    const running = this.#reading.get(key);
    if (running !== undefined) return running;
    const reading = this.#readLater(at, pages)
      .then((read) => {
        if (read.kind === 'page') this.#cache.set(key, read.page as BuiltPage);
        return read;
      })
      .finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    return reading;
  }

  #expectNext(next: Position, sequential: boolean): void {
    if (this.#expected.size >= REMEMBERED) {
      for (const oldest of this.#expected) {
        this.#expected.delete(oldest);
        break;
      }
    }
    this.#expected.add(next.place);
    if (sequential) this.#readAhead(next);
  }

  #readAhead(next: Position): void {
    if (!this.#cache.enabled || this.#readAheads >= READ_AHEADS) return;
    const pages = this.#runPages;
    let at = next;
    let key = PageCache.key(this.#name, at.place, at.offset);
    // Begins while half of the previous read-ahead is still unread.
    for (let ahead = 0; ; ahead += 1) {
      if (ahead > pages / 2 || this.#isWarm(at.place)) return;
      const known = this.#cache.peek(key);
      if (known === undefined) break;
      at = known.next;
      key = PageCache.key(this.#name, at.place, at.offset);
    }
    if (this.#reading.has(key)) return;
    this.#readAheads += 1;
    this.#readOnce(key, at, pages)
      .catch(() => undefined) // a reader of that place gets and reports the same failure
      .finally(() => {
        this.#readAheads -= 1;
      });
  }

  /** Reads a page synchronously. Returns undefined if the known files are not enough. */
  #readNow(at: Position): BuiltPage | undefined {
    for (;;) {
      const index = this.#segments.indexOf(at.place);
      const segment = this.#segments.all[index];
      if (segment === undefined) return undefined;
      try {
        const page = this.#readFrom(segment, index, at);
        // The entries may continue in a new segment.
        if (page !== 'short') return page;
        if (!this.#refresh()) return undefined;
      } catch (cause) {
        if (isMissing(cause)) return undefined;
        throw cause;
      }
    }
  }

  #readFrom(segment: KnownSegment, index: number, at: Position): BuiltPage | 'short' | undefined {
    const file = this.#files.acquire(segment.path);
    const reading = new PageReading(at, this.#extentOf(index), this.#files, this.#pageBytes, this.#mergeMs);
    try {
      const outcome = runSync(reading.read(this.#slack), file.fd);
      return this.#built(reading) ?? (outcome === 'short' ? 'short' : undefined);
    } finally {
      reading.end();
      this.#files.release(file);
    }
  }

  /** Reads a page asynchronously. `pages`: number of pages read together with the first; the cache gets the others. */
  async #readLater(from: Position, pages: number): Promise<Reading> {
    let at = from;
    for (;;) {
      const boundary = checkPosition(this, at);
      if (boundary !== undefined) return boundary;
      const index = this.#segments.indexOf(at.place);
      try {
        const reading = new PageReading(at, this.#extentOf(index), this.#files, this.#pageBytes, this.#mergeMs);
        let outcome: PageReadResult;
        try {
          const slack = this.#slack + (pages - 1) * this.#pageBytes;
          outcome = await inFile(this.#segments, this.#files, index, reading.read(slack));
          const page = this.#built(reading);
          if (page !== undefined) {
            if (outcome === 'whole') for (const builder of reading.following()) this.#keep(builder);
            return { kind: 'page', page };
          }
        } finally {
          reading.end();
        }
        if (outcome === 'whole' && reading.builder.ahead) throw new BinnacleError('bad_position');
        at = reading.builder.next;
        if (outcome === 'invalid' || (outcome === 'short' && !this.#refresh())) {
          return await this.#explain(at, index);
        }
      } catch (cause) {
        if (!isMissing(cause) || !this.#refresh()) throw cause;
      }
    }
  }

  #extentOf(index: number): Extent {
    return this.#segments.extent(index, this.#head.place);
  }

  #built(reading: PageReading): BuiltPage | undefined {
    const { builder } = reading;
    if (builder.empty) return undefined;
    this.#slack = Math.max(MIN_SLACK, Math.min(reading.overshoot, PAGE_BYTES), this.#slack >> 1);
    // A page that ends before both is followed by another segment or by damage.
    const complete = builder.place >= reading.full || builder.place < this.#head.place;
    return builder.build(this.#headroom, complete, this.#cache);
  }

  #keep(builder: PageBuilder): void {
    const page = builder.build(this.#headroom, true, this.#cache);
    this.#cache.set(PageCache.key(this.#name, page.from.place, page.from.offset), page);
  }

  /** Explains why a read returned nothing: the position is invalid, or the log is damaged there. */
  async #explain(at: Position, index: number): Promise<Reading> {
    const headPlace = this.#head.place;
    const verdict = await inspectPlace(this.#segments, this.#files, index, headPlace, at.place);
    if (verdict !== 'damaged') throw new BinnacleError('bad_position');
    const extent = this.#extentOf(index);
    const found = await inFile(this.#segments, this.#files, index, nextValid(extent, at.place));
    if (found !== undefined) return this.#gapTo(at, found);
    const following = this.#segments.all[index + 1];
    if (following === undefined || following.base >= this.#head.place) return this.#gapTo(at, this.#head);
    return this.#gapTo(at, this.#beginningOf(following));
  }

  #gapTo(at: Position, next: Head): Reading {
    if (next.offset < at.offset) throw new BinnacleError('bad_position');
    return {
      kind: 'gap',
      reason: 'damaged',
      from: at.offset,
      to: next.offset,
      next: { epoch: this.epoch, place: next.place, offset: next.offset },
    };
  }

  #beginningOf(segment: KnownSegment): Head {
    return { place: segment.base, offset: this.#segments.header(segment).baseOffset };
  }

  /** Lists the directory again. Returns false if the segments did not change. */
  #refresh(): boolean {
    for (let changed = false; ; ) {
      changed = this.#segments.refresh() || changed;
      try {
        this.setOldest(this.#beginningOf(this.#segments.first));
        return changed;
      } catch (cause) {
        // Removed since the listing, so the next listing differs.
        if (!isMissing(cause)) throw cause;
      }
    }
  }

  async #locateWithRetry(find: () => Promise<Position>): Promise<Position> {
    for (let tries = 0; ; tries += 1) {
      this.#refresh();
      try {
        return await find();
      } catch (cause) {
        // Retention removed the segment during the search. A limit of retries, because that cannot happen every time.
        if (!isMissing(cause) || tries === 10) throw cause;
      }
    }
  }
}
