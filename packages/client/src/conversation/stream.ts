// The events of a conversation over HTTP, from a position on: one cursor for each reader, which a slow reader slows down.

import {
  BinnacleError,
  CODES,
  type ConversationEvent,
  comparePositions,
  parsePosition,
  type WireError,
} from '@binnacle/protocol';
import { EventReader, type ServerEvent } from '../transport/server-sent-events.ts';
import { type ConversationParts, conversationPath, pause } from './retry.ts';

/** Options for reading events. */
export interface StreamOptions {
  /** Milliseconds between two deltas, 0 to 10,000. Default: the gateway's, 50. */
  readonly deltaIntervalMs?: number;
}

export type StreamStep =
  | { readonly type: 'events'; readonly position: string; readonly events: readonly ConversationEvent[] }
  | { readonly type: 'gap'; readonly position: string; readonly reason: 'retention' | 'damaged' };

/** The gateway sends something every 15 s. Without three of them the connection is dead. */
const SILENCE_MS = 45_000;

/**
 * Follows the log without end, through lost connections: nothing is repeated and nothing is left out. Reads no further
 * than its consumer, so that the gateway keeps what waits. Throws errors that a repetition would not mend, and the
 * reason of `signal`.
 */
export async function* eventStream(
  parts: ConversationParts,
  key: string,
  from: string,
  options: StreamOptions,
  signal: AbortSignal,
): AsyncGenerator<StreamStep, never, undefined> {
  let position = from;
  for (let failures = 0; ; ) {
    const abort = new AbortController();
    const stop = () => abort.abort();
    signal.addEventListener('abort', stop);
    try {
      signal.throwIfAborted();
      const query = { position, follow: 1, deltaIntervalMs: options.deltaIntervalMs };
      const headers = { Accept: 'text/event-stream' };
      const response = await parts.http.open({ path: `${conversationPath(key)}/events`, query, headers }, abort);
      for await (const event of serverEvents(response, abort)) {
        failures = 0;
        const step = stepOf(event);
        if (step === undefined || !isBehind(step.position, position)) continue;
        position = step.position;
        yield step;
      }
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      const error = cause instanceof BinnacleError ? cause : new BinnacleError('connection_lost', { cause });
      if (!CODES[error.code].retry) throw error;
      parts.events.emit('error', error);
    } finally {
      signal.removeEventListener('abort', stop);
      // A consumer that left early needs no more of the stream.
      abort.abort();
    }
    await pause(parts, failures, signal);
    failures += 1;
  }
}

async function* serverEvents(response: Response, abort: AbortController): AsyncGenerator<ServerEvent, void, undefined> {
  const reader = response.body?.getReader();
  const events = new EventReader();
  while (reader !== undefined) {
    // Only while we read: a reader of ours that takes its time is no silence of the gateway.
    const silence = setTimeout(() => abort.abort(), SILENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    yield* events.push(value);
  }
}

function stepOf({ id, event, data }: ServerEvent): StreamStep | undefined {
  const body: unknown = JSON.parse(data);
  switch (event) {
    case 'error':
      throw BinnacleError.fromWire(body as WireError);
    case 'events':
      return { type: 'events', position: id, events: (body as { events: readonly ConversationEvent[] }).events };
    case 'gap':
      return { type: 'gap', position: id, reason: (body as { reason: 'retention' | 'damaged' }).reason };
    default:
      return undefined; // of a later version
  }
}

function isBehind(position: string, than: string): boolean {
  const [a, b] = [parsePosition(position), parsePosition(than)];
  if (a.epoch !== b.epoch) throw new BinnacleError('wrong_epoch', { details: { asked: b.epoch, got: a.epoch } });
  return comparePositions(a, b) > 0;
}
