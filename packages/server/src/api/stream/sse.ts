// A part of a log as server-sent events. `id:` is the position after an event, so Last-Event-ID resumes exactly.

import type { ServerResponse } from 'node:http';
import { BinnacleError, formatPosition, isOutput, type OutputKind, type Position } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import { TextCutter } from '../../cursor/text-decoder.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenResponse, SeenSessions } from '../../visibility/session-access.ts';
import type { LiveConnection, Liveness } from './liveness.ts';
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
): Promise<void> {
  const stream = new EventStream(response, liveness);
  const position = formatPosition(query.at);
  stream.send('connected', query.at, { session: session.id, position, info: seen.infoOf(session) });
  await showLog(session, wholeLog(session, seen), query, stream);
}

/** Sends the selected part and ends the stream. Resolves when the stream is closed, for whatever reason. */
export async function showLog(
  session: Session,
  selection: Selection,
  query: SseQuery,
  stream: EventStream,
): Promise<StreamEnd> {
  const pump = new LogEvents(session, selection, query, stream).pump;
  stream.onRoom(() => pump.resume());
  if (stream.isOpen) pump.start();
  const end = await stream.closed;
  pump.stop();
  return end;
}

/**
 * `complete`: all events were sent. `left`: the viewer disconnected or stalled. `cut`: the gateway ended the stream.
 */
export type StreamEnd = 'complete' | 'left' | 'cut';

/** A response with events. The only writer to the response. */
export class EventStream implements LiveConnection {
  readonly closed: Promise<StreamEnd>;
  readonly #response: ServerResponse;
  #isOpen = true;
  #end: StreamEnd = 'left';
  #resume = (): void => undefined;
  /** Undefined: a plain HTTP client sends nothing back. TCP keep-alive detects dead clients. */
  readonly heardAt = undefined;
  fullSince: number | undefined;

  /** `headers`: additional to the headers of every event stream. */
  constructor(response: ServerResponse, liveness: Liveness, headers: Readonly<Record<string, string>> = {}) {
    this.#response = response;
    const unwatch = liveness.watch(this);
    this.closed = new Promise((resolve) => {
      const close = (): void => {
        this.#isOpen = false;
        unwatch();
        resolve(this.#end);
      };
      response.on('close', close);
      // The client disconnected before the response began; `close` will not fire again.
      if (response.destroyed) close();
    });
    response.on('drain', () => {
      this.fullSince = undefined;
      this.#resume();
    });
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      ...headers,
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sets the function that is called when the response has room again. */
  onRoom(resume: () => void): void {
    this.#resume = resume;
  }

  /**
   * Sends an event. Returns false if there is no room for more. JSON contains no raw line break, so no program can end
   * or forge an event.
   */
  send(event: string, behind: Position, data: object): boolean {
    return this.write(`id: ${formatPosition(behind)}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Sends an event without an id, so that no client resumes after it. Returns false if there is no room for more. */
  message(data: object): boolean {
    return this.write(`event: message\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Writes already encoded events, whole or in parts. Returns false if there is no room for more. */
  write(events: string | Uint8Array): boolean {
    if (!this.#isOpen || this.#response.writableEnded) return false;
    const hasRoom = this.#response.write(events);
    if (!hasRoom) this.fullSince ??= performance.now();
    return hasRoom;
  }

  finish(): void {
    this.#end = 'complete';
    this.#response.end();
  }

  fail(error: unknown, behind: Position): void {
    const known = BinnacleError.of(error);
    this.send('error', behind, known.toWire());
    this.#end = 'cut';
    this.#response.end();
  }

  /** Sends a comment, which keeps proxies from cutting an idle stream. */
  ping(): void {
    if (this.fullSince === undefined && !this.#response.writableEnded) this.#response.write(': still here\n\n');
  }

  cut(code: Parameters<LiveConnection['cut']>[0]): void {
    if (code === 'going_away') this.#end = 'cut';
    this.#response.destroy();
  }
}

class LogEvents implements Sink {
  readonly pump: Pump;
  readonly #session: Session;
  readonly #selection: Selection;
  readonly #query: SseQuery;
  readonly #stream: EventStream;
  readonly #cursor: Cursor;
  readonly #text = new TextCutter();
  /** Offset of the first byte of an incomplete character, by stream. */
  readonly #incomplete = new Map<OutputKind, number>();
  /** Position after the last processed entry. */
  #at: Position;
  /** Position in the id of the last event. */
  #lastSent: Position;

  constructor(session: Session, selection: Selection, query: SseQuery, stream: EventStream) {
    this.#session = session;
    this.#selection = selection;
    this.#query = query;
    this.#stream = stream;
    this.#at = query.at;
    this.#lastSent = query.at;
    this.#cursor = new Cursor(session.log, query.at);
    this.pump = new Pump(this.#cursor, this);
  }

  page(page: Page): SinkResult {
    let hasRoom = true;
    for (const entry of page.entries) {
      const { kind, bytes, offset, next: place } = entry;
      if (isOutput(kind)) {
        if (offset >= this.#selection.limit) return this.#finish(true);
        const behind = { ...this.#at, place, offset: offset + bytes.length };
        hasRoom = this.#output(kind, entry, behind) && hasRoom;
        this.#at = behind;
      } else {
        this.#at = { ...this.#at, place, offset };
        const event = this.#selection.toEvent(entry);
        // While a character is incomplete, a resume must repeat its first bytes, and this event with them.
        const behind = this.#incomplete.size === 0 ? this.#at : this.#lastSent;
        if (event !== undefined) hasRoom = this.#send(event.event, behind, event.data) && hasRoom;
        if (this.#selection.isLast(entry)) return this.#finish(true);
      }
    }
    return hasRoom ? 'more' : 'full';
  }

  gap({ from, to, reason, next }: Gap): SinkResult {
    const { limit } = this.#selection;
    // Bytes after a gap do not complete a character before the gap.
    this.#flush();
    this.#at = next;
    const hasRoom = from >= limit || this.#send('gap', next, { from, to: Math.min(to, limit), reason });
    if (next.offset >= limit) return this.#finish(true);
    return hasRoom ? 'more' : 'full';
  }

  caughtUp(): SinkResult {
    // Without a writer, and after all output was sent, no more can follow.
    const isOver = !this.#session.isHosted || this.#at.offset >= this.#selection.limit;
    return isOver || !this.#query.follow ? this.#finish(isOver) : 'more';
  }

  failed(error: unknown): void {
    this.#stream.fail(error, this.#cursor.position);
  }

  #output(kind: OutputKind, { bytes, offset }: Entry, behind: Position): boolean {
    if (this.#query.encoding === 'base64') {
      return this.#send('output', behind, { kind, offset, base64: Buffer.from(bytes).toString('base64') });
    }
    const { text, incomplete: incompleteBytes } = this.#text.cut(kind, bytes);
    if (incompleteBytes === 0) this.#incomplete.delete(kind);
    else if (!this.#incomplete.has(kind) || text !== '') this.#incomplete.set(kind, behind.offset - incompleteBytes);
    // An incomplete character is not part of the sent output: a resume repeats its bytes.
    const at =
      incompleteBytes === 0 ? behind : { ...behind, place: this.#at.place, offset: behind.offset - incompleteBytes };
    return text === '' || this.#send('output', at, { kind, offset, text });
  }

  #finish(isOver: boolean): SinkResult {
    // At the final end an incomplete character is invalid and is flushed. Otherwise a resume repeats its bytes.
    if (isOver) this.#flush();
    const behind = this.#incomplete.size === 0 ? this.#at : this.#lastSent;
    for (const { event, data } of this.#selection.ending()) this.#send(event, behind, data);
    this.#stream.finish();
    return 'done';
  }

  #flush(): void {
    for (const [kind, offset] of this.#incomplete) {
      this.#send('output', this.#at, { kind, offset, text: this.#text.flush(kind) });
    }
    this.#incomplete.clear();
  }

  #send(event: string, behind: Position, data: object): boolean {
    this.#lastSent = behind;
    return this.#stream.send(event, behind, data);
  }
}
