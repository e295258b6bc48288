// The log of one session whose program runs elsewhere: takes its events in order, each once, and writes them. What makes
// a retry harmless (epoch and number of the last event) is in the log itself, in the same write as the output.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BinnacleError, type TrafficMark, type TrafficProducer } from '@binnacle/protocol';
import type { ForeignStanding } from '../catalogue/foreign.ts';
import type { GroupSync } from '../log/group-sync.ts';
import type { Entry, Head, NewEntry } from '../log/log.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import { SegmentWriter } from '../log/segment-writer.ts';
import type { Emitted } from './event.ts';

const TRIM_EVERY_BYTES = 1024 * 1024;

export interface ForeignLogOptions {
  readonly segmentBytes: number;
  readonly retainBytes: number;
  readonly retainMs: number;
  readonly group: GroupSync;
}

/** How it ended. */
export interface ForeignEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** What became of an event. */
export type Outcome = 'stored' | 'duplicate' | BinnacleError;

export class ForeignLog {
  readonly #writer: SegmentWriter;
  readonly #options: ForeignLogOptions;
  #standing: ForeignStanding;
  #end: ForeignEnd | undefined;
  #trimAt: number;

  private constructor(writer: SegmentWriter, standing: ForeignStanding, options: ForeignLogOptions) {
    this.#writer = writer;
    this.#standing = standing;
    this.#options = options;
    this.#trimAt = writer.head.place + TRIM_EVERY_BYTES;
  }

  /** Goes on where the log ends, whatever `standing` says of less. Throws `disk_full`, `log_damaged`. */
  static async open(dir: string, standing: ForeignStanding, options: ForeignLogOptions): Promise<ForeignLog> {
    const path = join(dir, 'log');
    const writer = existsSync(path) ? SegmentWriter.open(path, options) : SegmentWriter.create(path, options);
    const log = new ForeignLog(writer, standing, options);
    await log.#recover(path);
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

  get standing(): ForeignStanding {
    return this.#standing;
  }

  /** Set once nothing follows any more. */
  get end(): ForeignEnd | undefined {
    return this.#end;
  }

  /** Events of this session, in order: what is new of them is kept with one write. When it returns, that is done. */
  take(events: readonly Emitted[], producer: TrafficProducer | undefined, now: number): readonly Outcome[] {
    const draft = new Draft(this.#standing, this.#end, producer);
    const outcomes = events.map((event) => draft.take(event));
    if (draft.entries.length === 0) return outcomes;
    let head: Head;
    try {
      head = this.#writer.appendAll(draft.entries, now);
    } catch (error) {
      const why = error instanceof BinnacleError ? error : new BinnacleError('internal', { cause: error });
      return outcomes.map((outcome) => (outcome === 'stored' ? why : outcome));
    }
    this.#standing = { ...draft.standing, ...head, heardAt: now };
    this.#end = draft.end;
    this.#trim(now);
    return outcomes;
  }

  /** It is over without a word of its emitter. Throws `disk_full`. */
  finish(reason: 'lost' | 'deleted', now: number): void {
    if (this.#end !== undefined) return;
    const end: ForeignEnd = { exitCode: null, signal: null };
    const head = this.#writer.appendAll([entry('closed', { reason })], now);
    this.#standing = { ...this.#standing, ...head };
    this.#end = end;
  }

  trimTo(maxBytes: number): void {
    this.#writer.trim({ maxBytes });
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  #trim(now: number): void {
    if (this.#writer.head.place < this.#trimAt) return;
    this.#trimAt = this.#writer.head.place + TRIM_EVERY_BYTES;
    const { retainBytes, retainMs } = this.#options;
    this.#writer.trim({ maxBytes: retainBytes, olderThan: now - retainMs });
  }

  /** We may have been killed in the middle of a write: what no mark stands behind was never answered, and goes. */
  async #recover(path: string): Promise<void> {
    const { head, oldest, epoch } = this.#writer;
    const { standing } = this;
    let whole: Head = standing.place < oldest.place ? oldest : { place: standing.place, offset: standing.offset };
    let last: TrafficMark['traffic'] | undefined;
    let isClosed = false;
    const reader = SegmentReader.open(path, { head, epoch });
    try {
      for (let at = { epoch, ...whole }; ; ) {
        const reading = await reader.read(at);
        if (reading.kind === 'head') break;
        if (reading.kind === 'gap') {
          at = { ...reading.next };
          continue;
        }
        for (const one of reading.page.entries) {
          if (one.kind === 'closed') isClosed = true;
          const mark = one.kind === 'event' ? markOf(one) : undefined;
          if (mark === undefined && one.kind !== 'closed') continue;
          last = mark ?? last;
          whole = { place: one.next, offset: one.offset };
        }
        at = { ...reading.page.next };
      }
    } finally {
      reader.close();
    }
    if (whole.place < head.place) this.#writer.cut(whole);
    const number =
      last === undefined || last.epoch === null ? {} : { epoch: last.epoch, nextSeq: (last.seq ?? -1) + 1 };
    this.#standing = { ...standing, ...number, ...whole };
    if (last?.is_final === true && !isClosed) {
      this.#standing = { ...this.#standing, ...this.#writer.appendAll(endEntries(endOf(last)), Date.now()) };
    }
    if (isClosed || last?.is_final === true) this.#end = endOf(last);
  }
}

/** What a few events would make of the log. */
class Draft {
  readonly entries: NewEntry[] = [];
  readonly #producer: TrafficProducer | undefined;
  #standing: ForeignStanding;
  #end: ForeignEnd | undefined;
  #hasFailed = false;

  constructor(standing: ForeignStanding, end: ForeignEnd | undefined, producer: TrafficProducer | undefined) {
    this.#standing = standing;
    this.#end = end;
    this.#producer = producer;
  }

  get standing(): ForeignStanding {
    return this.#standing;
  }

  get end(): ForeignEnd | undefined {
    return this.#end;
  }

  take(event: Emitted): Outcome {
    if (this.#hasFailed) return new BinnacleError('earlier_refused');
    const outcome = this.#check(event);
    if (outcome instanceof BinnacleError) this.#hasFailed = true;
    if (outcome === 'stored') this.#add(event);
    return outcome;
  }

  #check({ seq }: Emitted): Outcome {
    const known = numberCheck(this.#standing, this.#producer, seq);
    if (known !== 'stored') return known;
    return this.#end === undefined ? 'stored' : new BinnacleError('session_exited');
  }

  #add({ size, stream, output, seq, told, isFinal }: Emitted): void {
    const { epoch } = this.#producer ?? { epoch: null };
    if (size !== undefined) this.entries.push(entry('resize', size));
    if (output.length > 0) this.entries.push({ kind: stream, bytes: output });
    this.entries.push(entry('event', { traffic: { epoch, seq, bytes: output.length, ...told } } satisfies TrafficMark));
    if (epoch !== null && seq !== null) this.#standing = { ...this.#standing, epoch, nextSeq: seq + 1 };
    if (!isFinal) return;
    this.#end = endOf(told);
    this.entries.push(...endEntries(this.#end));
  }
}

/** Whether a number is the next one, was there, or is out of order. An epoch counts from 0. */
export function numberCheck(
  { epoch, nextSeq }: Pick<ForeignStanding, 'epoch' | 'nextSeq'>,
  producer: TrafficProducer | undefined,
  seq: number | null,
): Outcome {
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

const endEntries = ({ exitCode, signal }: ForeignEnd): NewEntry[] => [
  entry('exit', { exitCode, signal }),
  entry('closed', { reason: 'eof' }),
];

const endOf = (told: Pick<TrafficMark['traffic'], 'exit_code' | 'signal'> | undefined): ForeignEnd => ({
  exitCode: told?.exit_code ?? null,
  signal: told?.signal ?? null,
});

/** Undefined for an event of another kind. Written by us, and checked by its checksum. */
function markOf({ bytes }: Entry): TrafficMark['traffic'] | undefined {
  return (JSON.parse(Buffer.from(bytes).toString()) as Partial<TrafficMark>).traffic;
}
