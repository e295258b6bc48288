// The states of all conversations that the user may see, as an async iterable: a list, then changes; with `runs`, also
// their events.

import type { ConversationEvent, ConversationInfo } from '@binnacle/protocol';
import { Topic } from '../feed/topic.ts';
import type { Connection } from '../transport/connection.ts';
import { eventCost } from './feed.ts';

/** Options of `Conversations.watch`. */
export interface WatchConversationsOptions {
  /** Follows the runs that the same user starts on any connection, and those that no user started. Default false. */
  readonly runs?: boolean;
  /** Milliseconds between two deltas of a run. Default: the gateway's, 50. */
  readonly deltaIntervalMs?: number;
}

/**
 * A step of a watch. `list` replaces everything and comes first, and again after each reconnect. With `runs`, `events`
 * carries events, and `missed` says that some were dropped because nobody took them in time: `Conversation.subscribe`
 * has them.
 */
export type ConversationChange =
  /** All there are. Replaces what was known; the first change, and again after each reconnect. */
  | { readonly type: 'list'; readonly conversations: readonly ConversationInfo[] }
  | { readonly type: 'conversation'; readonly info: ConversationInfo }
  | { readonly type: 'deleted'; readonly conversation: string }
  /** With `runs`. Events during a lost connection are missing: `subscribe` misses none. */
  | {
      readonly type: 'events';
      readonly conversation: string;
      readonly position: string;
      readonly events: readonly ConversationEvent[];
    }
  /** With `runs`: events were dropped because the consumer was too slow. `subscribe` has them. */
  | { readonly type: 'missed'; readonly conversation: string };

/** Iterable of conversations, from `Conversations.watch`. */
export class ConversationWatch extends Topic<ConversationChange, WatchConversationsOptions> {
  /** `members`: the options of all watches on this connection. */
  constructor(
    connection: Connection,
    list: () => Promise<ConversationInfo[]>,
    options: WatchConversationsOptions,
    members: Set<WatchConversationsOptions>,
  ) {
    super(connection, {
      members,
      member: { ...options },
      // With the events that one of them wants, as often as one of them wants them.
      request: (ref) => {
        const all = [...members];
        const intervals = all.flatMap(({ deltaIntervalMs }) => deltaIntervalMs ?? []);
        const pacing = intervals.length === 0 ? {} : { deltaIntervalMs: Math.min(...intervals) };
        const runs = all.some((one) => one.runs === true) ? { runs: true } : {};
        return { t: 'watch_conversations', ref, on: all.length > 0, ...runs, ...pacing };
      },
      fetch: async () => ({ item: { type: 'list', conversations: await list() }, next: null }),
      change: (frame, buffered) => {
        switch (frame.t) {
          case 'conversation':
            return { key: `info ${frame.info.key}`, item: { type: 'conversation', info: frame.info } };
          case 'conversation_deleted':
            return {
              key: `info ${frame.conversation}`,
              item: { type: 'deleted', conversation: frame.conversation },
            };
          case 'events': {
            if (options.runs !== true) return undefined;
            const { conversation, position, events } = frame;
            if (buffered > connection.settings.bufferBytes)
              return { key: `missed ${conversation}`, item: { type: 'missed', conversation } };
            const cost = events.reduce((sum, event) => sum + eventCost(event), 0);
            return { key: frame, item: { type: 'events', conversation, position, events }, cost };
          }
          default:
            return undefined;
        }
      },
    });
  }
}
