// Output over plain HTTP: raw bytes, with or without follow, and long-poll. The only writer to its response.

import type { Position } from '@binnacle/protocol';
import { BinnacleError, isOutput, type OutputKind } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import type { Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenResponse } from '../../visibility/session-access.ts';
import type { LiveConnection, Liveness } from './liveness.ts';
import { type Selection, wholeLog } from './selection.ts';

export interface OutputQuery {
  readonly at: Position;
  /** Filter: only this stream of a session in pipe mode. */
  readonly stream?: OutputKind;
  /** Maximum bytes. */
  readonly limit?: number;
  /** Continues until no more output can follow. */
  readonly follow: boolean;
  /** Without `follow`: maximum wait for the first byte. */
  readonly waitMs: number;
  /** Content type. Default: application/octet-stream. */
  readonly type?: string;
}

/**
 * Writes the response. Resolves when it is complete or the viewer has disconnected. Rejects only before the first byte.
 */
export function writeOutput(
  session: Session,
  query: OutputQuery,
  response: SeenResponse,
  liveness: Liveness,
  selection: Selection = wholeLog(session),
): Promise<void> {
  return new Promise((resolve, reject) => {
    new OutputAnswer({ session, selection, query, response, liveness, resolve, reject }).start();
  });
}

interface OutputParts {
  readonly session: Session;
  readonly selection: Selection;
  readonly query: OutputQuery;
  readonly response: SeenResponse;
  readonly liveness: Liveness;
  resolve(): void;
  reject(error: unknown): void;
}

class OutputAnswer implements Sink, LiveConnection {
  readonly #session: Session;
  readonly #selection: Selection;
  readonly #query: OutputQuery;
  readonly #response: SeenResponse;
  readonly #pump: Pump;
  readonly #unwatch: () => void;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  /** Output offset after the last written byte. */
  #offset: number;
  /** End of a finite response: the head at its start, so that a program that never stops cannot make it endless. */
  #until: number;
  #remainingBytes: number;
  #timer: NodeJS.Timeout | undefined;
  /** Buffer of a finite response: its length and its end offset belong in the header. */
  #collected: Uint8Array[] = [];
  #collectedBytes = 0;
  #isOver = false;
  /** Undefined: a plain HTTP client sends nothing back. TCP keep-alive detects dead clients. */
  readonly heardAt = undefined;
  fullSince: number | undefined;

  constructor({ session, selection, query, response, liveness, resolve, reject }: OutputParts) {
    this.#session = session;
    this.#selection = selection;
    this.#query = query;
    this.#response = response;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#offset = query.at.offset;
    this.#until = query.follow ? Number.POSITIVE_INFINITY : session.log.head.offset;
    this.#remainingBytes = query.limit ?? Number.POSITIVE_INFINITY;
    this.#pump = new Pump(new Cursor(session.log, query.at), this);
    this.#unwatch = liveness.watch(this);
    response.on('drain', () => {
      this.fullSince = undefined;
      this.#pump.resume();
    });
    response.on('close', () => this.#end());
  }

  start(): void {
    const { follow, waitMs } = this.#query;
    // The client disconnected before the response began; `close` will not fire again.
    if (this.#response.destroyed) {
      this.#end();
      return;
    }
    // After the end of the selection no output can be missing, whatever retention removed.
    if (this.#offset >= this.#selection.limit) {
      this.#finish();
      return;
    }
    if (follow) this.#writeHead({});
    else if (waitMs > 0) this.#timer = setTimeout(() => this.#finish(), waitMs);
    this.#pump.start();
  }

  page(page: Page): SinkResult {
    let hasRoom = true;
    for (const entry of page.entries) {
      if (!isOutput(entry.kind)) {
        if (this.#selection.isLast(entry)) return this.#finish();
        continue;
      }
      const isSelected = this.#query.stream === undefined || this.#query.stream === entry.kind;
      const end = Math.min(
        this.#endOffset - entry.offset,
        entry.bytes.length,
        isSelected ? this.#remainingBytes : Number.POSITIVE_INFINITY,
      );
      const bytes = entry.bytes.subarray(0, Math.max(0, end));
      this.#offset = entry.offset + bytes.length;
      if (isSelected) {
        this.#remainingBytes -= bytes.length;
        hasRoom = this.#write(bytes);
      }
      if (this.#remainingBytes <= 0 || this.#offset >= this.#endOffset) return this.#finish();
    }
    if (hasRoom) return 'more';
    this.fullSince ??= performance.now();
    return 'full';
  }

  /** Fails: raw bytes have no place for a gap marker, so an incomplete range is not sent. */
  gap({ from, to, reason }: Gap): SinkResult {
    const { oldest, head } = this.#session.log;
    const details = { from, to, oldestOffset: oldest.offset, headOffset: head.offset };
    this.failed(new BinnacleError(reason === 'damaged' ? 'log_damaged' : 'gap', { details }));
    return 'done';
  }

  caughtUp(): SinkResult {
    if (!this.#session.isHosted || this.#offset >= this.#selection.limit) return this.#finish();
    if (this.#query.follow) return 'more';
    const isWaiting = this.#collectedBytes === 0 && this.#timer !== undefined;
    // Long poll: the first bytes that arrive are the response.
    if (isWaiting) this.#until = Number.POSITIVE_INFINITY;
    return isWaiting ? 'more' : this.#finish();
  }

  failed(error: unknown): void {
    if (this.#response.headersSent) this.#response.destroy();
    else {
      // Before #end, which resolves the promise.
      this.#reject(error);
      this.#end();
    }
  }

  ping(): void {}

  cut(): void {
    this.#response.destroy();
  }

  #write(bytes: Uint8Array): boolean {
    if (bytes.length === 0) return true;
    if (this.#query.follow) return this.#response.write(bytes);
    this.#collected.push(bytes);
    this.#collectedBytes += bytes.length;
    // A long response streams and announces its end offset: the log before that offset cannot change.
    if (this.#collectedBytes <= MAX_COLLECTED_BYTES) return true;
    if (!this.#response.headersSent) this.#writeHead(this.#streamedHead());
    return this.#flush();
  }

  #streamedHead(): Record<string, string> {
    // With a stream filter or a limit the end is not known yet; the client counts bytes, or requests a smaller range.
    if (
      this.#query.stream !== undefined ||
      this.#query.limit !== undefined ||
      this.#endOffset === Number.POSITIVE_INFINITY
    )
      return {};
    return { 'Binnacle-Next-Offset': String(this.#endOffset) };
  }

  /** Offset after the last byte of this response, as far as known. */
  get #endOffset(): number {
    return Math.min(this.#until, this.#selection.limit);
  }

  #flush(): boolean {
    let hasRoom = true;
    for (const bytes of this.#collected) hasRoom = this.#response.write(bytes);
    this.#collected = [];
    this.#collectedBytes = 0;
    return hasRoom;
  }

  #finish(): SinkResult {
    if (this.#isOver) return 'done';
    if (!this.#response.headersSent) {
      this.#writeHead({ 'Binnacle-Next-Offset': String(this.#offset), 'Content-Length': String(this.#collectedBytes) });
    }
    this.#flush();
    this.#response.end();
    this.#end();
    return 'done';
  }

  #writeHead(more: Readonly<Record<string, string>>): void {
    this.#response.writeHead(200, {
      'Content-Type': this.#query.type ?? 'application/octet-stream',
      'Binnacle-Epoch': this.#session.log.epoch,
      'Binnacle-From-Offset': String(this.#query.at.offset),
      'Binnacle-Closed': this.#selection.isClosed ? '1' : '0',
      'X-Accel-Buffering': 'no',
      ...more,
    });
    this.#response.flushHeaders();
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#unwatch();
    this.#pump.stop();
    this.#resolve();
  }
}

/** Maximum bytes buffered so that the header can contain the length. */
const MAX_COLLECTED_BYTES = 1024 * 1024;
