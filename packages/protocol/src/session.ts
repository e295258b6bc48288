// What the REST API says about sessions and leases.

declare const brand: unique symbol;
/** A UUID (version 7, so that ids sort by creation time). */
export type SessionId = string & { readonly [brand]: 'SessionId' };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const isSessionId = (text: string): text is SessionId => UUID.test(text);

export type Mode = 'pty' | 'pipe';

/** `lost`: the runner that owned the program died; the log is whole up to what it had written. */
export type SessionState = 'starting' | 'running' | 'exited' | 'closed' | 'lost';

/**
 * Why a session is `lost`: the runner that owned its program died; the data directory is a copy, and the program goes
 * on in the original; nothing was heard of a session from elsewhere any more.
 */
export const LOST_REASONS = ['runner_died', 'copied', 'silent'] as const;
export type LostReason = (typeof LOST_REASONS)[number];

/** `ingest` stands beside the others: it may emit what happens elsewhere, and see nothing. */
export type Scope = 'view' | 'input' | 'create' | 'admin' | 'ingest';
export const SCOPES: readonly Scope[] = ['view', 'input', 'create', 'admin', 'ingest'];
const LADDER: readonly Scope[] = ['view', 'input', 'create', 'admin'];
/** `view`, `input`, `create` and `admin` each contain those before them; `admin` contains `ingest` as well. */
export const allows = (held: Scope, needed: Scope): boolean =>
  held === needed || (needed === 'ingest' ? held === 'admin' : LADDER.indexOf(held) > LADDER.indexOf(needed));

export interface CreateSession {
  /** Shell text, run by `$SHELL -c`. Not together with `argv`. Neither: an interactive shell. */
  readonly command?: string;
  readonly argv?: readonly string[];
  /** Default `pty`. */
  readonly mode?: Mode;
  /** Default: the home directory. */
  readonly cwd?: string;
  /** Added to the allow-listed environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Columns, 1 to 65535, default 80. */
  readonly cols?: number;
  /** Rows, 1 to 65535, default 24. */
  readonly rows?: number;
  readonly name?: string;
  /** Seen with its name, to filter by. At most 16; names 1 to 64 characters, values at most 256, of one line. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Start a bash that takes runs (POST /v1/sessions/:id/runs), without anybody's start-up files. In a terminal people
   * can type into it as well. Not together with `command` or `argv`.
   */
  readonly runs?: boolean;
}

export interface SessionInfo {
  readonly id: SessionId;
  readonly name: string;
  readonly state: SessionState;
  readonly running: boolean;
  readonly mode: Mode;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly cols: number;
  readonly rows: number;
  readonly pid: number | null;
  /** Null until it has exited, and when a signal ended it. Never made up. */
  readonly exitCode: number | null;
  /** The signal that ended it, by name. */
  readonly signal: string | null;
  readonly epoch: string;
  /** Output bytes since the beginning: the `since` of "only what comes next". */
  readonly outputOffset: number;
  /** The first output byte that is still kept. */
  readonly oldestOffset: number;
  /** Output bytes known to survive a power loss (fdatasync done). */
  readonly syncedOffset: number;
  /** The position behind the last entry. */
  readonly position: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly exitedAt: number | null;
  readonly lease: LeaseInfo | null;
  /** Set while the program waits for disk space. */
  readonly stalled: 'disk_full' | null;
  /** Null where the session takes no runs. */
  readonly runs: { readonly current: string | null; readonly queued: number } | null;
  /** Where it comes from, for a session whose program runs elsewhere. It can be watched, not steered. */
  readonly foreign: ForeignInfo | null;
  /** Given when it was made; those of `foreign` where its program runs elsewhere. */
  readonly labels: Readonly<Record<string, string>>;
  /** What it is doing. Null where it does not run, or nobody can tell. */
  readonly activity: SessionActivity | null;
  /** Reason of the loss; only `lost` sessions have one. */
  readonly lostReason?: LostReason;
}

/** States in a program's report about itself (OSC 7501, or a hook). */
export const STATUS_STATES = ['idle', 'working', 'blocked', 'done', 'error', 'clear'] as const;

/** Report of a program about its own state. `reason`: what blocks it. `text`: in its words, one line. */
export interface StatusReport {
  readonly state: (typeof STATUS_STATES)[number];
  readonly reason?: 'permission' | 'question' | 'auth' | undefined;
  readonly text?: string | undefined;
  /** Time of the state, ms since 1970: reports may overtake one another. */
  readonly at?: number | undefined;
}

/** States of an activity. Sessions that wait for a person come first in lists. */
export const ACTIVITY_STATES = ['waiting_approval', 'waiting_input', 'working', 'idle'] as const;

export interface SessionActivity {
  readonly state: (typeof ACTIVITY_STATES)[number];
  /** Milliseconds since 1970. */
  readonly since: number;
  /** What it waits for, in words that are safe to show; null where nobody said. */
  readonly text: string | null;
}

/** Somebody who follows a session. */
export interface Watcher {
  /** Of the connection; a helm is handed over to it. Says nothing to anybody else. */
  readonly id: string;
  readonly name: string;
  /** Came by a share link. */
  readonly isGuest: boolean;
  /** May take the helm when it is handed over. */
  readonly maySteer: boolean;
}

/** What happened in a session over time, drawn from its log. Offsets count output bytes, times are ms since 1970. */
export interface Timeline {
  readonly from: number;
  readonly to: number;
  /** Output by time: `bytes` were written from `time` on, for `stepMs`; `offset` is before them. None where there were none. */
  readonly points: readonly { readonly time: number; readonly offset: number; readonly bytes: number }[];
  readonly stepMs: number;
  readonly marks: readonly TimelineMark[];
  /** There were more marks than are named. */
  readonly isClipped: boolean;
}

export interface TimelineMark {
  readonly kind: 'run' | 'resize' | 'signal' | 'gap' | 'exit' | 'waiting';
  readonly time: number;
  readonly offset: number;
  /** A command, what it waits for, a size, a signal, an exit code: safe to show, and may be empty. */
  readonly text: string;
}

/** What everybody may know of where a session comes from that runs elsewhere. */
export interface ForeignInfo {
  /** The emitter's name of it. */
  readonly sessionId: string;
  readonly source: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The user of the token that it came with. */
  readonly user: string;
  /** Id of its producer; null of an emitter that names none. */
  readonly producer: string | null;
  /** When the last event came, ms since 1970. */
  readonly heardAt: number;
}

export interface SessionList {
  readonly sessions: readonly SessionInfo[];
  /** Pass as `?after=` for the next page; null on the last. */
  readonly next: string | null;
}

/** `waiting`: for approval or for input. `exited`: it does not run. */
export const SESSION_FILTERS = ['waiting', 'working', 'idle', 'exited'] as const;

/** Of a list of sessions: all that is given must hold. */
export interface SessionQuery {
  readonly activity?: (typeof SESSION_FILTERS)[number];
  /** Words that are all in its name, command, directory, id, or what its emitter says of it; not in its output. */
  readonly q?: string;
  /** `key` or `key=value`. */
  readonly label?: string;
  /** The `next` of the page before. */
  readonly after?: string;
  /** 1 to 1000, default 100. */
  readonly limit?: number;
}

/** What everybody may know about the helm. */
export interface LeaseInfo {
  readonly holder: string;
  /** Grows with every change of hands. A write with an older one is refused. */
  readonly fence: number;
  /** Milliseconds from now until it releases itself. */
  readonly expiresInMs: number;
}

/** What the holder gets: `lease` is a secret that goes with each write. */
export interface Lease extends LeaseInfo {
  readonly lease: string;
}

/** `ask`: tell the holder that one would like it. `hand_over`: the holder gives it `to` somebody who watches. */
export type LeaseAction = 'acquire' | 'renew' | 'release' | 'take' | 'ask' | 'hand_over';

/** The answer to an input message. */
export interface InputReceipt {
  /** Bytes taken. All or none of one message. */
  readonly accepted: number;
  /** This number of this client had been taken before; nothing was written again. */
  readonly duplicate: boolean;
  /** Bytes that wait because the program does not read. */
  readonly queued: number;
}

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
export type SignalName = (typeof SIGNALS)[number];

/** Accepts `INT`, `int` and `SIGINT`. */
export function parseSignal(text: string): SignalName | undefined {
  const upper = text.toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  return SIGNALS.find((known) => known === name);
}
