// An export over HTTP: a log from its beginning in one format, with back-pressure.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { isOutput, type Position } from '@binnacle/protocol';
import type { FairScheduler } from '../../base/fair-scheduler.ts';
import type { Gap } from '../../cursor/pump.ts';
import type { Entry, LogReader, Page } from '../../log/log.ts';
import type { ExportWriter } from '../../recording/writer.ts';
import type { Liveness } from './liveness.ts';
import { type Codec, LogStream } from './log-stream.ts';
import { ResponseBody, UNBUFFERED } from './response-body.ts';

const WRITE_CHARS = 64 * 1024;
/** Maximum time per slot for converting entries to text. A single large entry can take longer. */
const SLICE_MS = 5;
/**
 * Extra time before a stalled reader is cut: an export cannot be resumed, and a user may page through it slowly. Long is
 * affordable: a stalled export costs one page and one socket.
 */
const PATIENCE_MS = 10 * 60_000;

export interface ExportParts {
  readonly log: LogReader;
  readonly writer: ExportWriter;
  readonly headers: OutgoingHttpHeaders;
  /** Returns the part of an entry that the reader may see. */
  shown(entry: Entry): Entry;
  /** Start position. Default: the beginning of the log, so that output removed by retention is reported as a gap. */
  readonly from?: Position;
  /** Output offset at which the export ends (exclusive). Default: all output. */
  readonly until?: number;
  /** Continues at the head until the log has ended. */
  readonly follow: boolean;
  /** True when nothing will be appended to `log`. */
  isOver(): boolean;
  readonly response: ServerResponse;
  readonly liveness: Liveness;
  /** Scheduler of the export slices: the text of all exports is made in its slots. */
  readonly scheduler: FairScheduler;
  readonly by: string;
}

export interface ExportProgress {
  /**
   * Resolves when the export costs no more than a viewer: a following export has reached the head, or the export is
   * over.
   */
  readonly reached: Promise<void>;
  /** Resolves when the response is complete or the reader has disconnected. */
  readonly over: Promise<void>;
}

/** Starts an export. Neither promise rejects. */
export function writeExport(parts: ExportParts): ExportProgress {
  const { log, from = { epoch: log.epoch, place: 0, offset: 0 }, response, liveness, scheduler, by } = parts;
  const body = new ResponseBody(response, liveness, {
    head: () => ({ ...parts.headers, ...UNBUFFERED }),
    patienceMs: PATIENCE_MS,
  });
  body.flushHead();
  let isReached = (): void => undefined;
  const reached = new Promise<void>((resolve) => {
    isReached = resolve;
  });
  const over = new Promise<void>((resolve) => {
    const end = (): void => {
      isReached();
      resolve();
    };
    const stream = new LogStream({
      ...{ log, at: from, codec: new ExportCodec(parts), wire: body },
      caughtUp: isReached,
      schedule: (slice) => scheduler.schedule(by, slice),
      over: (error) => {
        // A normal end would make an export that lacks entries look complete.
        if (error === undefined) body.finish();
        else body.destroy();
        end();
      },
    });
    void body.send(stream).then(end);
  });
  return { reached, over };
}

class ExportCodec implements Codec {
  isOver = false;
  readonly isLazy = true;
  readonly #parts: ExportParts;
  readonly #until: number;
  /** True if the export ends because the log does. */
  #hasEnded = false;

  constructor(parts: ExportParts) {
    this.#parts = parts;
    this.#until = parts.until ?? Number.POSITIVE_INFINITY;
  }

  /** Yields the text of as many entries as fit into a slot. */
  *page({ entries }: Page): Generator<string> {
    const { writer, shown } = this.#parts;
    let text = '';
    let end = performance.now() + SLICE_MS;
    for (const entry of entries) {
      if (entry.offset >= this.#until) {
        this.isOver = true;
        break;
      }
      text += writer.entry(shown(entryBefore(entry, this.#until)));
      // Checked per entry: an entry can be much larger than a page.
      if (text.length < WRITE_CHARS && performance.now() < end) continue;
      yield text;
      text = '';
      end = performance.now() + SLICE_MS;
    }
    if (text !== '') yield text;
  }

  *gap(gap: Gap): Generator<string> {
    const text = this.#parts.writer.gap(gap);
    if (text !== '') yield text;
  }

  caughtUp(): readonly [] {
    const { log, follow, isOver } = this.#parts;
    this.#hasEnded = isOver();
    this.isOver = !follow || this.#hasEnded || log.head.offset >= this.#until;
    return [];
  }

  *ending(): Generator<string> {
    const text = this.#parts.writer.end(this.#hasEnded);
    if (text !== '') yield text;
  }
}

/** Returns the part of the entry before an offset. */
const entryBefore = (entry: Entry, until: number): Entry =>
  isOutput(entry.kind) && entry.offset + entry.bytes.length > until
    ? { ...entry, bytes: entry.bytes.subarray(0, until - entry.offset) }
    : entry;
