// The states of all conversations that one may see, as an async iterable: a list, then changes; with `runs`, their events.

import {
  type BinnacleError,
  CODES,
  type ConversationEvent,
  type ConversationInfo,
  type ServerFrame,
} from '@binnacle/protocol';
import type { Connection, Participant } from './connection.ts';
import { eventCost } from './conversation-feed.ts';
import { known } from './conversation-tries.ts';
import { Outlet } from './outlet.ts';
import { backoffDelay } from './reconnect.ts';

export interface WatchConversationsOptions {
  /** Follow the runs that the same user starts, on whatever connection, and those that no user started. Default false. */
  readonly runs?: boolean;
  /** Milliseconds between two deltas of a run. Default: the gateway's, 50. */
  readonly deltaIntervalMs?: number;
}

export type ConversationChange =
  /** All there are. Replaces what was known; the first change, and again after each reconnect. */
  | { readonly type: 'list'; readonly conversations: readonly ConversationInfo[] }
  | { readonly type: 'conversation'; readonly info: ConversationInfo }
  | { readonly type: 'deleted'; readonly conversation: string }
  /** With `runs`. After a reconnect those in between are not told: `subscribe` misses none. */
  | {
      readonly type: 'events';
      readonly conversation: string;
      readonly position: string;
      readonly events: readonly ConversationEvent[];
    }
  /** With `runs`: events of it were let go because nobody took them in time. `subscribe` has them. */
  | { readonly type: 'missed'; readonly conversation: string };

/** Who watches on one connection: the server knows one watch for it. */
export type ConversationWatchers = Map<object, WatchConversationsOptions>;

export class ConversationWatch implements AsyncIterableIterator<ConversationChange, undefined, undefined> {
  private readonly connection: Connection;
  private readonly list: () => Promise<ConversationInfo[]>;
  private readonly options: WatchConversationsOptions;
  private readonly watchers: ConversationWatchers;
  private readonly participant: Participant;
  private readonly unlisten: () => void;
  private readonly outlet: Outlet<ConversationChange>;
  /** By what makes another one old: a consumer that is slow gets the latest of each conversation. */
  private readonly changes: Map<unknown, ConversationChange>;
  /** Of events that wait. */
  private buffered: number;
  private listed: readonly ConversationInfo[] | null;
  /** Changes wait while a list is on its way: they are newer than it, or say the same. */
  private isListing: boolean;
  private round: number;
  private failures: number;
  private retry: ReturnType<typeof setTimeout> | null;
  private isOver: boolean;

  constructor(
    connection: Connection,
    list: () => Promise<ConversationInfo[]>,
    options: WatchConversationsOptions,
    watchers: ConversationWatchers,
  ) {
    this.connection = connection;
    this.list = list;
    this.options = options;
    this.watchers = watchers;
    this.outlet = new Outlet(() => this.take());
    this.changes = new Map();
    this.buffered = 0;
    this.listed = null;
    this.isListing = true;
    this.round = 0;
    this.failures = 0;
    this.retry = null;
    this.isOver = false;
    this.participant = {
      opened: () => this.begin(),
      lost: () => this.forget(),
      stopped: (error) => this.finish(error.code === 'client_closed' ? null : error),
    };
    this.unlisten = connection.listen((frame) => this.onFrame(frame));
    watchers.set(this, options);
    connection.join(this.participant);
  }

  next(): Promise<IteratorResult<ConversationChange, undefined>> {
    return this.outlet.next();
  }

  return(): Promise<IteratorResult<ConversationChange, undefined>> {
    this.stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the iteration. */
  stop(): void {
    if (this.isOver) return;
    this.changes.clear();
    this.listed = null;
    this.finish(null);
  }

  private begin(): void {
    this.forget();
    const { round } = this;
    this.ask((error) => {
      if (this.round !== round || this.isOver) return;
      if (error !== undefined) this.finish(error);
      else this.fetchList(round);
    });
  }

  /** For all who watch on this connection: with the events that one of them wants, as often as one of them wants them. */
  private ask(answered: (error?: BinnacleError) => void): void {
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

  private fetchList(round: number): void {
    this.list().then(
      (conversations) => {
        if (this.round !== round || this.isOver) return;
        this.listed = conversations;
        this.isListing = false;
        this.failures = 0;
        this.outlet.deliver();
      },
      (cause: unknown) => {
        if (this.round !== round || this.isOver) return;
        const error = known(cause);
        if (!CODES[error.code].retry) {
          this.finish(error);
          return;
        }
        const { random, backoff } = this.connection.settings;
        const delayMs = backoffDelay(this.failures, random(), backoff);
        this.failures += 1;
        this.retry = setTimeout(() => this.fetchList(round), delayMs);
      },
    );
  }

  /** The next list makes what waits here old. */
  private forget(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    this.round += 1;
    this.isListing = true;
    this.changes.clear();
    this.buffered = 0;
  }

  private onFrame(frame: ServerFrame): void {
    if (this.isOver) return;
    switch (frame.t) {
      case 'conversation':
        this.put(`info ${frame.info.key}`, { type: 'conversation', info: frame.info });
        return;
      case 'conversation_deleted':
        this.put(`info ${frame.conversation}`, { type: 'deleted', conversation: frame.conversation });
        return;
      case 'events': {
        if (this.options.runs !== true) return;
        const { conversation, position, events } = frame;
        if (this.buffered > this.connection.settings.bufferBytes) {
          this.put(`missed ${conversation}`, { type: 'missed', conversation });
          return;
        }
        const change = { type: 'events' as const, conversation, position, events };
        this.buffered += costOf(change);
        this.put(change, change);
        return;
      }
      default:
        return;
    }
  }

  private put(key: unknown, change: ConversationChange): void {
    // Deleted first, so that the map's order is the order of the latest changes.
    this.changes.delete(key);
    this.changes.set(key, change);
    this.outlet.deliver();
  }

  private take(): ConversationChange | undefined {
    if (this.isListing) return undefined;
    if (this.listed !== null) {
      const conversations = this.listed;
      this.listed = null;
      return { type: 'list', conversations };
    }
    const [first] = this.changes;
    if (first === undefined) return undefined;
    const [key, change] = first;
    this.changes.delete(key);
    if (change.type === 'events') this.buffered -= costOf(change);
    return change;
  }

  private finish(error: BinnacleError | null): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.retry !== null) clearTimeout(this.retry);
    this.unlisten();
    this.watchers.delete(this);
    if (this.connection.isOpen) this.ask(() => {});
    this.connection.leave(this.participant);
    this.outlet.end(error);
  }
}

const costOf = (change: { readonly events: readonly ConversationEvent[] }): number =>
  change.events.reduce((sum, event) => sum + eventCost(event), 0);
