// The log of one foreign session: takes its events in order, each once, and writes them. Retries are idempotent: the
// epoch and number of the last event are in the log itself, in the same write as the output.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BinnacleError, type TrafficMark, type TrafficProducer } from '@binnacle/protocol';
import type { TrustedTime } from '../base/trusted-time.ts';
import { Cursor } from '../cursor/cursor.ts';
import type { GroupSync } from '../log/group-sync.ts';
import type { Entry, Head, NewEntry } from '../log/log.ts';
import { listSegments, SEGMENT_HEADER_BYTES, segmentPath } from '../log/segment.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import { SegmentWriter } from '../log/segment-writer.ts';
import type { ForeignProgress } from '../store/foreign-sessions.ts';
import type { EmittedEvent } from './event.ts';

const TRIM_EVERY_BYTES = 1024 * 1024;

export interface ForeignLogOptions {
  readonly segmentBytes: number;
  readonly retainBytes: number;
  readonly retainMs: number;
  readonly group: GroupSync;
  /** Clock for the age of entries. */
  readonly time: Pick<TrustedTime, 'now'>;
}

/** The end of a foreign session. */
export interface ForeignEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** True if no event reported the end: nothing was received for too long. */
  readonly isLost: boolean;
}

export interface EmittedSize {
  readonly cols: number;
  readonly rows: number;
}

/** Result of an event. */
export type EventOutcome = 'stored' | 'duplicate' | BinnacleError;

export class ForeignLog {
  readonly #writer: SegmentWriter;
  readonly #options: ForeignLogOptions;
  #progress: ForeignProgress;
  #end: ForeignEnd | undefined;
  #size: EmittedSize | undefined;
  #trimAt: number;

  private constructor(writer: SegmentWriter, progress: ForeignProgress, options: ForeignLogOptions) {
    this.#writer = writer;
    this.#progress = progress;
    this.#options = options;
    this.#trimAt = writer.head.place + TRIM_EVERY_BYTES;
  }

  /** Opens the log and continues at its end, even if `progress` is older. Throws `disk_full`, `log_damaged`. */
  static async open(dir: string, progress: ForeignProgress, options: ForeignLogOptions): Promise<ForeignLog> {
    const path = join(dir, 'log');
    const isBegun = hasBegun(path);
    if (!isBegun && progress.place > 0) throw new BinnacleError('log_damaged', { message: 'The log is not there.' });
    const writer = isBegun ? SegmentWriter.open(path, options) : SegmentWriter.create(path, options);
    const log = new ForeignLog(writer, progress, options);
    try {
      await log.#recover(path);
    } catch (error) {
      await writer.close().catch(() => undefined);
      throw error;
    }
    return log;
  }

  get epoch(): SegmentWriter['epoch'] {
    return this.#writer.epoch;
  }

  get head(): Head {
    return this.#writer.head;
  }

  get oldest(): Head {
    return this.#writer.oldest;
  }

  get synced(): Head {
    return this.#writer.synced;
  }

  get progress(): ForeignProgress {
    return this.#progress;
  }

  /** Size of the terminal, if an event since the opening has reported it. */
  get size(): EmittedSize | undefined {
    return this.#size;
  }

  /** Set once the session has ended. */
  get end(): ForeignEnd | undefined {
    return this.#end;
  }

  /** Appends the new ones among a session's events, in order, with one write. They are written when it returns. */
  take(events: readonly EmittedEvent[], producer: TrafficProducer | undefined, now: number): readonly EventOutcome[] {
    const draft = new EventDraft(this.#progress, this.#end, producer);
    const outcomes = events.map((event) => draft.take(event));
    if (draft.entries.length === 0) return outcomes;
    let head: Head;
    try {
      head = this.#writer.appendAll(draft.entries, now);
    } catch (error) {
      const why = BinnacleError.of(error);
      return outcomes.map((outcome) => (outcome === 'stored' ? why : outcome));
    }
    this.#progress = { ...draft.progress, ...head, heardAt: now };
    this.#end = draft.end;
    this.#size = draft.size ?? this.#size;
    this.#trim();
    return outcomes;
  }

  /** Ends the session without an event of its emitter. Throws `disk_full`. */
  finish(reason: 'lost' | 'deleted', now: number): void {
    if (this.#end !== undefined) return;
    const end: ForeignEnd = { exitCode: null, signal: null, isLost: reason === 'lost' };
    const head = this.#writer.appendAll([entry('closed', { reason })], now);
    this.#progress = { ...this.#progress, ...head };
    this.#end = end;
  }

  trimTo(maxBytes: number): void {
    this.#writer.trim({ maxBytes });
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  #trim(): void {
    if (this.#writer.head.place < this.#trimAt) return;
    this.#trimAt = this.#writer.head.place + TRIM_EVERY_BYTES;
    const { retainBytes, retainMs, time } = this.#options;
    this.#writer.trim({ maxBytes: retainBytes, olderThan: time.now() - retainMs });
  }

  /**
   * Removes an incomplete group after a kill during a write: entries without a mark after them were never
   * acknowledged.
   */
  async #recover(path: string): Promise<void> {
    const { head, oldest } = this.#writer;
    const { progress } = this;
    // A power loss may have removed the end of the log but not the row: acknowledged events are not sent again.
    const isBehind = progress.place > head.place;
    const known = isBehind || progress.place < oldest.place ? oldest : progress;
    const { whole, last, closed, size } = await this.#read(path, { place: known.place, offset: known.offset });
    if (whole.place < head.place) this.#writer.cut(whole);
    const isNewer = last !== undefined && last.epoch !== null && (!isBehind || isAhead(last, progress));
    const number = isNewer ? { epoch: last.epoch ?? -1, nextSeq: (last.seq ?? -1) + 1 } : {};
    this.#progress = { ...progress, ...number, ...whole };
    this.#size = size;
    const isFinal = last?.is_final === true;
    if (isFinal && closed === undefined) {
      this.#progress = { ...this.#progress, ...this.#writer.appendAll(endEntries(endOf(last)), Date.now()) };
    }
    if (isFinal) this.#end = endOf(last);
    else if (closed !== undefined) this.#end = { exitCode: null, signal: null, isLost: closed === 'lost' };
  }

  /** Reads the log from `from` on, and finds the place up to which it is complete. */
  async #read(path: string, from: Head) {
    const { head, epoch } = this.#writer;
    let whole = from;
    let last: TrafficMark['traffic'] | undefined;
    let closed: string | undefined;
    let size: EmittedSize | undefined;
    const reader = SegmentReader.open(path, { head, epoch });
    try {
      for (const cursor = new Cursor(reader, { epoch, ...from }); ; ) {
        const reading = await cursor.next();
        if (reading.kind === 'head') return { whole, last, closed, size };
        // Entries before a gap stay: the damaged part may be their mark.
        if (reading.kind === 'gap') whole = { place: reading.next.place, offset: reading.next.offset };
        for (const one of reading.kind === 'page' ? reading.page.entries : []) {
          const body = one.kind === 'event' || one.kind === 'closed' || one.kind === 'resize' ? bodyOf(one) : {};
          if (one.kind === 'resize') size = body as unknown as EmittedSize;
          if (one.kind === 'closed') closed = (body as { reason?: string }).reason ?? '';
          const mark = one.kind === 'event' ? (body as Partial<TrafficMark>).traffic : undefined;
          if (mark === undefined && one.kind !== 'closed') continue;
          last = mark ?? last;
          whole = { place: one.next, offset: one.offset };
        }
      }
    } finally {
      reader.close();
    }
  }
}

/** Tells whether a log was begun. A kill between the creation of the first file and its header leaves an empty log. */
function hasBegun(path: string): boolean {
  const [first, second] = listSegments(path);
  if (first === undefined) return false;
  const file = segmentPath(path, first);
  if (second !== undefined || statSync(file).size >= SEGMENT_HEADER_BYTES) return true;
  rmSync(file);
  return false;
}

/** The changes of a group of events to the log, before they are written. */
class EventDraft {
  readonly entries: NewEntry[] = [];
  readonly #producer: TrafficProducer | undefined;
  #progress: ForeignProgress;
  #end: ForeignEnd | undefined;
  #size: EmittedSize | undefined;
  #hasFailed = false;

  constructor(progress: ForeignProgress, end: ForeignEnd | undefined, producer: TrafficProducer | undefined) {
    this.#progress = progress;
    this.#end = end;
    this.#producer = producer;
  }

  get progress(): ForeignProgress {
    return this.#progress;
  }

  get end(): ForeignEnd | undefined {
    return this.#end;
  }

  get size(): EmittedSize | undefined {
    return this.#size;
  }

  take(event: EmittedEvent): EventOutcome {
    if (this.#hasFailed) return new BinnacleError('earlier_refused');
    const outcome = this.#check(event);
    if (outcome instanceof BinnacleError) this.#hasFailed = true;
    if (outcome === 'stored') this.#add(event);
    return outcome;
  }

  #check({ seq }: EmittedEvent): EventOutcome {
    const known = numberCheck(this.#progress, this.#producer, seq);
    if (known !== 'stored') return known;
    return this.#end === undefined ? 'stored' : sessionEnded();
  }

  #add({ size, stream, output, seq, mark, isFinal }: EmittedEvent): void {
    const { epoch } = this.#producer ?? { epoch: null };
    if (size !== undefined) this.entries.push(entry('resize', size));
    this.#size = size ?? this.#size;
    if (output.length > 0) this.entries.push({ kind: stream, bytes: output });
    this.entries.push(entry('event', { traffic: { epoch, seq, bytes: output.length, ...mark } } satisfies TrafficMark));
    if (epoch !== null && seq !== null) this.#progress = { ...this.#progress, epoch, nextSeq: seq + 1 };
    if (!isFinal) return;
    this.#end = endOf(mark);
    this.entries.push(...endEntries(this.#end));
  }
}

/** Error for an emitter: a session id cannot be used again after its end. */
export const sessionEnded = (): BinnacleError =>
  new BinnacleError('session_exited', { message: 'The session has ended.', hint: 'Use another session_id.' });

/** Tells whether a number is the next one, a duplicate, or out of order. An epoch counts from 0. */
export function numberCheck(
  { epoch, nextSeq }: Pick<ForeignProgress, 'epoch' | 'nextSeq'>,
  producer: TrafficProducer | undefined,
  seq: number | null,
): EventOutcome {
  if (producer === undefined || seq === null) return 'stored';
  if (producer.epoch < epoch) {
    return new BinnacleError('stale_epoch', { details: { epoch, received: producer.epoch } });
  }
  const expected = producer.epoch > epoch ? 0 : nextSeq;
  if (seq === expected) return 'stored';
  return seq < expected ? 'duplicate' : new BinnacleError('seq_gap', { details: { expected, received: seq } });
}

const entry = (kind: 'resize' | 'event' | 'exit' | 'closed', data: object): NewEntry => ({
  kind,
  bytes: Buffer.from(JSON.stringify(data)),
});

const isAhead = ({ epoch, seq }: TrafficMark['traffic'], { epoch: known, nextSeq }: ForeignProgress): boolean =>
  (epoch ?? -1) > known || (epoch === known && (seq ?? -1) >= nextSeq);

const endEntries = ({ exitCode, signal }: ForeignEnd): NewEntry[] => [
  entry('exit', { exitCode, signal }),
  entry('closed', { reason: 'eof' }),
];

const endOf = ({ exit_code, signal }: Pick<TrafficMark['traffic'], 'exit_code' | 'signal'>): ForeignEnd => ({
  exitCode: exit_code ?? null,
  signal: signal ?? null,
  isLost: false,
});

/** Parses the body of an entry without validation: this gateway wrote it, and the checksum was verified. */
const bodyOf = ({ bytes }: Entry): object => JSON.parse(Buffer.from(bytes).toString()) as object;
