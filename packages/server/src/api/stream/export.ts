// An export over HTTP: a log from its beginning in one format, with back-pressure. The only writer to its response.

import type { ServerResponse } from 'node:http';
import { isOutput, type Position } from '@binnacle/protocol';
import type { FairScheduler } from '../../base/fair-scheduler.ts';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import type { Entry, LogReader, Page } from '../../log/log.ts';
import type { ExportWriter } from '../../recording/writer.ts';
import type { LiveConnection, Liveness } from './liveness.ts';

const WRITE_CHARS = 64 * 1024;
/** Maximum time per slot for converting entries to text. A single large entry can take longer. */
const SLICE_MS = 5;
/** Extra time before a stalled reader is cut. Long is affordable: a stalled export costs one page and one socket. */
const PATIENCE_MS = 10 * 60_000;

export interface ExportParts {
  readonly log: LogReader;
  readonly writer: ExportWriter;
  readonly headers: Readonly<Record<string, string>>;
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
  const answer = new ExportAnswer(parts);
  answer.start();
  return answer;
}

class ExportAnswer implements Sink, LiveConnection, ExportProgress {
  readonly reached: Promise<void>;
  readonly over: Promise<void>;
  readonly #parts: ExportParts;
  readonly #pump: Pump;
  readonly #unwatch: () => void;
  #resolveReached: () => void = () => undefined;
  #resolveOver: () => void = () => undefined;
  #isDone = false;
  /** Undefined: a plain HTTP client sends nothing back. TCP keep-alive detects dead clients. */
  readonly heardAt = undefined;
  #fullSince: number | undefined;
  /** Entries read but not yet written, in reverse order. */
  #unwritten: Entry[] = [];

  constructor(parts: ExportParts) {
    this.#parts = parts;
    this.reached = new Promise((resolve) => {
      this.#resolveReached = resolve;
    });
    this.over = new Promise((resolve) => {
      this.#resolveOver = resolve;
    });
    const { log, response, liveness, from = { epoch: log.epoch, place: 0, offset: 0 } } = parts;
    this.#pump = new Pump(new Cursor(log, from), this);
    this.#unwatch = liveness.watch(this);
    response.on('drain', () => {
      this.#fullSince = undefined;
      this.#continue();
    });
    response.on('close', () => this.#end());
  }

  /** Start of the stall, shifted by PATIENCE_MS: an export cannot be resumed, and a user may page through it slowly. */
  get fullSince(): number | undefined {
    return this.#fullSince === undefined ? undefined : this.#fullSince + PATIENCE_MS;
  }

  start(): void {
    const { response, headers } = this.#parts;
    // The client disconnected before the response began; `close` will not fire again.
    if (response.destroyed) {
      this.#end();
      return;
    }
    response.writeHead(200, { ...headers, 'X-Accel-Buffering': 'no' });
    response.flushHeaders();
    this.#pump.start();
  }

  /** Stores the entries; `#slice` converts them later, in scheduled slots. */
  page(page: Page): SinkResult {
    this.#unwritten = [...page.entries].reverse();
    this.#continue();
    return 'full';
  }

  #continue(): void {
    if (this.#isDone || this.#fullSince !== undefined) return;
    this.#parts.scheduler.schedule(this.#parts.by, () => this.#slice());
  }

  #slice(): void {
    if (this.#isDone || this.#fullSince !== undefined) return;
    try {
      this.#convert();
    } catch {
      // Handled like a read error.
      this.failed();
    }
  }

  /** Converts as many entries as time and room allow. */
  #convert(): void {
    const { writer, shown, until = Number.POSITIVE_INFINITY } = this.#parts;
    const end = performance.now() + SLICE_MS;
    let text = '';
    for (;;) {
      const entry = this.#unwritten.pop();
      if (entry === undefined) break;
      if (entry.offset >= until) {
        this.#write(text);
        this.#finish(false);
        return;
      }
      text += writer.entry(shown(entryBefore(entry, until)));
      // Checked per entry: an entry can be much larger than a page.
      if (text.length >= WRITE_CHARS || performance.now() >= end) break;
    }
    if (!this.#write(text)) return;
    if (this.#unwritten.length > 0) this.#continue();
    else this.#pump.resume();
  }

  gap(gap: Gap): SinkResult {
    return this.#write(this.#parts.writer.gap(gap)) ? 'more' : 'full';
  }

  caughtUp(): SinkResult {
    const isOver = this.#parts.isOver();
    const { log, until = Number.POSITIVE_INFINITY } = this.#parts;
    if (this.#parts.follow && !isOver && log.head.offset < until) {
      this.#resolveReached();
      return 'more';
    }
    return this.#finish(isOver);
  }

  /** Destroys the socket: a normal end would make the truncated export look complete. */
  failed(): void {
    this.#parts.response.destroy();
  }

  ping(): void {}

  cut(): void {
    this.#parts.response.destroy();
  }

  #write(text: string): boolean {
    if (text === '') return this.#fullSince === undefined;
    if (this.#parts.response.write(text)) return true;
    this.#fullSince ??= performance.now();
    return false;
  }

  #finish(isOver: boolean): SinkResult {
    this.#write(this.#parts.writer.end(isOver));
    this.#parts.response.end();
    this.#end();
    return 'done';
  }

  #end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#unwatch();
    this.#pump.stop();
    this.#unwritten = [];
    this.#resolveReached();
    this.#resolveOver();
  }
}

/** Returns the part of the entry before an offset. */
const entryBefore = (entry: Entry, until: number): Entry =>
  isOutput(entry.kind) && entry.offset + entry.bytes.length > until
    ? { ...entry, bytes: entry.bytes.subarray(0, until - entry.offset) }
    : entry;
