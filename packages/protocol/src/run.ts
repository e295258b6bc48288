// What the REST API says about runs: one command in a session that takes runs, with one definite end.

import type { Mode, SessionId } from './session.ts';

declare const brand: unique symbol;
/** Chosen by the client, or a UUID of ours: 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with a dot. */
export type RunId = string & { readonly [brand]: 'RunId' };

const RUN_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;
export const isRunId = (text: string): text is RunId => RUN_ID.test(text);

/** Characters of a command that are shown of it. */
export const SHOWN_COMMAND_LENGTH = 1000;

export interface RunRequest {
  /** Sent twice it acts once: the answer is the run that has the id already. Default: one of ours. */
  readonly id?: string;
  /** Shell text for bash, as it is: at most 131 071 bytes, not empty, no NUL. */
  readonly command: string;
  /** Goes there first, and stays. */
  readonly cwd?: string;
  /** Milliseconds until it is interrupted, then ended. 0 or none: never. */
  readonly timeoutMs?: number;
  /**
   * What it reads: `null` (default on pipes) is /dev/null; `session` (default and only choice on a terminal) is the
   * input of the session, which viewers with the helm write.
   */
  readonly stdin?: 'null' | 'session';
  /** While another run or a person's command is going on: wait for its end (default), or fail with `shell_busy`. */
  readonly onBusy?: 'queue' | 'refuse';
}

export type RunState = 'queued' | 'running' | 'ended';

/**
 * `exited`: by itself. `timed_out`, `cancelled`: we ended it; there may be an exit code all the same. `session_ended`:
 * its session closed before it began or ended. `lost`: the process that owned it died; nobody knows.
 */
export type RunOutcome = 'exited' | 'timed_out' | 'cancelled' | 'session_ended' | 'lost';

export interface RunInfo {
  readonly id: RunId;
  readonly session: SessionId;
  /** Its first `SHOWN_COMMAND_LENGTH` characters. */
  readonly command: string;
  /** Who asked for it. */
  readonly by: string;
  readonly state: RunState;
  /** Milliseconds since 1970. */
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Of the command alone, by a monotonic clock. */
  readonly durationMs: number | null;
  /** The position before its first entry; null until it has begun. */
  readonly position: string | null;
  /** Its output is the session's output from here … */
  readonly startOffset: number | null;
  /** … to here. */
  readonly endOffset: number | null;
  /** What bash calls `$?`: 128 + n where signal n ended it. Null until it has ended, and where nobody knows. */
  readonly exitCode: number | null;
  readonly outcome: RunOutcome | null;
  /** It took the shell with it (`exit`, `exec`, `set -e`, a kill). The next run has a fresh one, see PROTOCOL.md. */
  readonly reset: boolean;
  /** Where the shell was afterwards. */
  readonly cwd: string | null;
}

/** Entries of kind `event` in the log of a session that takes runs. */
export type RunEvent =
  | { readonly type: 'run_started'; readonly run: RunInfo }
  /** Behind the last byte of its output, always. */
  | { readonly type: 'run_ended'; readonly run: RunInfo }
  /** A fresh shell took the place of one that ended: functions, jobs and traps of it are gone. */
  | { readonly type: 'session_reset'; readonly exitCode: number };

/** One process of a session, besides those that are ours. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** Its arguments, joined by spaces, at most 1000 characters. */
  readonly command: string;
}

export const defaultStdin = (mode: Mode): 'null' | 'session' => (mode === 'pty' ? 'session' : 'null');
