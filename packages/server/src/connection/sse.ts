// Output and events as server-sent events. `id:` is the position behind an event, so Last-Event-ID resumes exactly.

import type { ServerResponse } from 'node:http';
import { BinnacleError, formatPosition, isOutput, type OutputKind, type Position } from '@binnacle/protocol';
import { Cursor } from '../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type Took } from '../cursor/pump.ts';
import type { Page } from '../log/log.ts';
import type { Session } from '../session.ts';
import type { Liveness, Watched } from './liveness.ts';
import { TextCutter } from './text.ts';

export interface SseQuery {
  readonly at: Position;
  /** `base64` is byte-exact; `text` puts U+FFFD for what is not UTF-8. */
  readonly encoding: 'text' | 'base64';
  /** False: ends at the head of now. */
  readonly follow: boolean;
}

export function writeEvents(
  session: Session,
  query: SseQuery,
  response: ServerResponse,
  liveness: Liveness,
): Promise<void> {
  return new Promise((resolve) => {
    new EventAnswer(session, query, response, liveness, resolve).start();
  });
}

class EventAnswer implements Sink, Watched {
  readonly #session: Session;
  readonly #query: SseQuery;
  readonly #response: ServerResponse;
  readonly #cursor: Cursor;
  readonly #pump: Pump;
  readonly #text = new TextCutter();
  /** Where the bytes begin that wait for the rest of their character. */
  readonly #held = new Map<OutputKind, number>();
  /** The id of the last event. */
  #told: Position;
  readonly #unwatch: () => void;
  readonly #resolve: () => void;
  readonly heardAt = undefined;
  fullSince: number | undefined;

  constructor(session: Session, query: SseQuery, response: ServerResponse, liveness: Liveness, resolve: () => void) {
    this.#session = session;
    this.#query = query;
    this.#response = response;
    this.#resolve = resolve;
    this.#told = query.at;
    this.#cursor = new Cursor(session.log, query.at);
    this.#pump = new Pump(this.#cursor, this);
    this.#unwatch = liveness.watch(this);
    response.on('drain', () => {
      this.fullSince = undefined;
      this.#pump.resume();
    });
    response.on('close', () => this.#end());
  }

  start(): void {
    this.#response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    const { id, info } = this.#session;
    this.#write('connected', this.#query.at, { session: id, position: formatPosition(this.#query.at), info });
    this.#pump.start();
  }

  page(page: Page): Took {
    const { epoch } = page.from;
    let hasRoom = true;
    let isLast = false;
    /** Place of the entry that is looked at. */
    let begin = page.from.place;
    for (const { kind, bytes, offset, next: place, time } of page.entries) {
      const behind: Position = { epoch, place, offset: isOutput(kind) ? offset + bytes.length : offset };
      if (!isOutput(kind)) {
        isLast ||= kind === 'closed';
        // While a character is not complete, its first bytes must come again after a resume, and this with them.
        const at = this.#held.size === 0 ? behind : this.#told;
        hasRoom = this.#write(kind, at, { time, offset, ...(JSON.parse(Buffer.from(bytes).toString()) as object) });
      } else if (this.#query.encoding === 'base64') {
        hasRoom = this.#write('output', behind, { kind, offset, base64: Buffer.from(bytes).toString('base64') });
      } else {
        const { text, held } = this.#text.cut(kind, bytes);
        if (held === 0) this.#held.delete(kind);
        else if (!this.#held.has(kind) || text !== '') this.#held.set(kind, behind.offset - held);
        // A character that is not complete yet is not part of what was sent: its bytes come again after a resume.
        const at = held === 0 ? behind : { epoch, place: begin, offset: behind.offset - held };
        if (text !== '') hasRoom = this.#write('output', at, { kind, offset, text });
      }
      begin = place;
    }
    if (isLast) return this.#finish();
    if (hasRoom) return 'more';
    this.fullSince ??= performance.now();
    return 'full';
  }

  gap({ from, to, reason, next }: Gap): Took {
    return this.#write('gap', next, { from, to, reason }) ? 'more' : 'full';
  }

  caughtUp(): Took {
    return this.#session.isHosted && this.#query.follow ? 'more' : this.#finish();
  }

  failed(error: unknown): void {
    const known = error instanceof BinnacleError ? error : new BinnacleError('internal', { cause: error });
    this.#write('error', this.#cursor.position, known.toWire());
    this.#response.end();
    this.#end();
  }

  /** A comment: keeps proxies from cutting a quiet stream. */
  ping(): void {
    if (this.fullSince === undefined) this.#response.write(': still here\n\n');
  }

  cut(): void {
    this.#response.destroy();
  }

  #finish(): Took {
    const at = this.#cursor.position;
    // Of a session that is over, what waits is no character. Else its bytes come again, with the rest of it.
    if (!this.#session.isHosted) {
      for (const [kind, offset] of this.#held)
        this.#write('output', at, { kind, offset, text: this.#text.flush(kind) });
      this.#held.clear();
    }
    this.#write('end', this.#held.size === 0 ? at : this.#told, { info: this.#session.info });
    this.#response.end();
    this.#end();
    return 'done';
  }

  /** JSON holds no raw line break, so nothing that a program writes can end an event or forge one. */
  #write(event: string, behind: Position, data: object): boolean {
    this.#told = behind;
    return this.#response.write(`id: ${formatPosition(behind)}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #end(): void {
    this.#unwatch();
    this.#pump.stop();
    this.#resolve();
  }
}
