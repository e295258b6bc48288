// What is kept of programs that run elsewhere, and the search over the output of all sessions. Emits nothing.

import type { SearchResult, StatsQuery, StoredEventList, TrafficQuery, TrafficStats } from '@binnacle/protocol';
import type { Http } from '../transport/http.ts';

export type { StatsQuery, TrafficQuery } from '@binnacle/protocol';

export interface SearchOptions {
  /** The emitter's name of a session, or our id of any session. */
  readonly session_id?: string;
  readonly source?: string;
  /** The `next` of the page before. */
  readonly after?: string;
  readonly limit?: number;
  /** Ends the waiting, with `unreachable`: what was typed since asks for something else. */
  readonly signal?: AbortSignal;
}

export class Traffic {
  private readonly http: Http;

  constructor(http: Http) {
    this.http = http;
  }

  /** One page of events, newest first, without their output. Throws `bad_filter`, `index_unavailable` … */
  async events(query: TrafficQuery = {}, signal?: AbortSignal): Promise<StoredEventList> {
    const { is_final, ...rest } = query;
    return await this.http.json({
      path: '/v1/pty-traffic',
      query: { ...rest, is_final: is_final === undefined ? undefined : String(is_final) },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Events, bytes and failures by hour and source. */
  async stats(query: StatsQuery = {}, signal?: AbortSignal): Promise<TrafficStats> {
    return await this.http.json({
      path: '/v1/pty-traffic/stats',
      query: { ...query },
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

/** One page of hits, newest first. Throws `bad_query`, `search_timeout`, `index_unavailable` … */
export async function search(http: Http, q: string, options: SearchOptions = {}): Promise<SearchResult> {
  // As text it would be looked for: "[object Object]" is found nowhere.
  if (typeof q !== 'string') throw new TypeError('q is a string; the rest goes into the second argument.');
  const { signal, ...query } = options;
  return await http.json({
    path: '/v1/search',
    query: { q, ...query },
    ...(signal === undefined ? {} : { signal }),
  });
}
