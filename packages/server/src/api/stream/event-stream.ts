// A part of a log as events. Each has the position after it, so that a client resumes exactly (`Last-Event-ID`).

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { BinnacleError, formatPosition, isOutput, type OutputKind, type Position } from '@binnacle/protocol';
import type { Gap } from '../../cursor/pump.ts';
import { TextCutter } from '../../cursor/text-decoder.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenResponse, SeenSessions } from '../../visibility/session-access.ts';
import type { Liveness } from './liveness.ts';
import { type Codec, LogStream } from './log-stream.ts';
import { ResponseBody, type StreamEnd, UNBUFFERED } from './response-body.ts';
import { type Selection, wholeLog } from './selection.ts';

export interface SseQuery {
  readonly at: Position;
  /** `base64` is byte-exact; `text` replaces invalid UTF-8 by U+FFFD. */
  readonly encoding: 'text' | 'base64';
  /** False: ends at the current head. */
  readonly follow: boolean;
}

export async function writeEvents(
  session: Session,
  query: SseQuery,
  seen: SeenSessions,
  response: SeenResponse,
  liveness: Liveness,
  format: EventFormat = SSE,
): Promise<void> {
  const stream = new EventStream(response, liveness, {}, format);
  const position = formatPosition(query.at);
  stream.event('connected', query.at, { session: session.id, position, info: seen.infoOf(session) });
  await showLog(session, wholeLog(session, seen), query, stream);
}

/** Sends the selected part and ends the stream. Resolves when the stream is closed, for whatever reason. */
export async function showLog(
  session: Session,
  selection: Selection,
  query: SseQuery,
  stream: EventStream,
): Promise<StreamEnd> {
  const log: LogStream = new LogStream({
    ...{
      log: session.log,
      at: query.at,
      codec: new EventCodec(session, selection, query, stream.format),
      wire: stream,
    },
    over: (error) => {
      if (error === undefined) stream.finish();
      else stream.fail(error, log.position);
    },
  });
  return await stream.send(log);
}

/** Spelling of an event. */
export interface EventFormat {
  readonly type: string;
  /** `behind`: position after the event. JSON contains no raw line break, so no program can end or forge an event. */
  text(event: string, behind: Position, data: object): string;
  /** Text that keeps proxies from cutting an idle stream. */
  readonly ping: string;
}

export const SSE: EventFormat = {
  type: 'text/event-stream',
  text: (event, behind, data) => `id: ${formatPosition(behind)}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
  ping: ': still here\n\n',
};

/** The same events as lines of JSON. */
export const NDJSON: EventFormat = {
  type: 'application/x-ndjson',
  text: (event, behind, data) => `${JSON.stringify({ event, position: formatPosition(behind), data })}\n`,
  ping: '{"event":"ping"}\n',
};

export const eventHeaders = ({ type }: EventFormat): OutgoingHttpHeaders => ({
  'Content-Type': type,
  'Cache-Control': 'no-store',
  ...UNBUFFERED,
});

/** A response with events. */
export class EventStream extends ResponseBody {
  readonly format: EventFormat;

  /** `headers`: additional to the headers of every event stream. */
  constructor(response: ServerResponse, liveness: Liveness, headers: OutgoingHttpHeaders = {}, format = SSE) {
    super(response, liveness, { head: () => ({ ...eventHeaders(format), ...headers }), ping: format.ping });
    this.format = format;
  }

  event(event: string, behind: Position, data: object): void {
    this.write(this.format.text(event, behind, data));
  }

  /** Sends a server-sent event without an id, so that no client resumes after it. */
  message(data: object): void {
    this.write(`event: message\ndata: ${JSON.stringify(data)}\n\n`);
  }

  fail(error: unknown, behind: Position): void {
    this.event('error', behind, BinnacleError.of(error).toWire());
    this.finish('cut');
  }
}

class EventCodec implements Codec {
  isOver = false;
  readonly #session: Session;
  readonly #selection: Selection;
  readonly #query: SseQuery;
  readonly #format: EventFormat;
  readonly #text = new TextCutter();
  /** Offset of the first byte of an incomplete character, by stream. */
  readonly #incomplete = new Map<OutputKind, number>();
  /** Position after the last processed entry. */
  #at: Position;
  /** Position in the id of the last event. */
  #lastSent: Position;
  /** True if no output can be added to the selection: an incomplete character at the end is then invalid. */
  #isClosed = false;

  constructor(session: Session, selection: Selection, query: SseQuery, format: EventFormat) {
    this.#format = format;
    this.#session = session;
    this.#selection = selection;
    this.#query = query;
    this.#at = query.at;
    this.#lastSent = query.at;
  }

  *page(page: Page): Generator<string> {
    for (const entry of page.entries) {
      const { kind, bytes, offset, next: place } = entry;
      if (isOutput(kind)) {
        if (offset >= this.#selection.limit) return this.#close();
        const behind = { ...this.#at, place, offset: offset + bytes.length };
        yield* this.#output(kind, entry, behind);
        this.#at = behind;
      } else {
        this.#at = { ...this.#at, place, offset };
        const event = this.#selection.toEvent(entry);
        // While a character is incomplete, a resume must repeat its first bytes, and this event with them.
        if (event !== undefined) yield this.#event(event.event, this.#resumePosition, event.data);
        if (this.#selection.isLast(entry)) return this.#close();
      }
    }
  }

  *gap({ from, to, reason, next }: Gap): Generator<string> {
    const { limit } = this.#selection;
    // Bytes after a gap do not complete a character before the gap.
    yield* this.#flush();
    this.#at = next;
    if (from < limit) yield this.#event('gap', next, { from, to: Math.min(to, limit), reason });
    if (next.offset >= limit) this.#close();
  }

  caughtUp(): readonly [] {
    // Without a writer, and after all output was sent, no more can follow.
    this.#isClosed = !this.#session.isHosted || this.#at.offset >= this.#selection.limit;
    this.isOver = this.#isClosed || !this.#query.follow;
    return [];
  }

  *ending(): Generator<string> {
    // At the final end an incomplete character is invalid and is flushed. Otherwise a resume repeats its bytes.
    if (this.#isClosed) yield* this.#flush();
    for (const { event, data } of this.#selection.ending()) yield this.#event(event, this.#resumePosition, data);
  }

  #close(): void {
    this.#isClosed = true;
    this.isOver = true;
  }

  /** Position for the id of an event beside the output. */
  get #resumePosition(): Position {
    return this.#incomplete.size === 0 ? this.#at : this.#lastSent;
  }

  *#output(kind: OutputKind, { bytes, offset }: Entry, behind: Position): Generator<string> {
    if (this.#query.encoding === 'base64') {
      yield this.#event('output', behind, { kind, offset, base64: Buffer.from(bytes).toString('base64') });
      return;
    }
    const { text, incomplete } = this.#text.cut(kind, bytes);
    if (incomplete === 0) this.#incomplete.delete(kind);
    else if (!this.#incomplete.has(kind) || text !== '') this.#incomplete.set(kind, behind.offset - incomplete);
    if (text === '') return;
    // An incomplete character is not part of the sent output: a resume repeats its bytes.
    const at = incomplete === 0 ? behind : { ...behind, place: this.#at.place, offset: behind.offset - incomplete };
    yield this.#event('output', at, { kind, offset, text });
  }

  *#flush(): Generator<string> {
    for (const [kind, offset] of this.#incomplete) {
      yield this.#event('output', this.#at, { kind, offset, text: this.#text.flush(kind) });
    }
    this.#incomplete.clear();
  }

  #event(event: string, behind: Position, data: object): string {
    this.#lastSent = behind;
    return this.#format.text(event, behind, data);
  }
}
