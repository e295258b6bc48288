// One cursor into a run, as an async iterable: what the server-sent events of a run mean. feed/ resumes exactly, checks
// that nothing is missing or doubled, and bounds the buffer. No WebSocket is needed.

import type { OutputKind, RunInfo } from '@binnacle/protocol';
import { EventStream, type EventStreamCodec } from '../feed/event-stream.ts';
import { FeedIterator, ITEM_BYTES } from '../feed/resumable-feed.ts';
import { fromBase64 } from '../transport/base64.ts';
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
export interface RunStreamParts
  extends Pick<EventStreamCodec<RunStreamEvent>, 'about' | 'request' | 'mayRetry' | 'closed'> {
  readonly operations: Operations;
  readonly bufferBytes: number;
  /** Called with each event before it is handed out. */
  onEvent(event: RunStreamEvent): void;
}

/**
 * Cursor into the output of a run, from a loop over `Run`. It resumes at the exact byte after cut connections and
 * restarts of the gateway. Throws what ends it early: `session_gone`, `wrong_epoch`, `run_not_found`. Leaving the loop
 * closes the connection; the run goes on unless `onDisconnect` is `cancel`.
 */
export class RunStream extends FeedIterator<RunStreamEvent> {
  readonly #stream: EventStream<RunStreamEvent>;

  constructor(parts: RunStreamParts) {
    const stream = new EventStream(parts.operations, runCodec(parts), parts.bufferBytes);
    super(stream.feed);
    this.#stream = stream;
  }

  /** Position behind the last event that was handed out: `Runs.resume` goes on there. Null before the first event. */
  get position(): string | null {
    return this.#stream.feed.position;
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
function runCodec({ about, request, mayRetry, closed, onEvent }: RunStreamParts): EventStreamCodec<RunStreamEvent> {
  /** State of the run that was handed out last. */
  let state: RunInfo['state'] | null = null;
  /** Before the run begins, other runs go on writing. */
  let isQueued = false;
  return {
    about,
    isEventLog: false,
    request,
    mayRetry,
    closed,
    onItem: (event) => {
      if (event.type === 'run' || event.type === 'end') state = event.run.state;
      onEvent(event);
    },
    read: ({ event, id: position, body, after }) => {
      const wasQueued = isQueued;
      switch (event) {
        case 'run':
        case 'end': {
          const run = event === 'end' ? (body as { run: RunInfo }).run : (body as RunInfo);
          isQueued = run.state === 'queued';
          const from = wasQueued ? undefined : after.offset;
          // Every connection begins by saying how it stands; that it has ended comes behind its output.
          const isKnown = state !== null && (run.state === state || run.state === 'ended');
          if (event === 'run' && isKnown) return { kind: 'state', from, after, cost: 0 };
          const item = { type: event, run, position };
          return { kind: 'state', from, after, item, cost: ITEM_BYTES, isLast: event === 'end' };
        }
        case 'output': {
          const { kind, offset, base64 } = body as { kind: OutputKind; offset: number; base64: string };
          const bytes = fromBase64(base64);
          if (after.offset !== offset + bytes.length) return offset;
          isQueued = false;
          const item = { type: 'output', kind, offset, bytes, position } as const;
          return { kind: 'output', from: wasQueued ? undefined : offset, after, item, cost: ITEM_BYTES + bytes.length };
        }
        case 'gap': {
          const { from, to, reason } = body as { from: number; to: number; reason: 'retention' | 'damaged' };
          isQueued = false;
          const item = { type: 'gap', from, to, reason, position } as const;
          return { kind: 'gap', from: wasQueued ? undefined : from, after, item, cost: ITEM_BYTES };
        }
        case 'reset': {
          const item = { type: 'reset', ...(body as { exitCode: number | null }), position } as const;
          return { kind: 'state', after, item, cost: ITEM_BYTES };
        }
        default:
          return undefined;
      }
    },
  };
}
