// The events of a conversation over HTTP, from a position on: one cursor for each reader, which a slow reader slows down.

import { CODES, type ConversationEvent, parsePosition } from '@binnacle/protocol';
import { EventStream, type EventStreamCodec } from '../feed/event-stream.ts';
import { FeedIterator, ITEM_BYTES } from '../feed/resumable-feed.ts';
import type { Operations } from '../transport/operation.ts';

/** Options for reading events. */
export interface StreamOptions {
  /** Milliseconds between two deltas, 0 to 10,000. Default: the gateway's, 50. */
  readonly deltaIntervalMs?: number;
}

export type StreamStep =
  | { readonly type: 'events'; readonly position: string; readonly events: readonly ConversationEvent[] }
  | { readonly type: 'gap'; readonly position: string; readonly reason: 'retention' | 'damaged' };

/**
 * Follows the log without end, through lost connections: nothing is repeated and nothing is left out. Reads no further
 * than its consumer, so that the gateway keeps what waits. Throws errors that a repetition would not mend; ends with
 * `signal`.
 */
export function eventStream(
  operations: Operations,
  key: string,
  from: string,
  { deltaIntervalMs }: StreamOptions,
  signal: AbortSignal,
): FeedIterator<StreamStep> {
  const codec: EventStreamCodec<StreamStep> = {
    about: { conversation: key },
    isEventLog: true,
    request: (position) => ({
      path: `${conversationPath(key)}/events`,
      query: { position: position ?? from, follow: 1, deltaIntervalMs },
      headers: { Accept: 'text/event-stream' },
    }),
    mayRetry: ({ code }) => CODES[code].retry,
    read: ({ event, id: position, body, after }) => {
      if (event !== 'events' && event !== 'gap') return undefined;
      const item = { ...(body as object), type: event, position } as StreamStep;
      return { kind: 'entry', after, item, cost: ITEM_BYTES };
    },
    closed: () => signal.removeEventListener('abort', stop),
  };
  const { feed } = new EventStream(operations, codec, 0, parsePosition(from));
  const stop = () => feed.stop();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  return new FeedIterator(feed);
}

export const conversationPath = (key: string): string => `/v1/conversations/${encodeURIComponent(key)}`;
