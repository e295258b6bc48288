// Messages between the gateway and the process of the index.

import type { StatsQuery, StoredEvent, TrafficQuery, TrafficStats, WireError } from '@binnacle/protocol';
import type { Head } from '../log/log.ts';
import type { QueryTerm } from './query.ts';

/** Options in the first message to the process. */
export interface IndexOptions {
  readonly path: string;
  /** Directory of the sessions; their logs are in ID/log. */
  readonly dir: string;
  /** Path of the catalogue, which has the messages of conversations. */
  readonly catalogue: string;
  readonly maxEvents: number;
  readonly maxIndexBytes: number;
  readonly retainMs: number;
}

/** State of a log. */
export interface LogNews {
  readonly id: string;
  readonly head: Head;
  readonly oldest: Head;
  /** True if the log will not grow any more. */
  readonly isFinal: boolean;
  /** Access to the session; see SessionRecord. */
  readonly conversation: string | null;
  readonly foreign: ForeignNews | null;
}

export interface ForeignNews {
  readonly sessionId: string;
  readonly source: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Sessions that the principal may see: those without a conversation, and those of these conversations. */
export interface SearchScope {
  readonly conversations: readonly string[];
}

export interface SearchRequest extends SearchScope {
  readonly kind: 'search';
  readonly terms: readonly QueryTerm[];
  /** Id of a session, or an emitter's name for one. */
  readonly session?: string;
  readonly source?: string;
  /** Only documents with a lower id. */
  readonly after?: number;
  readonly limit: number;
  readonly timeoutMs: number;
}

export interface MessagesRequest {
  readonly kind: 'messages';
  readonly terms: readonly QueryTerm[];
  /** Ids of the conversations to search; undefined: all. */
  readonly conversations?: readonly string[];
  /** Only messages with a lower id. */
  readonly after?: number;
  readonly limit: number;
  readonly timeoutMs: number;
}

export type EventFilter = Omit<TrafficQuery, 'after' | 'limit'>;

export interface EventsRequest extends SearchScope, EventFilter {
  readonly kind: 'events';
  readonly after?: number;
  readonly limit: number;
}

export interface StatsRequest extends SearchScope, StatsQuery {
  readonly kind: 'stats';
}

export type IndexRequest = SearchRequest | MessagesRequest | EventsRequest | StatsRequest;

export interface FoundHit {
  readonly id: number;
  readonly session: string;
  readonly offset: number;
  readonly snippet: string;
  readonly matches: readonly (readonly [number, number])[];
  readonly time: number;
}

export interface FoundMessageHit {
  readonly id: number;
  readonly conversation: string;
  readonly message: string;
  readonly role: 'user' | 'assistant';
  readonly snippet: string;
  readonly matches: readonly (readonly [number, number])[];
  readonly time: number;
}

export interface Answers {
  readonly search: {
    readonly hits: readonly FoundHit[];
    readonly next: number | null;
    readonly behindBytes: number;
  };
  readonly messages: {
    readonly hits: readonly FoundMessageHit[];
    readonly next: number | null;
    /** Maximum number of messages that are not in the index yet. */
    readonly behind: number;
  };
  readonly events: { readonly events: readonly StoredEvent[]; readonly next: number | null };
  readonly stats: TrafficStats;
}

/** Values for metrics. */
export interface IndexFacts {
  readonly events: number;
  readonly documents: number;
  /** Output that is not in the index yet. */
  readonly behindBytes: number;
  /** Rows and documents that retention has removed since this process began. */
  readonly removed: number;
  readonly indexBytes: number;
}

export type ToIndex =
  | { readonly t: 'open'; readonly options: IndexOptions }
  | { readonly t: 'logs'; readonly logs: readonly LogNews[] }
  | { readonly t: 'gone'; readonly ids: readonly string[] }
  /** All sessions were reported: everything else in the index is deleted. */
  | { readonly t: 'told_all' }
  | { readonly t: 'ask'; readonly n: number; readonly ask: IndexRequest }
  | { readonly t: 'stop' };

export type FromIndex =
  /** `isNew`: the index was empty. */
  | { readonly t: 'ready'; readonly isNew: boolean }
  /** The index has taken the log up to this place. */
  | { readonly t: 'did'; readonly id: string; readonly place: number }
  /** The time limit of the query counts from here on. */
  | { readonly t: 'began'; readonly n: number }
  | { readonly t: 'answer'; readonly n: number; readonly value: Answers[keyof Answers] }
  | { readonly t: 'refused'; readonly n: number; readonly error: WireError }
  | { readonly t: 'facts'; readonly facts: IndexFacts }
  | { readonly t: 'warn'; readonly message: string; readonly facts: Readonly<Record<string, unknown>> };
