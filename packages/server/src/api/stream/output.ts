// Output over plain HTTP: raw bytes, with or without follow, and long-poll.

import type { OutgoingHttpHeaders } from 'node:http';
import { BinnacleError, isOutput, type OutputKind, type Position } from '@binnacle/protocol';
import type { Gap } from '../../cursor/pump.ts';
import type { Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenResponse } from '../../visibility/session-access.ts';
import type { Liveness } from './liveness.ts';
import { type Codec, LogStream } from './log-stream.ts';
import { ResponseBody, UNBUFFERED } from './response-body.ts';
import { type Selection, wholeLog } from './selection.ts';

/** Maximum bytes buffered so that the headers can have the length. */
const MAX_COLLECTED_BYTES = 1024 * 1024;

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
export async function writeOutput(
  session: Session,
  query: OutputQuery,
  response: SeenResponse,
  liveness: Liveness,
  selection: Selection = wholeLog(session),
): Promise<void> {
  const codec = new RawCodec(session, selection, query);
  const isStreamed = query.follow && !codec.isOver;
  const body = new ResponseBody(response, liveness, {
    head: (length) => codec.head(length),
    ...(isStreamed ? {} : { collectBytes: MAX_COLLECTED_BYTES }),
  });
  if (isStreamed) body.flushHead();
  await new Promise<void>((resolve, reject) => {
    const stream = new LogStream({
      ...{ log: session.log, at: query.at, codec, wire: body },
      over: (error) => {
        if (error === undefined) body.finish();
        else if (body.hasBegun) body.destroy();
        else reject(error);
        resolve();
      },
    });
    const timer = codec.isPolling ? setTimeout(() => stream.finish(), query.waitMs) : undefined;
    void body.send(stream).then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

class RawCodec implements Codec {
  isOver: boolean;
  /** True while the response waits for its first byte. */
  isPolling: boolean;
  readonly #session: Session;
  readonly #selection: Selection;
  readonly #query: OutputQuery;
  /** Output offset after the last encoded byte. */
  #offset: number;
  /** End of a finite response: the head at its start, so that a program that never stops cannot make it endless. */
  #until: number;
  #remainingBytes: number;

  constructor(session: Session, selection: Selection, query: OutputQuery) {
    this.#session = session;
    this.#selection = selection;
    this.#query = query;
    this.#offset = query.at.offset;
    this.#until = query.follow ? Number.POSITIVE_INFINITY : session.log.head.offset;
    this.#remainingBytes = query.limit ?? Number.POSITIVE_INFINITY;
    // After the end of the selection no output can be missing, whatever retention removed.
    this.isOver = this.#offset >= selection.limit;
    this.isPolling = !this.isOver && !query.follow && query.waitMs > 0;
  }

  head(length: number | undefined): OutgoingHttpHeaders {
    return {
      'Content-Type': this.#query.type ?? 'application/octet-stream',
      'Binnacle-Epoch': this.#session.log.epoch,
      'Binnacle-From-Offset': String(this.#query.at.offset),
      'Binnacle-Closed': this.#selection.isClosed ? '1' : '0',
      ...UNBUFFERED,
      ...(length === undefined
        ? this.#streamedHead()
        : { 'Binnacle-Next-Offset': String(this.#offset), 'Content-Length': String(length) }),
    };
  }

  *page(page: Page): Generator<Uint8Array> {
    for (const entry of page.entries) {
      if (!isOutput(entry.kind)) {
        if (this.#selection.isLast(entry)) this.isOver = true;
      } else yield* this.#output(entry.kind, entry.bytes, entry.offset);
      if (this.isOver) return;
    }
  }

  /** Fails: raw bytes have no place for a gap marker, so an incomplete range is not sent. */
  gap({ from, to, reason }: Gap): never {
    const { oldest, head } = this.#session.log;
    const details = { from, to, oldestOffset: oldest.offset, headOffset: head.offset };
    throw new BinnacleError(reason === 'damaged' ? 'log_damaged' : 'gap', { details });
  }

  caughtUp(): readonly [] {
    if (!this.#session.isHosted || this.#offset >= this.#selection.limit) this.isOver = true;
    // Long poll: the first bytes that arrive are the response.
    else if (this.isPolling) this.#until = Number.POSITIVE_INFINITY;
    else if (!this.#query.follow) this.isOver = true;
    return [];
  }

  ending(): readonly [] {
    return [];
  }

  *#output(kind: OutputKind, all: Uint8Array, offset: number): Generator<Uint8Array> {
    const isSelected = this.#query.stream === undefined || this.#query.stream === kind;
    const end = Math.min(
      this.#endOffset - offset,
      all.length,
      isSelected ? this.#remainingBytes : Number.POSITIVE_INFINITY,
    );
    const bytes = all.subarray(0, Math.max(0, end));
    this.#offset = offset + bytes.length;
    if (isSelected) this.#remainingBytes -= bytes.length;
    this.isOver = this.#remainingBytes <= 0 || this.#offset >= this.#endOffset;
    if (!isSelected || bytes.length === 0) return;
    this.isPolling = false;
    yield bytes;
  }

  /** Announces the end of a response without a known length: the log before that offset cannot change. */
  #streamedHead(): Record<string, string> {
    // With a stream filter or a limit the end is not known yet; the client counts bytes, or requests a smaller range.
    const { stream, limit, follow } = this.#query;
    const isUnknown = stream !== undefined || limit !== undefined || this.#endOffset === Number.POSITIVE_INFINITY;
    return follow || isUnknown ? {} : { 'Binnacle-Next-Offset': String(this.#endOffset) };
  }

  /** Offset after the last byte of this response, as far as known. */
  get #endOffset(): number {
    return Math.min(this.#until, this.#selection.limit);
  }
}
