// A part of a log as server-sent events. `id:` is the position behind an event, so Last-Event-ID resumes exactly.

import type { ServerResponse } from 'node:http';
import { BinnacleError, formatPosition, isOutput, type OutputKind, type Position } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type Took } from '../../cursor/pump.ts';
import { TextCutter } from '../../cursor/text-decoder.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenResponse, SeenSessions } from '../../visibility/session-access.ts';
import type { Liveness, Watched } from './liveness.ts';
import { type Selection, wholeLog } from './selection.ts';

export interface SseQuery {
  readonly at: Position;
  /** `base64` is byte-exact; `text` puts U+FFFD for what is not UTF-8. */
  readonly encoding: 'text' | 'base64';
  /** False: ends at the head of now. */
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

/** Sends what is selected, and ends the stream. Resolves when the stream is closed, however it came to that. */
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

/** `complete`: all of it was sent. `left`: the viewer went, or takes nothing any more. `cut`: it was us. */
export type StreamEnd = 'complete' | 'left' | 'cut';

/** A response that events are written to. The only writer to it. */
export class EventStream implements Watched {
  readonly closed: Promise<StreamEnd>;
  readonly #response: ServerResponse;
  #isOpen = true;
  #end: StreamEnd = 'left';
  #resume = (): void => undefined;
  /** Nothing comes back on plain HTTP; TCP's keep-alive finds the dead. */
  readonly heardAt = undefined;
  fullSince: number | undefined;

  /** `headers`: besides those that every event stream has. */
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
      // Gone while the request was looked at: it will not be closed once more.
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

  /** `resume` is called when there is room again. */
  onRoom(resume: () => void): void {
    this.#resume = resume;
  }

  /** False: there is no room for more. JSON holds no raw line break, so no program can end an event or forge one. */
  send(event: string, behind: Position, data: object): boolean {
    return this.write(`id: ${formatPosition(behind)}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** An event of its own, which nothing resumes behind. False: there is no room for more. */
  message(data: object): boolean {
    return this.write(`event: message\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Events as they are written elsewhere, whole or in parts. False: there is no room for more. */
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

  /** A comment: keeps proxies from cutting a quiet stream. */
  ping(): void {
    if (this.fullSince === undefined && !this.#response.writableEnded) this.#response.write(': still here\n\n');
  }

  cut(code: Parameters<Watched['cut']>[0]): void {
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
  /** Where the bytes begin that wait for the rest of their character. */
  readonly #held = new Map<OutputKind, number>();
  /** Behind what was looked at. */
  #at: Position;
  /** The id of the last event. */
  #told: Position;

  constructor(session: Session, selection: Selection, query: SseQuery, stream: EventStream) {
    this.#session = session;
    this.#selection = selection;
    this.#query = query;
    this.#stream = stream;
    this.#at = query.at;
    this.#told = query.at;
    this.#cursor = new Cursor(session.log, query.at);
    this.pump = new Pump(this.#cursor, this);
  }

  page(page: Page): Took {
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
        const told = this.#selection.tell(entry);
        // While a character is not complete, its first bytes must come again after a resume, and this with them.
        const behind = this.#held.size === 0 ? this.#at : this.#told;
        if (told !== undefined) hasRoom = this.#send(told.event, behind, told.data) && hasRoom;
        if (this.#selection.isLast(entry)) return this.#finish(true);
      }
    }
    return hasRoom ? 'more' : 'full';
  }

  gap({ from, to, reason, next }: Gap): Took {
    const { limit } = this.#selection;
    // What stands behind a gap does not complete a character that stands before it.
    this.#flush();
    this.#at = next;
    const hasRoom = from >= limit || this.#send('gap', next, { from, to: Math.min(to, limit), reason });
    if (next.offset >= limit) return this.#finish(true);
    return hasRoom ? 'more' : 'full';
  }

  caughtUp(): Took {
    // With nobody to write it, and with all of it handed out, there is no more to come.
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
    const { text, held } = this.#text.cut(kind, bytes);
    if (held === 0) this.#held.delete(kind);
    else if (!this.#held.has(kind) || text !== '') this.#held.set(kind, behind.offset - held);
    // A character that is not complete yet is not part of what was sent: its bytes come again after a resume.
    const at = held === 0 ? behind : { ...behind, place: this.#at.place, offset: behind.offset - held };
    return text === '' || this.#send('output', at, { kind, offset, text });
  }

  #finish(isOver: boolean): Took {
    // What waits at the very end is no character. Else its bytes come again, with the rest of it.
    if (isOver) this.#flush();
    const behind = this.#held.size === 0 ? this.#at : this.#told;
    for (const { event, data } of this.#selection.ending()) this.#send(event, behind, data);
    this.#stream.finish();
    return 'done';
  }

  #flush(): void {
    for (const [kind, offset] of this.#held) {
      this.#send('output', this.#at, { kind, offset, text: this.#text.flush(kind) });
    }
    this.#held.clear();
  }

  #send(event: string, behind: Position, data: object): boolean {
    this.#told = behind;
    return this.#stream.send(event, behind, data);
  }
}
