// Events of a command or run in the sandbox daemon's format, read from the session's log. Valid server-sent events:
// `data:` is the daemon's JSON, `id:` is the gateway's position after the event, so a client can continue from there on
// the gateway's own routes.

import type { ServerResponse } from 'node:http';
import { BinnacleError, formatPosition, isOutput, type OutputKind, type Position } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import { TextCutter } from '../../cursor/text-decoder.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session, SessionListener } from '../../sessions/session.ts';
import type { SeenResponse } from '../../visibility/session-access.ts';
import type { LiveConnection, Liveness } from '../stream/liveness.ts';

/** Ping interval of the original daemon. Some clients treat a longer silence as a dead stream. */
const PING_MS = 3000;

/**
 * Ending of an execution. Clients parse an integer `evalue` as the exit code, so it is an integer only for an exit
 * code.
 */
export type ExecutionEnd =
  | { readonly type: 'complete'; readonly ms: number }
  | { readonly type: 'error'; readonly evalue: string; readonly why: string };

export interface Execution {
  readonly session: Session;
  /** Id for the status, logs and interrupt routes. */
  readonly id: string;
  readonly at: Position;
  /** Classifies an entry for this stream; called in log order. */
  sort(entry: Entry): 'output' | 'replay' | 'nothing' | ExecutionEnd;
  /** Returns the ending from the records beside the log when no more entries can come. */
  over(): ExecutionEnd | undefined;
  readonly listener?: (finish: (ending: ExecutionEnd) => void) => SessionListener;
}

type ServerEvent =
  | { readonly type: 'init' | 'ping' | 'stdout' | 'stderr'; readonly text: string }
  /** Output before the run; `offset` is the offset after `text`. An extension of this gateway. */
  | { readonly type: 'replay'; readonly text: string; readonly offset: number; readonly stream: 'stdout' | 'stderr' }
  /** Lost or damaged output. An extension of this gateway. */
  | { readonly type: 'gap'; readonly from: number; readonly to: number; readonly reason: string }
  | { readonly type: 'execution_complete'; readonly execution_time: number }
  | {
      readonly type: 'error';
      readonly error: { readonly ename: string; readonly evalue: string; readonly traceback: readonly string[] };
    };

const HEAD = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };

const frame = (event: ServerEvent, time: number, behind?: Position): string => {
  const id = behind === undefined ? '' : `id: ${formatPosition(behind)}\n`;
  return `${id}data: ${JSON.stringify({ ...event, timestamp: Math.round(time) })}\n\n`;
};

const lastEvent = (ending: ExecutionEnd): ServerEvent =>
  ending.type === 'complete'
    ? { type: 'execution_complete', execution_time: Math.max(0, Math.round(ending.ms)) }
    : { type: 'error', error: { ename: 'CommandExecError', evalue: ending.evalue, traceback: [ending.why] } };

/** Writes the stream of a background command, which is complete as soon as the command has started. */
export function writeStarted(response: ServerResponse, id: string, ms: number): void {
  const now = Date.now();
  response.writeHead(200, HEAD);
  response.end(frame({ type: 'init', text: id }, now) + frame(lastEvent({ type: 'complete', ms }), now));
}

/**
 * Writes the response. Resolves when it is complete or the client has disconnected; a disconnect ends only the stream.
 */
export function writeExecution(execution: Execution, response: SeenResponse, liveness: Liveness): Promise<void> {
  return new Promise((resolve) => {
    new ExecutionAnswer(execution, response, liveness, resolve).start();
  });
}

class ExecutionAnswer implements Sink, LiveConnection {
  readonly #execution: Execution;
  readonly #response: ServerResponse;
  readonly #pump: Pump;
  readonly #text = new TextCutter();
  /** Kinds of output whose last character is incomplete. */
  readonly #incomplete = new Set<OutputKind>();
  /** Position in the id of the last event. */
  #lastSent: Position;
  readonly #release: (() => void)[];
  readonly #pinging: NodeJS.Timeout;
  readonly #resolve: () => void;
  #isOver = false;
  readonly heardAt = undefined;
  fullSince: number | undefined;

  constructor(execution: Execution, response: ServerResponse, liveness: Liveness, resolve: () => void) {
    this.#execution = execution;
    this.#response = response;
    this.#resolve = resolve;
    this.#lastSent = execution.at;
    const { session, at } = execution;
    this.#pump = new Pump(new Cursor(session.log, at), this);
    const finish = (ending: ExecutionEnd) => this.#finish(ending);
    this.#release = [
      liveness.watch(this),
      session.listen({
        ...execution.listener?.(finish),
        deleted: () => finish({ type: 'error', evalue: 'deleted', why: 'The session was deleted.' }),
      }),
    ];
    this.#pinging = setInterval(() => this.#sendPing(), PING_MS);
    response.on('drain', () => {
      this.fullSince = undefined;
      this.#pump.resume();
    });
    response.on('close', () => this.#stop());
  }

  start(): void {
    // The client disconnected before the response began; `close` will not fire again.
    if (this.#response.destroyed) {
      this.#stop();
      return;
    }
    this.#response.writeHead(200, HEAD);
    this.#write({ type: 'init', text: this.#execution.id }, Date.now());
    this.#pump.start();
  }

  page(page: Page): SinkResult {
    const { epoch } = page.from;
    let hasRoom = true;
    /** Place of the current entry. */
    let begin = page.from.place;
    for (const entry of page.entries) {
      const sorted = this.#execution.sort(entry);
      if (typeof sorted === 'object') return this.#finish(sorted, entry.time);
      if (isOutput(entry.kind) && sorted !== 'nothing') {
        const { kind, bytes, offset, next, time } = entry;
        const { text, incomplete: incompleteBytes } = this.#text.cut(kind, bytes);
        if (incompleteBytes === 0) this.#incomplete.delete(kind);
        else this.#incomplete.add(kind);
        // An incomplete character is not part of the sent output: reading from this position repeats its bytes.
        const end = offset + bytes.length - incompleteBytes;
        if (text !== '') this.#lastSent = { epoch, place: incompleteBytes === 0 ? next : begin, offset: end };
        const stream = kind === 'stderr' ? 'stderr' : 'stdout';
        if (text !== '') {
          hasRoom = this.#write(
            sorted === 'replay' ? { type: 'replay', offset: end, text, stream } : { type: stream, text },
            time,
          );
        }
      }
      begin = entry.next;
    }
    if (hasRoom) return 'more';
    this.fullSince ??= performance.now();
    return 'full';
  }

  gap({ from, to, reason, next }: Gap): SinkResult {
    // The rest of the character is lost in the gap.
    this.#flush(Date.now());
    this.#lastSent = next;
    return this.#write({ type: 'gap', from, to, reason }, Date.now()) ? 'more' : 'full';
  }

  caughtUp(): SinkResult {
    const ending = this.#execution.session.isHosted ? undefined : this.#execution.over();
    return ending === undefined ? 'more' : this.#finish(ending);
  }

  failed(error: unknown): void {
    const known = BinnacleError.of(error);
    this.#finish({ type: 'error', evalue: known.code, why: known.message });
  }

  /** No-op: the daemon's own ping comes more often. */
  ping(): void {}

  cut(): void {
    this.#response.destroy();
  }

  #sendPing(): void {
    // Skipped for a stalled client: the ping would only be buffered in memory.
    if (this.fullSince === undefined) this.#response.write(frame({ type: 'ping', text: 'pong' }, Date.now()));
  }

  #finish(ending: ExecutionEnd, time = Date.now()): SinkResult {
    if (this.#isOver) return 'done';
    this.#flush(time);
    this.#write(lastEvent(ending), time);
    this.#response.end();
    this.#stop();
    return 'done';
  }

  /** Flushes incomplete characters, which nothing will complete. */
  #flush(time: number): void {
    for (const kind of this.#incomplete) {
      this.#write({ type: kind === 'stderr' ? 'stderr' : 'stdout', text: this.#text.flush(kind) }, time);
    }
    this.#incomplete.clear();
  }

  /** Writes an event. JSON contains no raw line break, so no program can end or forge an event. */
  #write(event: ServerEvent, time: number): boolean {
    return this.#isOver || this.#response.write(frame(event, time, this.#lastSent));
  }

  #stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#pinging);
    this.#pump.stop();
    for (const release of this.#release) release();
    this.#resolve();
  }
}
