// Search and stored traffic for the rest of the gateway: follows every session except hidden ones, queries the index,
// and filters the answers by the access of the principal. Never opens the index itself.

import { setTimeout as setTimeoutAsync, setImmediate as yieldToEventLoop } from 'node:timers/promises';
import {
  BinnacleError,
  defined,
  type SearchHit,
  type SearchResult,
  type StatsQuery,
  type StoredEventList,
  type TrafficQuery,
  type TrafficStats,
} from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import type { Session } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { SessionFilter, SessionRecord } from '../store/sessions.ts';
import type { Catalogue } from '../store/store.ts';
import { type IndexLag, LogFollower, newsOf } from './logs/log-follower.ts';
import { parseQuery } from './query.ts';
import type { Answers, FoundHit, IndexFacts, LogNews, MessagesRequest } from './wire.ts';
import { IndexProcess } from './worker-client.ts';

/** Sessions per event-loop turn. */
const BATCH = 100;
/** Maximum wait of a query for events that have arrived already, and of a search for the output of the last second. */
const CATCH_UP_MS = 2000;
const RECENT_MS = 200;
/** Maximum bytes behind which a search waits for: an index that is further behind, in a flood, says so in the answer. */
const RECENT_BYTES = 256 * 1024;
const START = { place: 0, offset: 0 };

export interface SearchParts {
  readonly sessions: Sessions;
  readonly catalogue: Catalogue;
  readonly log: Log;
}

export interface SearchOptions {
  /** Path of the index file. */
  readonly path: string;
  /** Directory of the sessions. */
  readonly dir: string;
  /** Path of the catalogue. */
  readonly cataloguePath: string;
  readonly script: string;
  readonly maxEvents: number;
  readonly maxIndexBytes: number;
  readonly retainMs: number;
  /** Maximum ms of a search. Default 10 s. */
  readonly searchMs?: number;
  /** False if the index starts with the first search. */
  readonly startsAhead: boolean;
}

export interface SearchQuery {
  readonly q: string;
  readonly session_id?: string;
  readonly source?: string;
  readonly after?: string;
  readonly limit?: number;
}

const SEARCH_MS = 10_000;
const SEARCH_LIMIT = 20;
const EVENTS_LIMIT = 100;

export class Search {
  readonly #parts: SearchParts;
  readonly #searchMs: number;
  readonly #index: IndexProcess;
  /** Sessions whose log may grow. */
  readonly #followed = new Map<string, LogFollower>();
  /** Ended sessions and the ends of their logs, until the index has taken them. */
  readonly #ending = new Map<string, IndexLag & { readonly place: number }>();
  /** All conversations that have sessions. */
  readonly #conversations = new Set<string>();
  readonly #waiting = new Set<() => void>();
  readonly #unwatch: () => void;
  /** Number of the current walk through all sessions; an older walk stops. */
  #walk = 0;
  #isStopped = false;

  private constructor(parts: SearchParts, options: SearchOptions) {
    const { searchMs = SEARCH_MS, cataloguePath: catalogue, ...rest } = options;
    this.#parts = parts;
    this.#searchMs = searchMs;
    this.#unwatch = parts.sessions.watch({
      changed: (session) => this.#changed(session),
      deleted: ({ id }) => this.#deleted(id),
    });
    this.#index = new IndexProcess(
      { ...rest, catalogue, searchMs },
      { started: () => this.#begin(), did: (id, place) => this.#did(id, place) },
      parts.log,
    );
  }

  static open(parts: SearchParts, options: SearchOptions): Search {
    return new Search(parts, options);
  }

  get facts(): IndexFacts {
    return this.#index.facts;
  }

  /** Searches output. Throws `bad_query`, `search_timeout`, `index_unavailable`. */
  async search(query: SearchQuery, isSeen: SessionFilter): Promise<SearchResult> {
    const { session_id: session, source, after } = query;
    if (this.#index.isReady) {
      // Growth without a viewer is not reported at once. A runner that does not answer must not delay the search.
      await Promise.race([this.#parts.sessions.refresh(), setTimeoutAsync(RECENT_MS, undefined, { ref: false })]);
      await this.#catchUp(RECENT_MS, ({ behindBytes }) => behindBytes <= RECENT_BYTES);
    } else await this.#index.start();
    const found = await this.#index.query({
      kind: 'search',
      terms: parseQuery(query.q),
      limit: query.limit ?? SEARCH_LIMIT,
      timeoutMs: this.#searchMs,
      conversations: this.#seenConversations(isSeen),
      ...defined({ session, source }),
      ...(after === undefined ? {} : { after: parseAfter(after) }),
    });
    return {
      hits: found.hits.flatMap((hit) => this.#shown(hit, isSeen) ?? []),
      next: found.next?.toString(36) ?? null,
      behindBytes: found.behindBytes,
    };
  }

  /**
   * Searches messages. `conversationsOf`: returns the ids of the conversations to search, undefined: all. Throws `bad_query`, `search_timeout`,
   * `index_unavailable`.
   */
  async messages(
    { q, limit = SEARCH_LIMIT, after }: Pick<SearchQuery, 'q' | 'limit' | 'after'>,
    conversationsOf: () => Promise<readonly string[] | undefined>,
  ): Promise<Omit<Answers['messages'], 'next'> & { readonly next: string | null }> {
    const terms = parseQuery(q);
    await this.#index.start();
    const request: MessagesRequest = {
      ...{ kind: 'messages', terms, limit, timeoutMs: this.#searchMs },
      ...defined({ conversations: await conversationsOf() }),
      ...(after === undefined ? {} : { after: parseAfter(after) }),
    };
    const found = await this.#index.query(request);
    return { ...found, next: found.next?.toString(36) ?? null };
  }

  /** Lists stored events. Throws `index_unavailable`. */
  async events(query: TrafficQuery, isSeen: SessionFilter): Promise<StoredEventList> {
    const { after, limit = EVENTS_LIMIT, ...filter } = query;
    const place = after === undefined ? {} : { after: parseAfter(after) };
    await this.#catchUp(CATCH_UP_MS, ({ isForeign }) => isForeign);
    const conversations = this.#seenConversations(isSeen);
    const { events, next } = await this.#index.query({ kind: 'events', ...filter, ...place, limit, conversations });
    return { events: events.filter(({ session }) => this.#isSeen(session, isSeen)), next: next?.toString(36) ?? null };
  }

  /** Sums stored events by hour. Throws `index_unavailable`. */
  async stats(query: StatsQuery, isSeen: SessionFilter): Promise<TrafficStats> {
    await this.#catchUp(CATCH_UP_MS, ({ isForeign }) => isForeign);
    return await this.#index.query({ kind: 'stats', ...query, conversations: this.#seenConversations(isSeen) });
  }

  /** Rebuilds the index from the logs. Queries soon work again, on the part that is indexed by then. */
  rebuild(): void {
    this.#index.rebuild();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unwatch();
    for (const followed of this.#followed.values()) followed.stop();
    this.#followed.clear();
    await this.#index.stop();
  }

  /** Reports all sessions to a new process, a few per event-loop turn. */
  #begin(): void {
    this.#walk += 1;
    void this.#reportAll(this.#walk).catch((error: unknown) =>
      this.#parts.log.error({ err: error }, 'the index does not know of all sessions'),
    );
  }

  async #reportAll(walk: number): Promise<void> {
    for (const followed of this.#followed.values()) followed.reset();
    let after: string | undefined;
    for (;;) {
      const page = this.#parts.catalogue.sessions.list({ limit: BATCH, ...defined({ after }) });
      const logs = page.records.flatMap((record) => this.#newsOf(record) ?? []);
      if (logs.length > 0) this.#index.post({ t: 'logs', logs });
      if (page.next === null) break;
      after = page.next;
      await yieldToEventLoop();
      if (this.#isStopped || walk !== this.#walk) return;
    }
    this.#index.post({ t: 'told_all' });
  }

  /** Returns the news of a finished session; begins to follow any other. */
  #newsOf(record: SessionRecord): LogNews | undefined {
    if (record.hidden) return undefined;
    if (record.conversation !== null) this.#conversations.add(record.conversation);
    if (!isOver(record)) {
      this.#follow(this.#parts.sessions.get(record.id));
      // Reported even without a log, so that the index does not treat the session as deleted.
      return newsOf({ id: record.id, record }, { head: START, oldest: START, isFinal: false });
    }
    return newsOf({ id: record.id, record }, { head: record.head ?? START, oldest: START, isFinal: true });
  }

  #changed(session: Session): void {
    const { record } = session;
    if (record.hidden || this.#isStopped) return;
    if (record.conversation !== null) this.#conversations.add(record.conversation);
    if (!isOver(record)) {
      this.#follow(session);
      return;
    }
    const taken = this.#followed.get(session.id)?.taken ?? 0;
    this.#followed.get(session.id)?.stop();
    this.#followed.delete(session.id);
    const news = this.#newsOf(record);
    if (news === undefined) return;
    const { place } = news.head;
    this.#ending.set(session.id, { place, isForeign: record.foreign !== null, behindBytes: place - taken });
    this.#index.post({ t: 'logs', logs: [news] });
  }

  #follow(session: Session): void {
    const known = this.#followed.get(session.id);
    if (known?.session === session) {
      known.nudge();
      return;
    }
    known?.stop();
    const followed = new LogFollower(session, (news) => this.#index.post({ t: 'logs', logs: [news] }));
    this.#followed.set(session.id, followed);
    followed.report();
  }

  #deleted(id: string): void {
    this.#followed.get(id)?.stop();
    this.#followed.delete(id);
    this.#ending.delete(id);
    this.#index.post({ t: 'gone', ids: [id] });
  }

  #did(id: string, place: number): void {
    this.#followed.get(id)?.did(place);
    if (place >= (this.#ending.get(id)?.place ?? Number.POSITIVE_INFINITY)) this.#ending.delete(id);
    for (const check of [...this.#waiting]) check();
  }

  /**
   * Starts the index if necessary, and waits until the selected logs are in it as far as they are written now, those of
   * ended sessions included. Throws `index_unavailable`.
   */
  async #catchUp(maxMs: number, isSelected: (lag: IndexLag) => boolean): Promise<void> {
    await this.#index.start();
    const behind = [...this.#followed.values()].filter((followed) => followed.behindBytes > 0 && isSelected(followed));
    const ending = [...this.#ending].filter(([, ended]) => isSelected(ended));
    const heads = new Map<string, number>(ending.map(([id, { place }]) => [id, place]));
    for (const { session } of behind) heads.set(session.id, session.log.head.place);
    if (heads.size === 0) return;
    for (const followed of behind) followed.report();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve();
      };
      const check = (): void => {
        for (const [id, place] of heads) {
          const followed = this.#followed.get(id);
          // A session that is neither followed nor ending was taken, or is deleted.
          const isTaken = followed === undefined ? !this.#ending.has(id) : followed.taken >= place;
          if (isTaken) heads.delete(id);
        }
        if (heads.size === 0) done();
      };
      const timer = setTimeout(done, maxMs);
      this.#waiting.add(check);
    });
  }

  #seenConversations(isSeen: SessionFilter): string[] {
    return [...this.#conversations].filter((conversation) => isSeen({ conversation, hidden: false }));
  }

  #shown({ session: id, offset, snippet, matches, time }: FoundHit, isSeen: SessionFilter): SearchHit | undefined {
    try {
      const { info } = this.#parts.sessions.get(id, isSeen);
      return {
        session: info.id,
        name: info.name,
        state: info.state,
        foreign: info.foreign,
        offset,
        snippet,
        matches,
        time,
      };
    } catch (error) {
      if (error instanceof BinnacleError) return undefined; // deleted since the query
      throw error;
    }
  }

  #isSeen(id: string, isSeen: SessionFilter): boolean {
    try {
      this.#parts.sessions.get(id, isSeen);
      return true;
    } catch (error) {
      if (error instanceof BinnacleError) return false;
      throw error;
    }
  }
}

const isOver = ({ state }: SessionRecord): boolean => state === 'closed' || state === 'lost';

function parseAfter(text: string): number {
  const value = /^[0-9a-z]{1,11}$/.test(text) ? Number.parseInt(text, 36) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new BinnacleError('bad_request', { message: 'after is not what a page gave as next.' });
  }
  return value;
}
