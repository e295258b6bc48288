// Sessions and leases in the API.

declare const brand: unique symbol;
/** Id of a session: a UUID of version 7, so that ids sort by creation time. */
export type SessionId = string & { readonly [brand]: 'SessionId' };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Returns whether a text has the form of a session's id. */
export const isSessionId = (text: string): text is SessionId => UUID.test(text);

/** `pty`: in a terminal. `pipe`: with stdout and stderr on pipes. */
export type SessionMode = 'pty' | 'pipe';

/**
 * State of a session. `exited`: the program has ended, and its output may still be open. `closed`: nothing follows in
 * the log. `lost`: the program's runner died; the log is whole up to what the runner had written.
 */
export type SessionState = 'starting' | 'running' | 'exited' | 'closed' | 'lost';

/**
 * Reasons for the state `lost`: the runner died; the data directory is a copy, and the program goes on in the original;
 * nothing has come from a program that runs elsewhere.
 */
export const LOST_REASONS = ['runner_died', 'copied', 'silent'] as const;
/** Reason for the state `lost`. */
export type LostReason = (typeof LOST_REASONS)[number];

/**
 * Rights of a token. Each of `view`, `input`, `create` and `admin` contains those before it. `ingest` stands apart: it
 * may emit events of programs that run elsewhere, and see nothing.
 */
export type Scope = 'view' | 'input' | 'create' | 'admin' | 'ingest';
/** All scopes. */
export const SCOPES: readonly Scope[] = ['view', 'input', 'create', 'admin', 'ingest'];
const LADDER: readonly Scope[] = ['view', 'input', 'create', 'admin'];
/** Returns whether a scope contains another. `admin` contains `ingest`. */
export const allows = (granted: Scope, needed: Scope): boolean =>
  granted === needed || (needed === 'ingest' ? granted === 'admin' : LADDER.indexOf(granted) > LADDER.indexOf(needed));

/** Request to create a session. */
export interface CreateSession {
  /** Shell text, run by `$SHELL -c`. Not together with `argv`. Without both, the program is an interactive shell. */
  readonly command?: string;
  /** Program and arguments, run without a shell. */
  readonly argv?: readonly string[];
  /** Default `pty`. */
  readonly mode?: SessionMode;
  /** Working directory. Default: the home directory. */
  readonly cwd?: string;
  /** Variables in addition to the allow-listed environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Columns, 1 to 65535. Default 80. */
  readonly cols?: number;
  /** Rows, 1 to 65535. Default 24. */
  readonly rows?: number;
  /** Name for people. Default: the first line of the command. */
  readonly name?: string;
  /**
   * Labels to filter by, visible with the name. At most 16; keys of 1 to 64 characters, values of one line and at most
   * 256 characters.
   */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Starts a bash that takes runs (`POST /v1/sessions/:id/runs`), without start-up files. In a terminal people can type
   * into it as well. Not together with `command` or `argv`.
   */
  readonly runs?: boolean;
}

/** State of a session. */
export interface SessionInfo {
  /** Id of the session. */
  readonly id: SessionId;
  /** Name for people. */
  readonly name: string;
  /** State of the program and its log. */
  readonly state: SessionState;
  /** Whether the program runs. */
  readonly running: boolean;
  /** Terminal or pipes. */
  readonly mode: SessionMode;
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** Working directory at the start. */
  readonly cwd: string;
  /** Columns of the terminal. */
  readonly cols: number;
  /** Rows of the terminal. */
  readonly rows: number;
  /** Process id; null before the start and for programs that run elsewhere. */
  readonly pid: number | null;
  /** Exit code; null before the exit, after a signal, and where it is not known. Never guessed. */
  readonly exitCode: number | null;
  /** Name of the signal that ended the program; null otherwise. */
  readonly signal: string | null;
  /** Epoch of the log, which is part of each position. */
  readonly epoch: string;
  /** Output bytes since the beginning: the `since` for what comes next. */
  readonly outputOffset: number;
  /** Output offset of the first byte that is still stored. */
  readonly oldestOffset: number;
  /** Output bytes that survive a power loss (fdatasync done). */
  readonly syncedOffset: number;
  /** Position behind the last entry. */
  readonly position: string;
  /** Unix time in milliseconds. */
  readonly createdAt: number;
  /** Unix time in milliseconds; null before the exit. */
  readonly exitedAt: number | null;
  /** Holder of the lease; null if it is free. */
  readonly lease: LeaseInfo | null;
  /** Set while the program waits for disk space. */
  readonly stalled: 'disk_full' | null;
  /** Id of the current run and number of waiting ones; null if the session takes no runs. */
  readonly runs: { readonly current: string | null; readonly queued: number } | null;
  /**
   * Origin of a session whose program runs elsewhere; it can be followed and not steered. Null for the gateway's own.
   */
  readonly foreign: ForeignInfo | null;
  /** Labels given at its creation; those of `foreign` for a program that runs elsewhere. */
  readonly labels: Readonly<Record<string, string>>;
  /** Activity of the program; null if it does not run or nothing is known. */
  readonly activity: SessionActivity | null;
  /** Reason for the state `lost`; absent otherwise. */
  readonly lostReason?: LostReason;
}

/** States in a program's report about itself (OSC 7501, or a hook). */
export const STATUS_STATES = ['idle', 'working', 'blocked', 'done', 'error', 'clear'] as const;

/** Report of a program about its own state. */
export interface StatusReport {
  /** The state. */
  readonly state: (typeof STATUS_STATES)[number];
  /** Reason for `blocked`. */
  readonly reason?: 'permission' | 'question' | 'auth' | undefined;
  /** The program's words, one line. */
  readonly text?: string | undefined;
  /** Unix time of the state in milliseconds: reports may overtake one another. */
  readonly at?: number | undefined;
}

/** States of an activity. Sessions that wait for a person come first in lists. */
export const ACTIVITY_STATES = ['waiting_approval', 'waiting_input', 'working', 'idle'] as const;

/** Activity of a program. */
export interface SessionActivity {
  /** The state. */
  readonly state: (typeof ACTIVITY_STATES)[number];
  /** Unix time in milliseconds. */
  readonly since: number;
  /** Subject of the wait, safe to show; null if not known. */
  readonly text: string | null;
}

/** A client that follows a session. */
export interface Watcher {
  /** Id of its connection, for `SessionLease.transferTo`. It has no other meaning. */
  readonly id: string;
  /** Name for people. */
  readonly name: string;
  /** Whether it came by a share link. */
  readonly isGuest: boolean;
  /** Whether the lease can be handed over to it. */
  readonly maySteer: boolean;
}

/** History of a session over time, read from its log. Offsets count output bytes. */
export interface Timeline {
  /** Unix time of the beginning in milliseconds. */
  readonly from: number;
  /** Unix time of the end in milliseconds. */
  readonly to: number;
  /**
   * Output by time: `bytes` were written in the `stepMs` from `time` on, `offset` is in front of them. Steps without
   * output have no point.
   */
  readonly points: readonly { readonly time: number; readonly offset: number; readonly bytes: number }[];
  /** Milliseconds per step. */
  readonly stepMs: number;
  /** Events that stand out. */
  readonly marks: readonly TimelineMark[];
  /** Whether there are more marks than are listed. */
  readonly isClipped: boolean;
}

/** An event on a timeline. */
export interface TimelineMark {
  /** Kind of the event. */
  readonly kind: 'run' | 'resize' | 'signal' | 'gap' | 'exit' | 'waiting';
  /** Unix time in milliseconds. */
  readonly time: number;
  /** Output offset. */
  readonly offset: number;
  /** A command, what the program waits for, a size, a signal, an exit code: safe to show, and may be empty. */
  readonly text: string;
}

/** Origin of a session whose program runs elsewhere, visible to everyone who sees the session. */
export interface ForeignInfo {
  /** The emitter's id of the session. */
  readonly sessionId: string;
  /** Name of the program that emits. */
  readonly source: string;
  /** Labels of the emitter. */
  readonly labels: Readonly<Record<string, string>>;
  /** User of the emitter's token. */
  readonly user: string;
  /** Id of the producer; null for an emitter that names none. */
  readonly producer: string | null;
  /** Unix time of the last event in milliseconds. */
  readonly heardAt: number;
}

/** A page of sessions. */
export interface SessionList {
  /** Newest first. */
  readonly sessions: readonly SessionInfo[];
  /** The `after` of the next page; null on the last page. */
  readonly next: string | null;
}

/** Activities to filter by. `waiting`: for approval or input. `exited`: not running. */
export const SESSION_FILTERS = ['waiting', 'working', 'idle', 'exited'] as const;

/** Query for a list of sessions. All given fields must match. */
export interface SessionQuery {
  /** Activity of the sessions. */
  readonly activity?: (typeof SESSION_FILTERS)[number];
  /**
   * Words that all occur in the name, the command, the directory, the id or the emitter's description, but not the
   * output.
   */
  readonly q?: string;
  /** `key` or `key=value`. */
  readonly label?: string;
  /** The `next` of the page before. */
  readonly after?: string;
  /** Maximum number of sessions, 1 to 1000. Default 100. */
  readonly limit?: number;
}

/** Public facts about a lease. */
export interface LeaseInfo {
  /** Name of the holder. */
  readonly holder: string;
  /** Number that grows with every change of the holder. A write with a lower fence is refused. */
  readonly fence: number;
  /** Milliseconds until the lease expires without renewal. */
  readonly expiresInMs: number;
}

/** A lease, as its holder gets it. */
export interface Lease extends LeaseInfo {
  /** Secret that goes with each write. */
  readonly lease: string;
}

/** Action on a lease. `ask` asks the holder for it; `hand_over` gives it to another client that follows the session. */
export type LeaseAction = 'acquire' | 'renew' | 'release' | 'take' | 'ask' | 'hand_over';

/** Answer to an input message. */
export interface InputReceipt {
  /** Bytes taken: all or none of a message. */
  readonly accepted: number;
  /** Whether this number of this client had been taken before. Nothing was written again. */
  readonly duplicate: boolean;
  /** Bytes that wait because the program does not read. */
  readonly queued: number;
}

/** Signals that can be sent. */
export const SIGNALS = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGKILL',
  'SIGUSR1',
  'SIGUSR2',
  'SIGTERM',
  'SIGCONT',
  'SIGSTOP',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGALRM',
  'SIGABRT',
  'SIGPIPE',
  'SIGWINCH',
] as const;
/** Name of a signal that can be sent. */
export type SignalName = (typeof SIGNALS)[number];

/**
 * Returns the name of a signal; accepts `INT`, `int` and `SIGINT`. Undefined for an unknown one.
 *
 * @example
 * ```ts
 * import { parseSignal } from '@binnacle/protocol';
 *
 * console.log(parseSignal('int')); // 'SIGINT'
 * ```
 */
export function parseSignal(text: string): SignalName | undefined {
  const upper = text.toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  return SIGNALS.find((known) => known === name);
}
