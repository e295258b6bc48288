// One cursor into a run, as an async iterable: what the server-sent events of a run mean. feed/ resumes exactly, checks
// that nothing is missing or doubled, and bounds the buffer. No WebSocket is needed.

import type { BinnacleError, OutputKind, RunInfo } from '@binnacle/protocol';
import { EventStream, type EventStreamCodec, type LogEvent } from '../feed/event-stream.ts';
import { ITEM_BYTES, type Piece } from '../feed/resumable-feed.ts';
import { fromBase64 } from '../transport/base64.ts';
import type { HttpRequest } from '../transport/http.ts';
import type { Operations } from '../transport/operation.ts';

/** Everything that a run yields: first `run`, then its output, last `end`. */
export type RunStreamEvent =
  /** The run was accepted (`queued`) or has begun (`running`). The first event; not repeated after a reconnect. */
  | { readonly type: 'run'; readonly run: RunInfo; readonly position: string }
  | {
      readonly type: 'output';
      readonly kind: OutputKind;
      /** Output offset of the session at the first byte. */
      readonly offset: number;
      readonly bytes: Uint8Array;
      /** Position behind this event, to resume from. */
      readonly position: string;
    }
  /** Output bytes `from` up to `to` are gone. */
  | {
      readonly type: 'gap';
      readonly from: number;
      readonly to: number;
      readonly reason: 'retention' | 'damaged';
      readonly position: string;
    }
  /** The run ended the shell: the next run has a fresh one. */
  | { readonly type: 'reset'; readonly exitCode: number | null; readonly position: string }
  /** How it ended, behind its last byte. The last event. */
  | { readonly type: 'end'; readonly run: RunInfo; readonly position: string };

/** Parts that a stream takes from its run. */
export interface RunStreamParts {
  readonly operations: Operations;
  readonly about: { readonly session: string; readonly run: string };
  readonly bufferBytes: number;
  /** Returns the request for what follows `position`; null: for all of it. */
  request(position: string | null): HttpRequest;
  /** Returns whether the request may be repeated after this error. */
  mayRetry(error: BinnacleError): boolean;
  /** Called with each event before it is handed out. */
  onEvent(event: RunStreamEvent): void;
  /** Called at the end. `error`: the stream broke off. */
  closed(error: BinnacleError | null): void;
}

/**
 * Cursor into the output of a run, from a loop over `Run`. It resumes at the exact byte after cut connections and
 * restarts of the gateway.
 */
export class RunStream implements AsyncIterableIterator<RunStreamEvent, undefined, undefined> {
  readonly #stream: EventStream<RunStreamEvent>;

  constructor(parts: RunStreamParts) {
    this.#stream = new EventStream(parts.operations, new RunCodec(parts), parts.bufferBytes);
  }

  /** Position behind the last event that was handed out: `Runs.resume` goes on there. Null before the first event. */
  get position(): string | null {
    return this.#stream.feed.position;
  }

  /**
   * Resolves with the next event; `done` behind the end. Throws what ends it early: `session_gone`, `wrong_epoch`,
   * `run_not_found`.
   */
  next(): Promise<IteratorResult<RunStreamEvent, undefined>> {
    return this.#stream.feed.next();
  }

  /** Closes the connection. Leaving a `for await` early calls it. The run goes on unless `onDisconnect` is `cancel`. */
  return(): Promise<IteratorResult<RunStreamEvent, undefined>> {
    return this.#stream.feed.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Reconnects at once if the stream waits to. */
  wake(): void {
    this.#stream.wake();
  }

  /** Ends the iteration and drops what is buffered. */
  stop(): void {
    this.#stream.feed.stop();
  }
}

/** The requests and events of one run. */
class RunCodec implements EventStreamCodec<RunStreamEvent> {
  readonly about: RunStreamParts['about'];
  readonly isEventLog = false;
  readonly request: RunStreamParts['request'];
  readonly mayRetry: RunStreamParts['mayRetry'];
  readonly closed: RunStreamParts['closed'];
  readonly #onEvent: RunStreamParts['onEvent'];
  /** State of the run that was handed out last. */
  #state: RunInfo['state'] | null = null;
  /** Before the run begins, other runs go on writing. */
  #isQueued = false;

  constructor({ about, request, mayRetry, closed, onEvent }: RunStreamParts) {
    this.about = about;
    this.request = request;
    this.mayRetry = mayRetry;
    this.closed = closed;
    this.#onEvent = onEvent;
  }

  onItem(event: RunStreamEvent): void {
    if (event.type === 'run' || event.type === 'end') this.#state = event.run.state;
    this.#onEvent(event);
  }

  read({ event, id: position, body, after }: LogEvent): Piece<RunStreamEvent> | number | undefined {
    const isQueued = this.#isQueued;
    switch (event) {
      case 'run':
      case 'end': {
        const run = event === 'end' ? (body as { run: RunInfo }).run : (body as RunInfo);
        this.#isQueued = run.state === 'queued';
        const from = isQueued ? undefined : after.offset;
        // Every connection begins by saying how it stands; that it has ended comes behind its output.
        const isKnown = this.#state !== null && (run.state === this.#state || run.state === 'ended');
        if (event === 'run' && isKnown) return { kind: 'state', from, after, cost: 0 };
        const item = { type: event, run, position };
        return { kind: 'state', from, after, item, cost: ITEM_BYTES, isLast: event === 'end' };
      }
      case 'output': {
        const { kind, offset, base64 } = body as { kind: OutputKind; offset: number; base64: string };
        const bytes = fromBase64(base64);
        if (after.offset !== offset + bytes.length) return offset;
        this.#isQueued = false;
        const item = { type: 'output', kind, offset, bytes, position } as const;
        return { kind: 'output', from: isQueued ? undefined : offset, after, item, cost: ITEM_BYTES + bytes.length };
      }
      case 'gap': {
        const { from, to, reason } = body as { from: number; to: number; reason: 'retention' | 'damaged' };
        this.#isQueued = false;
        const item = { type: 'gap', from, to, reason, position } as const;
        return { kind: 'gap', from: isQueued ? undefined : from, after, item, cost: ITEM_BYTES };
      }
      case 'reset': {
        const item = { type: 'reset', ...(body as { exitCode: number | null }), position } as const;
        return { kind: 'state', after, item, cost: ITEM_BYTES };
      }
      default:
        return undefined;
    }
  }
}
