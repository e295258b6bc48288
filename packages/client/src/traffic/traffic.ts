// Stored events of programs that run elsewhere, and the search over the output of all sessions. Emits nothing.

import {
  defined,
  type MessageSearchResult,
  type SearchResult,
  type StatsQuery,
  type StoredEventList,
  type TrafficQuery,
  type TrafficStats,
} from '@binnacle/protocol';
import type { Http } from '../transport/http.ts';

export type { StatsQuery, TrafficQuery } from '@binnacle/protocol';

/** Options of `Binnacle.search`. */
export interface SearchOptions {
  /** Searches one session: by its id, or by the name that its emitter gave it. */
  readonly session_id?: string;
  /** Searches the sessions of one source. */
  readonly source?: string;
  /** The `next` of the page before. */
  readonly after?: string;
  /** Maximum number of hits. */
  readonly limit?: number;
  /** Cancels the request, which then throws `unreachable`. */
  readonly signal?: AbortSignal;
}

/** Options of `Binnacle.searchMessages`. */
export interface MessageSearchOptions {
  /** Searches one conversation: its key. */
  readonly conversation?: string;
  /** The `next` of the page before. */
  readonly after?: string;
  /** Maximum number of hits. */
  readonly limit?: number;
  /** Cancels the request, which then throws `unreachable`. */
  readonly signal?: AbortSignal;
}

/**
 * Stored events of programs that run elsewhere, as `Binnacle.traffic`. `Binnacle.watchTraffic` follows them live.
 *
 * @example
 * ```ts
 * const hour = Date.now() - 3_600_000;
 * const { events } = await binnacle.traffic.events({ source: 'ci', exit_code: 1, since: hour });
 * for (const { session, command_preview } of events) console.log(session, command_preview);
 * ```
 */
export class Traffic {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /**
   * Returns one page of events, newest first, without their output. All fields of the query must match. Throws
   * `bad_filter`, `index_unavailable`.
   */
  async events(query: TrafficQuery = {}, signal?: AbortSignal): Promise<StoredEventList> {
    const { is_final, ...rest } = query;
    return await this.#http.json({
      path: '/v1/pty-traffic',
      query: { ...rest, is_final: is_final === undefined ? undefined : String(is_final) },
      ...defined({ signal }),
    });
  }

  /** Returns events, bytes and failures by hour and source. */
  async stats(query: StatsQuery = {}, signal?: AbortSignal): Promise<TrafficStats> {
    return await this.#http.json({ path: '/v1/pty-traffic/stats', query: { ...query }, ...defined({ signal }) });
  }
}

/** Returns one page of hits, newest first. Throws `bad_query`, `search_timeout`, `index_unavailable`. */
export const search = async (http: Http, q: string, options: SearchOptions = {}): Promise<SearchResult> =>
  await http.json(searchRequest('/v1/search', q, options));

/** Returns one page of messages, newest first. Throws as `search` does, and `conversation_not_found`. */
export const searchMessages = async (
  http: Http,
  q: string,
  options: MessageSearchOptions = {},
): Promise<MessageSearchResult> => await http.json(searchRequest('/v1/search/messages', q, options));

function searchRequest(path: string, q: string, { signal, ...query }: SearchOptions | MessageSearchOptions) {
  // An object would become the query "[object Object]", which matches nothing.
  if (typeof q !== 'string') throw new TypeError('q is a string; the rest goes into the second argument.');
  return { path, query: { q, ...query }, ...defined({ signal }) };
}
