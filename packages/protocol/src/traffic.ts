// Output of programs that run elsewhere: what an emitter sends, and what viewers of /ws/pty-traffic get. Field names are
// those of the emitters that are out there, hence the underscores.

import type { WireError } from './codes.ts';
import type { OutputKind } from './entry.ts';
import type { ForeignInfo, SessionId, SessionState } from './session.ts';

/** The emitter's own name of a session: 1 to 200 of letters, digits and `. _ : @ + = , ~ -`, beginning with a letter or digit. */
const EMITTED_ID = /^[A-Za-z0-9][A-Za-z0-9._:@+=,~-]{0,199}$/;
export const isEmittedId = (text: string): boolean => EMITTED_ID.test(text);

/** One thing that happened in a program that runs elsewhere. `POST /v1/pty-traffic/emit` takes one, or a batch. */
export interface TrafficEvent {
  readonly session_id: string;
  /** Counts the events of this session from 0 on, without a gap. Needed with a `producer`, not allowed without. */
  readonly seq?: number;
  /** What is run, as its user would type it. At most 64 KiB. */
  readonly command?: string;
  /** Output as text, at most 1 MiB as UTF-8. Not together with `response_base64`. */
  readonly response?: string;
  /** Output as it was: bytes that need not be UTF-8. */
  readonly response_base64?: string;
  /** Default `tty`. */
  readonly stream?: OutputKind;
  readonly exit_code?: number | null;
  /** By name, where a signal ended it. */
  readonly signal?: string | null;
  /** Nothing follows in this session. */
  readonly is_final?: boolean;
  /** The program that emits, e.g. `mcp_core`. At most 64 characters. The first event of a session decides. */
  readonly source?: string;
  /** At most 16, keys of at most 64 and values of at most 256 characters. Those of the first event stay. */
  readonly labels?: Readonly<Record<string, string>>;
  /** When it happened: ms since 1970, or ISO 8601. At most a minute ahead of the gateway's clock. */
  readonly timestamp?: number | string;
  /** At most 500 characters. Default: made of `command`. */
  readonly command_preview?: string;
  /** At most 500 characters. Default: made of the output. */
  readonly response_preview?: string;
  readonly cwd?: string;
  /** Of a terminal, from this event on. Both or none. */
  readonly cols?: number;
  readonly rows?: number;
  /** Bytes of output before this event that the emitter had no room for. They are gone; viewers are told. */
  readonly lost_bytes?: number;
}

/**
 * Makes retries harmless: an event is stored once for each (producer, session, seq). A producer that begins anew takes
 * a higher epoch, in which every session counts from 0 again; whoever still sends with a lower one is refused.
 */
export interface TrafficProducer {
  /** 1 to 128 of the characters of a session id. Chosen once for each emitter, and kept over its restarts. */
  readonly id: string;
  /** From 0 on. */
  readonly epoch: number;
}

export interface EmitBatch {
  readonly producer?: TrafficProducer;
  /** 1 to 1000. */
  readonly events: readonly TrafficEvent[];
}

export type EmitResult =
  | {
      readonly status: 'stored' | 'duplicate';
      readonly session_id: string;
      readonly seq: number | null;
      /** The session here: its page, its output, its place in lists. */
      readonly session: SessionId;
      /** Where the session ends now: behind this event, and perhaps behind later ones. */
      readonly position: string;
      readonly offset: number;
    }
  | {
      readonly status: 'refused';
      readonly session_id: string | null;
      readonly seq: number | null;
      readonly error: WireError;
    };

/** One for each event, in their order. HTTP status 200, or 207 where one of several was refused. */
export interface EmitAnswer {
  readonly results: readonly EmitResult[];
  readonly stored: number;
  readonly duplicates: number;
  readonly refused: number;
  /** Fields that the gateway does not know and left out, over all events. Absent from older gateways. */
  readonly ignored?: number;
  /** Names of such fields, each once; at most 20. */
  readonly ignored_fields?: readonly string[];
}

/** What is kept in the log of an emitted session beside its output: the body of its `event` entries. */
export interface TrafficMark {
  readonly traffic: {
    /** Null of emitters without a producer. */
    readonly epoch: number | null;
    readonly seq: number | null;
    /** Bytes of output that stand before this mark and belong to it. */
    readonly bytes: number;
    /** The emitter's clock, ms since 1970. */
    readonly at?: number;
    readonly command?: string;
    readonly command_preview?: string;
    readonly response_preview?: string;
    readonly exit_code?: number | null;
    readonly signal?: string | null;
    readonly is_final?: true;
    readonly lost_bytes?: number;
  };
}

// Queries

/** One event, without its output: `GET /v1/pty-traffic`. Newest first. */
export interface StoredEvent {
  /** For paging; sorts by arrival. */
  readonly id: string;
  readonly session: SessionId;
  readonly session_id: string;
  readonly source: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly seq: number | null;
  /** When it came, ms since 1970. */
  readonly received_at: number;
  /** When the emitter says that it happened. */
  readonly timestamp: number | null;
  readonly command_preview: string | null;
  readonly response_preview: string | null;
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly is_final: boolean;
  /** Bytes of output. */
  readonly size: number;
  readonly lost_bytes: number;
  /** Output offset where its output begins, in the session's log. */
  readonly offset: number;
}

/** What `GET /v1/pty-traffic` takes. All that are given must hold; the names are those of the events. */
export interface TrafficQuery {
  /** The emitter's name of a session, or our id of it. */
  readonly session_id?: string;
  readonly source?: string;
  /** `key` or `key=value`. */
  readonly label?: string;
  /** Contained in the command, whatever the case. */
  readonly command?: string;
  readonly exit_code?: number;
  readonly is_final?: boolean;
  /** Received then or later, ms since 1970. */
  readonly since?: number;
  /** Received before, ms since 1970. */
  readonly until?: number;
  /** The `next` of the page before. */
  readonly after?: string;
  /** 1 to 500, default 100. */
  readonly limit?: number;
}

/** What `GET /v1/pty-traffic/stats` takes. */
export type StatsQuery = Pick<TrafficQuery, 'since' | 'until' | 'source'>;

export interface StoredEventList {
  readonly events: readonly StoredEvent[];
  /** Pass as `after` for the next page; null on the last. */
  readonly next: string | null;
}

/** By hour and source: `GET /v1/pty-traffic/stats`. */
export interface TrafficStats {
  readonly hours: readonly {
    /** Its beginning, ms since 1970. */
    readonly hour: number;
    readonly source: string;
    readonly events: number;
    readonly bytes: number;
    /** Final events with an exit code other than 0, or with a signal. */
    readonly failures: number;
    readonly sessions: number;
  }[];
}

// /ws/pty-traffic

/** All that are given must hold. */
export interface TrafficFilter {
  /** The emitter's name of a session, or our id of any session. */
  readonly session_id?: string;
  readonly source?: string;
  /** `key` or `key=value`. */
  readonly label?: string;
  /** Contained in the command, whatever the case. */
  readonly command?: string;
  readonly exit_code?: number;
  readonly running?: boolean;
}

export type TrafficClientMessage =
  | {
      readonly type: 'subscribe';
      /** Chosen by the client, to unsubscribe and to tell answers apart. Default `default`; again: another filter. */
      readonly id?: string;
      readonly filter?: TrafficFilter;
      /**
       * `start`: all that is kept of what matches, then what comes, in one read. `now`: what comes. A position: only
       * with a `session_id`. Default `start` with a `session_id`, else `now`. Sessions that begin to match later are
       * read from their start.
       */
      readonly from?: 'start' | 'now' | string;
      /**
       * For a subscription that goes on after a lost connection: where each session stands that was heard of, by our id
       * (at most 10,000). Of the others, those are read from their start that began or ended at `since` or later.
       */
      readonly resume?: { readonly since: number; readonly positions: Readonly<Record<string, string>> };
      /** Default `text`: invalid bytes are U+FFFD, characters never split. */
      readonly encoding?: 'text' | 'base64';
    }
  | { readonly type: 'unsubscribe'; readonly id?: string }
  | { readonly type: 'ping'; readonly timestamp: number }
  | { readonly type: 'pong'; readonly timestamp: number };

/** A piece of what happened in one session, in order. Several for one large event. The first one of a session that is
 *  not read from a position has no output: it tells what runs, and where reading begins. */
export interface PtyEvent {
  readonly session_id: string;
  readonly session: SessionId;
  readonly source: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The command of the session, with its first event and where it changes. */
  readonly command?: string;
  /** Preview of the command, with `command` and where an emitter gave a preview: at most 500 characters. */
  readonly command_preview?: string;
  readonly response?: string;
  readonly response_base64?: string;
  /** Preview of output: of an emitted event's first output, and of all local output. At most 500 characters. */
  readonly response_preview?: string;
  readonly stream?: OutputKind;
  readonly exit_code?: number | null;
  readonly signal?: string | null;
  readonly is_final: boolean;
  readonly lost_bytes?: number;
  readonly timestamp: number;
  /** Where the output of this message begins. */
  readonly offset: number;
  /** Behind this message: `from` of the next subscription. */
  readonly position: string;
}

export type TrafficServerMessage =
  | { readonly type: 'connected'; readonly connection_id: string; readonly timestamp: number; readonly version: string }
  | {
      readonly type: 'subscribed';
      readonly id: string;
      readonly filter: TrafficFilter;
      /** Sessions that match now. */
      readonly sessions: number;
      /** The gateway's clock: `since` of a `resume`. */
      readonly timestamp: number;
    }
  | { readonly type: 'unsubscribed'; readonly id: string }
  /** `id`: of the subscription. */
  | { readonly type: 'pty_event'; readonly id: string; readonly event: PtyEvent }
  /** Output `from` up to `to` is not kept any more. */
  | {
      readonly type: 'gap';
      readonly id: string;
      readonly session_id: string;
      readonly session: SessionId;
      readonly from: number;
      readonly to: number;
      readonly position: string;
    }
  | { readonly type: 'ping'; readonly timestamp: number }
  | { readonly type: 'pong'; readonly timestamp: number; readonly server_timestamp: number }
  | {
      readonly type: 'error';
      readonly id?: string;
      readonly session_id?: string;
      readonly session?: SessionId;
      readonly error: WireError;
    };

// Search over the output of all sessions: `GET /v1/search`

export interface SearchHit {
  readonly session: SessionId;
  readonly name: string;
  readonly state: SessionState;
  /** Null of our own sessions. */
  readonly foreign: ForeignInfo | null;
  /** Output offset of the line with the first match: where to jump. */
  readonly offset: number;
  /** Some lines around it as plain text, at most 400 characters. */
  readonly snippet: string;
  /** In `snippet`, as UTF-16 ranges: from, behind. */
  readonly matches: readonly (readonly [number, number])[];
  /** When that output came, ms since 1970. */
  readonly time: number;
}

export interface SearchResult {
  /** Newest first. */
  readonly hits: readonly SearchHit[];
  /** Pass as `after` for the next page; null on the last. */
  readonly next: string | null;
  /** Bytes of output that are not in the index yet. */
  readonly behindBytes: number;
}
