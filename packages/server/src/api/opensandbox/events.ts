// Events of a command or run in the sandbox daemon's format, read from the session's log. Valid server-sent events:
// `data:` is the daemon's JSON, `id:` is the gateway's position after the event, so a client can continue from there on
// the gateway's own routes.

import type { ServerResponse } from 'node:http';
import { BinnacleError, formatPosition, isOutput, type OutputKind, type Position } from '@binnacle/protocol';
import type { Gap } from '../../cursor/pump.ts';
import { TextCutter } from '../../cursor/text-decoder.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session, SessionListener } from '../../sessions/session.ts';
import type { SeenResponse } from '../../visibility/session-access.ts';
import { eventHeaders, SSE } from '../stream/event-stream.ts';
import type { Liveness } from '../stream/liveness.ts';
import { type Codec, LogStream } from '../stream/log-stream.ts';
import { ResponseBody } from '../stream/response-body.ts';

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

const frame = (event: ServerEvent, time: number, behind?: Position): string => {
  const id = behind === undefined ? '' : `id: ${formatPosition(behind)}\n`;
  return `${id}data: ${JSON.stringify({ ...event, timestamp: Math.round(time) })}\n\n`;
};

const lastEvent = (ending: ExecutionEnd): ServerEvent =>
  ending.type === 'complete'
    ? { type: 'execution_complete', execution_time: Math.max(0, Math.round(ending.ms)) }
    : { type: 'error', error: { ename: 'CommandExecError', evalue: ending.evalue, traceback: [ending.why] } };

/** Writes the stream of a background command, which is complete as soon as the command has started. */
export function writeStarted(response: ServerResponse, liveness: Liveness, id: string, ms: number): void {
  const now = Date.now();
  const body = new ResponseBody(response, liveness, { head: () => eventHeaders(SSE) });
  body.write(frame({ type: 'init', text: id }, now) + frame(lastEvent({ type: 'complete', ms }), now));
  body.finish();
}

/**
 * Writes the response. Resolves when it is complete or the client has disconnected; a disconnect ends only the stream.
 */
export async function writeExecution(execution: Execution, response: SeenResponse, liveness: Liveness): Promise<void> {
  const { session, at } = execution;
  // No ping of `Liveness`: the daemon's own comes more often.
  const body = new ResponseBody(response, liveness, { head: () => eventHeaders(SSE) });
  const codec = new ExecutionCodec(execution);
  const stream = new LogStream({
    ...{ log: session.log, at, codec, wire: body },
    over: (error) => {
      if (error !== undefined) {
        const known = BinnacleError.of(error);
        codec.endWith({ type: 'error', evalue: known.code, why: known.message }, Date.now());
        for (const event of codec.ending()) body.write(event);
      }
      body.finish();
    },
  });
  const finish = (ending: ExecutionEnd): void => {
    codec.endWith(ending, Date.now());
    stream.finish();
  };
  body.write(frame({ type: 'init', text: execution.id }, Date.now(), at));
  const unlisten = session.listen({
    ...execution.listener?.(finish),
    deleted: () => finish({ type: 'error', evalue: 'deleted', why: 'The session was deleted.' }),
  });
  const pinging = setInterval(() => {
    // Skipped for a stalled client: the ping would only be buffered in memory.
    if (!body.isFull) body.write(frame({ type: 'ping', text: 'pong' }, Date.now()));
  }, PING_MS);
  await body.send(stream);
  clearInterval(pinging);
  unlisten();
}

class ExecutionCodec implements Codec {
  readonly #execution: Execution;
  readonly #text = new TextCutter();
  /** Kinds of output whose last character is incomplete. */
  readonly #incomplete = new Set<OutputKind>();
  /** Position in the id of the last event. */
  #lastSent: Position;
  #end: { readonly how: ExecutionEnd; readonly time: number } | undefined;

  constructor(execution: Execution) {
    this.#execution = execution;
    this.#lastSent = execution.at;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Sets the ending. The first call counts. */
  endWith(how: ExecutionEnd, time: number): void {
    this.#end ??= { how, time };
  }

  *page(page: Page): Generator<string> {
    const { epoch } = page.from;
    /** Place of the current entry. */
    let begin = page.from.place;
    for (const entry of page.entries) {
      const sorted = this.#execution.sort(entry);
      if (typeof sorted === 'object') {
        this.endWith(sorted, entry.time);
        return;
      }
      if (isOutput(entry.kind) && sorted !== 'nothing') {
        const { kind, bytes, offset, next, time } = entry;
        const { text, incomplete } = this.#text.cut(kind, bytes);
        if (incomplete === 0) this.#incomplete.delete(kind);
        else this.#incomplete.add(kind);
        if (text !== '') {
          // An incomplete character is not part of the sent output: reading from this position repeats its bytes.
          const end = offset + bytes.length - incomplete;
          this.#lastSent = { epoch, place: incomplete === 0 ? next : begin, offset: end };
          const stream = kind === 'stderr' ? 'stderr' : 'stdout';
          yield this.#event(
            sorted === 'replay' ? { type: 'replay', offset: end, text, stream } : { type: stream, text },
            time,
          );
        }
      }
      begin = entry.next;
    }
  }

  *gap({ from, to, reason, next }: Gap): Generator<string> {
    // The rest of the character is lost in the gap.
    yield* this.#flush(Date.now());
    this.#lastSent = next;
    yield this.#event({ type: 'gap', from, to, reason }, Date.now());
  }

  caughtUp(): readonly [] {
    const ending = this.#execution.session.isHosted ? undefined : this.#execution.over();
    if (ending !== undefined) this.endWith(ending, Date.now());
    return [];
  }

  *ending(): Generator<string> {
    if (this.#end === undefined) return;
    const { how, time } = this.#end;
    yield* this.#flush(time);
    yield this.#event(lastEvent(how), time);
  }

  /** Flushes incomplete characters, which nothing will complete. */
  *#flush(time: number): Generator<string> {
    for (const kind of this.#incomplete) {
      yield this.#event({ type: kind === 'stderr' ? 'stderr' : 'stdout', text: this.#text.flush(kind) }, time);
    }
    this.#incomplete.clear();
  }

  /** Encodes an event. JSON contains no raw line break, so no program can end or forge an event. */
  #event(event: ServerEvent, time: number): string {
    return frame(event, time, this.#lastSent);
  }
}
