// The states of all conversations that the user may see, as an async iterable: a list, then changes; with `runs`, also
// their events.

import type { BinnacleError, ConversationEvent, ConversationInfo, ServerFrame } from '@binnacle/protocol';
import { Listing, type ListingPage } from '../feed/listing.ts';
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

/** Watches of one connection: the gateway knows one watch per connection. */
export type ConversationWatchers = Map<object, WatchConversationsOptions>;

/** Iterable of conversations, from `Conversations.watch`. */
export class ConversationWatch extends Listing<ConversationChange, readonly ConversationInfo[]> {
  private readonly list: () => Promise<ConversationInfo[]>;
  private readonly options: WatchConversationsOptions;
  private readonly watchers: ConversationWatchers;
  /** By what makes another one old: a consumer that is slow gets the latest of each conversation. */
  private readonly changes: Map<unknown, ConversationChange>;
  /** Bytes of the buffered events. */
  private buffered: number;

  constructor(
    connection: Connection,
    list: () => Promise<ConversationInfo[]>,
    options: WatchConversationsOptions,
    watchers: ConversationWatchers,
  ) {
    super(connection);
    this.list = list;
    this.options = options;
    this.watchers = watchers;
    this.changes = new Map();
    this.buffered = 0;
    watchers.set(this, options);
    this.start();
  }

  /** For all who watch on this connection: with the events that one of them wants, as often as one of them wants them. */
  protected ask(answered: (error?: BinnacleError) => void): void {
    const all = [...this.watchers.values()];
    const on = all.length > 0;
    const intervals = all.flatMap(({ deltaIntervalMs }) => (deltaIntervalMs === undefined ? [] : [deltaIntervalMs]));
    const pacing = intervals.length === 0 ? {} : { deltaIntervalMs: Math.min(...intervals) };
    const runs = all.some((options) => options.runs === true) ? { runs: true } : {};
    this.connection.ask(
      (ref) => ({ t: 'watch_conversations', ref, on, ...runs, ...pacing }),
      (answer) => answered('error' in answer ? answer.error : undefined),
    );
  }

  protected left(): void {
    this.watchers.delete(this);
    if (this.connection.isOpen) this.ask(() => {});
  }

  protected fetch(): Promise<ConversationInfo[]> {
    return this.list();
  }

  protected toItem(conversations: readonly ConversationInfo[]): ListingPage<ConversationChange> {
    return { item: { type: 'list', conversations }, isLast: true };
  }

  protected heard(frame: ServerFrame): boolean {
    switch (frame.t) {
      case 'conversation':
        return this.put(`info ${frame.info.key}`, { type: 'conversation', info: frame.info });
      case 'conversation_deleted':
        return this.put(`info ${frame.conversation}`, { type: 'deleted', conversation: frame.conversation });
      case 'events': {
        if (this.options.runs !== true) return false;
        const { conversation, position, events } = frame;
        if (this.buffered > this.connection.settings.bufferBytes) {
          return this.put(`missed ${conversation}`, { type: 'missed', conversation });
        }
        const change = { type: 'events' as const, conversation, position, events };
        this.buffered += costOf(change);
        return this.put(change, change);
      }
      default:
        return false;
    }
  }

  protected news(): ConversationChange | undefined {
    const [first] = this.changes;
    if (first === undefined) return undefined;
    const [key, change] = first;
    this.changes.delete(key);
    if (change.type === 'events') this.buffered -= costOf(change);
    return change;
  }

  protected forgetNews(): void {
    this.changes.clear();
    this.buffered = 0;
  }

  private put(key: unknown, change: ConversationChange): true {
    // Deleted first, so that the map's order is the order of the latest changes.
    this.changes.delete(key);
    this.changes.set(key, change);
    return true;
  }
}

const costOf = (change: { readonly events: readonly ConversationEvent[] }): number =>
  change.events.reduce((sum, event) => sum + eventCost(event), 0);
