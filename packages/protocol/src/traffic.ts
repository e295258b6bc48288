// Output of programs that run elsewhere: what an emitter sends, and what viewers of /ws/pty-traffic get. Field names are
// those of the emitters that are out there, hence the underscores.

import type { WireError } from './codes.ts';
import type { ConversationKey } from './conversation.ts';
import type { OutputKind } from './entry.ts';
import type { ForeignInfo, SessionId, SessionState } from './session.ts';

/** The emitter's own name of a session: 1 to 200 of letters, digits and `. _ : @ + = , ~ -`, beginning with a letter or digit. */
const EMITTED_ID = /^[A-Za-z0-9][A-Za-z0-9._:@+=,~-]{0,199}$/;
/** Returns whether a text may be an emitter's id of a session. */
export const isEmittedId = (text: string): boolean => EMITTED_ID.test(text);

/** An event of a program that runs elsewhere. `POST /v1/pty-traffic/emit` takes one, or a batch. */
export interface TrafficEvent {
  /** The emitter's id of the session. */
  readonly session_id: string;
  /**
   * Number of the event in its session, from 0 on, without a gap. Required with a `producer`, not allowed without one.
   */
  readonly seq?: number;
  /** Command, as its user would type it. At most 64 KiB. */
  readonly command?: string;
  /** Output as text, at most 1 MiB as UTF-8. Not together with `response_base64`. */
  readonly response?: string;
  /** Output as bytes, which need not be UTF-8. */
  readonly response_base64?: string;
  /** Default `tty`. */
  readonly stream?: OutputKind;
  /** Exit code of the program. */
  readonly exit_code?: number | null;
  /** Name of the signal that ended the program. */
  readonly signal?: string | null;
  /** Nothing follows in this session. */
  readonly is_final?: boolean;
  /**
   * Name of the program that emits, such as `mcp_core`. At most 64 characters. The first event of a session decides.
   */
  readonly source?: string;
  /** At most 16; keys of at most 64 and values of at most 256 characters. Those of the first event stay. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Time of the event: Unix time in milliseconds, or ISO 8601. At most a minute ahead of the gateway's clock. */
  readonly timestamp?: number | string;
  /** At most 500 characters. Default: made from `command`. */
  readonly command_preview?: string;
  /** At most 500 characters. Default: made from the output. */
  readonly response_preview?: string;
  /** Working directory of the program. */
  readonly cwd?: string;
  /** Columns of the terminal from this event on. Together with `rows`. */
  readonly cols?: number;
  /** Rows of the terminal from this event on. Together with `cols`. */
  readonly rows?: number;
  /** Bytes of output before this event for which the emitter had no room. They are lost, and viewers see a gap. */
  readonly lost_bytes?: number;
}

/**
 * Producer of a batch, which makes retries harmless: an event is stored once per producer, session and `seq`. A
 * producer that begins anew takes a higher epoch, in which every session counts from 0 again; lower epochs are refused.
 */
export interface TrafficProducer {
  /** 1 to 128 of the characters of a session id. Chosen once per emitter, and stored over its restarts. */
  readonly id: string;
  /** Number from 0 on. */
  readonly epoch: number;
}

/** Request with several events. */
export interface EmitBatch {
  /** Producer of the events. */
  readonly producer?: TrafficProducer;
  /** 1 to 1000 events. */
  readonly events: readonly TrafficEvent[];
}

/**
 * Result of one event. `session` is the gateway's id of its session; `position` and `offset` are the end of the log,
 * behind this event and perhaps behind later ones.
 */
export type EmitResult =
  | {
      readonly status: 'stored' | 'duplicate';
      readonly session_id: string;
      readonly seq: number | null;
      /** The session here: its page, its output, its place in lists. */
      readonly session: SessionId;
      /** Present end of the session's log: behind this event, and perhaps behind later ones. */
      readonly position: string;
      readonly offset: number;
    }
  | {
      readonly status: 'refused';
      readonly session_id: string | null;
      readonly seq: number | null;
      readonly error: WireError;
    };

/** One result per event, in their order. HTTP status 200, or 207 if one of several was refused. */
export interface EmitAnswer {
  /** The results. */
  readonly results: readonly EmitResult[];
  /** Number of stored events. */
  readonly stored: number;
  /** Number of events that were stored before. */
  readonly duplicates: number;
  /** Number of refused events. */
  readonly refused: number;
  /** Number of unknown fields that were left out. Absent in answers of older gateways. */
  readonly ignored?: number;
  /** Names of such fields, each once; at most 20. */
  readonly ignored_fields?: readonly string[];
}

/** Body of the `event` entries in the log of an emitted session: what is stored beside its output. */
export interface TrafficMark {
  /** The event without its output. */
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

/** One event without its output, from `GET /v1/pty-traffic`. */
export interface StoredEvent {
  /** Id for paging; sorts by arrival. */
  readonly id: string;
  /** The gateway's id of the session. */
  readonly session: SessionId;
  /** The emitter's id of the session. */
  readonly session_id: string;
  /** Name of the program that emits. */
  readonly source: string;
  /** Labels of the session. */
  readonly labels: Readonly<Record<string, string>>;
  /** Number of the event in its session; null without a producer. */
  readonly seq: number | null;
  /** Unix time of the arrival in milliseconds. */
  readonly received_at: number;
  /** Unix time in milliseconds at the emitter; null if it gave none. */
  readonly timestamp: number | null;
  /** Beginning of the command; null if the event has none. */
  readonly command_preview: string | null;
  /** Beginning of the output; null if the event has none. */
  readonly response_preview: string | null;
  /** Exit code; null if the event has none. */
  readonly exit_code: number | null;
  /** Name of a signal; null if the event has none. */
  readonly signal: string | null;
  /** Whether the session ended with it. */
  readonly is_final: boolean;
  /** Bytes of output. */
  readonly size: number;
  /** Bytes of output in front of it that the emitter dropped. */
  readonly lost_bytes: number;
  /** Output offset at which its output begins in the session's log. */
  readonly offset: number;
}

/** Query of `GET /v1/pty-traffic`. All given fields must match; the names are those of the events. */
export interface TrafficQuery {
  /** The emitter's id of a session, or the gateway's. */
  readonly session_id?: string;
  /** Name of the program that emits. */
  readonly source?: string;
  /** `key` or `key=value`. */
  readonly label?: string;
  /** Text that the command contains, in any case. */
  readonly command?: string;
  /** Exit code. */
  readonly exit_code?: number;
  /** Whether the session ended with the event. */
  readonly is_final?: boolean;
  /** Unix time in milliseconds: received then or later. */
  readonly since?: number;
  /** Unix time in milliseconds: received before. */
  readonly until?: number;
  /** The `next` of the page before. */
  readonly after?: string;
  /** Maximum number of events, 1 to 500. Default 100. */
  readonly limit?: number;
}

/** Query of `GET /v1/pty-traffic/stats`. */
export type StatsQuery = Pick<TrafficQuery, 'since' | 'until' | 'source'>;

/** A page of events. */
export interface StoredEventList {
  /** Newest first. */
  readonly events: readonly StoredEvent[];
  /** The `after` of the next page; null on the last page. */
  readonly next: string | null;
}

/** Answer of `GET /v1/pty-traffic/stats`. */
export interface TrafficStats {
  /**
   * Counts by hour and source. `hour` is the Unix time of its beginning in milliseconds; `failures` are final events
   * with a signal or an exit code other than 0.
   */
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

/** Filter of live events. All given fields must match. */
export interface TrafficFilter {
  /** The emitter's id of a session, or the gateway's id of any session. */
  readonly session_id?: string;
  /** Name of the program that emits; `local` for the gateway's own sessions. */
  readonly source?: string;
  /** `key` or `key=value`. */
  readonly label?: string;
  /** Text that the command contains, in any case. */
  readonly command?: string;
  /** Exit code. */
  readonly exit_code?: number;
  /** Whether the program runs. */
  readonly running?: boolean;
}

/** Messages of a client to `/v1/pty-traffic/ws`. */
export type TrafficClientMessage =
  | {
      readonly type: 'subscribe';
      /** Chosen by the client, for `unsubscribe` and the answers. Default `default`; again: another filter. */
      readonly id?: string;
      readonly filter?: TrafficFilter;
      /**
       * `start`: all that is kept of what matches, then what comes, in one read. `now`: what comes. A position: only
       * with a `session_id`. Default `start` with a `session_id`, else `now`. Sessions that begin to match later are
       * read from their start.
       */
      readonly from?: 'start' | 'now' | string;
      /**
       * For a subscription that goes on after a lost connection: the position of each known session, by the gateway's
       * id (at most 10,000). Other sessions are read from their start if they began or ended at `since` or later.
       */
      readonly resume?: { readonly since: number; readonly positions: Readonly<Record<string, string>> };
      /** Default `text`: invalid bytes are U+FFFD, characters never split. */
      readonly encoding?: 'text' | 'base64';
    }
  | { readonly type: 'unsubscribe'; readonly id?: string }
  | { readonly type: 'ping'; readonly timestamp: number }
  | { readonly type: 'pong'; readonly timestamp: number };

/**
 * A piece of what happened in one session, in order; a large event is sent in several. The first piece of a session
 * that is not read from a position has no output: it names the command, and where reading begins.
 */
export interface PtyEvent {
  /** The emitter's id of the session, or the gateway's for its own. */
  readonly session_id: string;
  /** The gateway's id of the session. */
  readonly session: SessionId;
  /** Name of the program that emits; `local` for the gateway's own sessions. */
  readonly source: string;
  /** Labels of the session. */
  readonly labels: Readonly<Record<string, string>>;
  /** Command of the session, with its first event and when it changes. */
  readonly command?: string;
  /** Beginning of the command, with `command` and where an emitter gave one: at most 500 characters. */
  readonly command_preview?: string;
  /** Output as text. */
  readonly response?: string;
  /** Output as bytes, if `encoding` is `base64`. */
  readonly response_base64?: string;
  /** Beginning of the output: of an emitted event's first piece, and of all local output. At most 500 characters. */
  readonly response_preview?: string;
  /** Stream of the output. */
  readonly stream?: OutputKind;
  /** Exit code, with the event that has it. */
  readonly exit_code?: number | null;
  /** Name of the signal that ended the program. */
  readonly signal?: string | null;
  /** Whether the session ended with it. */
  readonly is_final: boolean;
  /** Bytes of output in front of it that the emitter dropped. */
  readonly lost_bytes?: number;
  /** Unix time in milliseconds. */
  readonly timestamp: number;
  /** Output offset at which its output begins. */
  readonly offset: number;
  /** Position behind it: the `from` of the next subscription. */
  readonly position: string;
}

/** Messages of `/v1/pty-traffic/ws` to a client. */
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

/** A place in the output of a session that matches a search. */
export interface SearchHit {
  /** Id of the session. */
  readonly session: SessionId;
  /** Name of the session. */
  readonly name: string;
  /** State of the session. */
  readonly state: SessionState;
  /** Origin of a program that runs elsewhere; null for the gateway's own sessions. */
  readonly foreign: ForeignInfo | null;
  /** Output offset of the line with the first match: `attach({ offset })` begins there. */
  readonly offset: number;
  /** Lines around it as plain text, at most 400 characters. */
  readonly snippet: string;
  /** Ranges of the matches in `snippet`, in UTF-16 units: first, and behind the last. */
  readonly matches: readonly (readonly [number, number])[];
  /** Unix time of the output in milliseconds. */
  readonly time: number;
}

/** A page of hits. */
export interface SearchResult {
  /** Newest first. */
  readonly hits: readonly SearchHit[];
  /** The `after` of the next page; null on the last page. */
  readonly next: string | null;
  /** Bytes of output that are not in the index yet. */
  readonly behindBytes: number;
}

// Search over the messages of conversations: `GET /v1/search/messages`

/** A message of a conversation that matches a search. */
export interface MessageHit {
  /** Key of the conversation. */
  readonly conversation: ConversationKey;
  /** Title of the conversation; may be empty. */
  readonly title: string;
  /** Id of the message. */
  readonly message: string;
  /** `assistant` is the agent. */
  readonly role: 'user' | 'assistant';
  /** Part of the message, at most 400 characters. */
  readonly snippet: string;
  /** Ranges of the matches in `snippet`, in UTF-16 units: first, and behind the last. */
  readonly matches: readonly (readonly [number, number])[];
  /** Unix time of the message in milliseconds. */
  readonly time: number;
}

/** A page of messages. */
export interface MessageSearchResult {
  /** Newest first. */
  readonly hits: readonly MessageHit[];
  /** The `after` of the next page; null on the last page. */
  readonly next: string | null;
  /** Maximum number of messages that are not in the index yet. */
  readonly behind: number;
}
