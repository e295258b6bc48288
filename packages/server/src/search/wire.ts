// Messages between the gateway and the process of the index.

import type { StatsQuery, StoredEvent, TrafficQuery, TrafficStats, WireError } from '@binnacle/protocol';
import type { Head } from '../log/log.ts';

/** Options that the process is told first. */
export interface IndexOptions {
  readonly path: string;
  /** Of sessions; their logs are in ID/log. */
  readonly dir: string;
  readonly maxEvents: number;
  readonly maxIndexBytes: number;
  readonly retainMs: number;
}

/** How far a log has come. */
export interface LogNews {
  readonly id: string;
  readonly head: Head;
  readonly oldest: Head;
  /** Nothing follows. */
  readonly isFinal: boolean;
  /** Who may see it; see SessionRecord. */
  readonly conversation: string | null;
  readonly foreign: ForeignNews | null;
}

export interface ForeignNews {
  readonly sessionId: string;
  readonly source: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Sessions that the asker may see: those without a conversation, and those of these. */
export interface Sight {
  readonly conversations: readonly string[];
}

export interface SearchAsk extends Sight {
  readonly kind: 'search';
  /** As `parseQuery` made it. */
  readonly expression: string;
  /** Our id of a session, or the emitter's name of one. */
  readonly session?: string;
  readonly source?: string;
  /** Only documents with a lower id. */
  readonly after?: number;
  readonly limit: number;
  readonly withinMs: number;
}

export type EventFilter = Omit<TrafficQuery, 'after' | 'limit'>;

export interface EventsAsk extends Sight, EventFilter {
  readonly kind: 'events';
  readonly after?: number;
  readonly limit: number;
}

export interface StatsAsk extends Sight, StatsQuery {
  readonly kind: 'stats';
}

export type Ask = SearchAsk | EventsAsk | StatsAsk;

export interface FoundHit {
  readonly id: number;
  readonly session: string;
  readonly offset: number;
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
  readonly events: { readonly events: readonly StoredEvent[]; readonly next: number | null };
  readonly stats: TrafficStats;
}

/** For metrics. */
export interface IndexFacts {
  readonly events: number;
  readonly documents: number;
  /** Output that is not in the index yet. */
  readonly behindBytes: number;
  /** Rows and documents that retention took, since this process began. */
  readonly removed: number;
  readonly indexBytes: number;
}

export type ToIndex =
  | { readonly t: 'open'; readonly options: IndexOptions }
  | { readonly t: 'logs'; readonly logs: readonly LogNews[] }
  | { readonly t: 'gone'; readonly ids: readonly string[] }
  /** All that is kept was told of: what the index has besides is gone. */
  | { readonly t: 'told_all' }
  | { readonly t: 'ask'; readonly n: number; readonly ask: Ask }
  | { readonly t: 'stop' };

export type FromIndex =
  /** `isNew`: the index was empty. */
  | { readonly t: 'ready'; readonly isNew: boolean }
  /** It is in the index up to there. */
  | { readonly t: 'did'; readonly id: string; readonly place: number }
  /** From here on the limit of a question counts. */
  | { readonly t: 'began'; readonly n: number }
  | { readonly t: 'answer'; readonly n: number; readonly value: Answers[keyof Answers] }
  | { readonly t: 'refused'; readonly n: number; readonly error: WireError }
  | { readonly t: 'facts'; readonly facts: IndexFacts }
  | { readonly t: 'warn'; readonly message: string; readonly facts: Readonly<Record<string, unknown>> };
