// Runs in the API: one command in a session that takes runs, with one definite end.

import type { SessionId, SessionMode } from './session.ts';

declare const brand: unique symbol;
/**
 * Id of a run: 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with a dot. Chosen by the client, or a UUID of the
 * gateway.
 */
export type RunId = string & { readonly [brand]: 'RunId' };

const RUN_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;
/** Returns whether a text has the form of a run's id. */
export const isRunId = (text: string): text is RunId => RUN_ID.test(text);

/** Maximum characters of a command in a `RunInfo`. */
export const SHOWN_COMMAND_LENGTH = 1000;

/** Request to start a run. */
export interface RunRequest {
  /** Id of the run. A second request with the same id returns the existing run. Default: an id of the gateway. */
  readonly id?: string;
  /** Shell text for bash: not empty, at most 131,071 bytes, without NUL. */
  readonly command: string;
  /** Directory to change to first; the shell stays there. */
  readonly cwd?: string;
  /** Milliseconds until the run is interrupted, then killed. 0 or absent: never. */
  readonly timeoutMs?: number;
  /**
   * Standard input. `null` (default on pipes): /dev/null. `session` (default and only choice in a terminal): the input
   * of the session, which the holder of the lease writes.
   */
  readonly stdin?: 'null' | 'session';
  /**
   * While another run or a person's command is in progress: wait for its end (`queue`, default), or fail with
   * `shell_busy` (`refuse`).
   */
  readonly onBusy?: 'queue' | 'refuse';
}

/** State of a run. */
export type RunState = 'queued' | 'running' | 'ended';

/**
 * How a run ended. `exited`: by itself. `timed_out`, `cancelled`: ended by the gateway, possibly with an exit code.
 * `session_ended`: its session closed first. `lost`: the process that owned it died, and nothing is known.
 */
export type RunOutcome = 'exited' | 'timed_out' | 'cancelled' | 'session_ended' | 'lost';

/** State of a run. */
export interface RunInfo {
  /** Id of the run. */
  readonly id: RunId;
  /** Id of its session. */
  readonly session: SessionId;
  /** The first `SHOWN_COMMAND_LENGTH` characters of the command. */
  readonly command: string;
  /** Name of the client that started it. */
  readonly by: string;
  /** State of the run. */
  readonly state: RunState;
  /** Unix time in milliseconds. */
  readonly queuedAt: number;
  /** Unix time in milliseconds; null before the start. */
  readonly startedAt: number | null;
  /** Unix time in milliseconds; null before the end. */
  readonly endedAt: number | null;
  /** Milliseconds that the command took, by a monotonic clock; null before the end. */
  readonly durationMs: number | null;
  /** Position before its first entry; null before the start. */
  readonly position: string | null;
  /** Output offset of the session at which its output begins; null before the start. */
  readonly startOffset: number | null;
  /** Output offset behind its output; null before the end. */
  readonly endOffset: number | null;
  /** The value of `$?`: 128 + n after signal n. Null before the end, and where it is not known. */
  readonly exitCode: number | null;
  /** How it ended; null before the end. */
  readonly outcome: RunOutcome | null;
  /** Whether it ended the shell (`exit`, `exec`, `set -e`, a kill). The next run has a fresh shell, see PROTOCOL.md. */
  readonly reset: boolean;
  /** Directory of the shell afterwards; null where it is not known. */
  readonly cwd: string | null;
}

/**
 * Entry of kind `event` in the log of a session that takes runs. `run_ended` stands behind the last byte of the run's
 * output. `session_reset`: a fresh shell replaced one that ended; its functions, jobs and traps are gone.
 */
export type RunEvent =
  | { readonly type: 'run_started'; readonly run: RunInfo }
  /** Behind the last byte of its output, always. */
  | { readonly type: 'run_ended'; readonly run: RunInfo }
  /** A fresh shell took the place of one that ended: functions, jobs and traps of it are gone. */
  | { readonly type: 'session_reset'; readonly exitCode: number };

/** A process of a session, other than those of the gateway. */
export interface ProcessInfo {
  /** Process id. */
  readonly pid: number;
  /** Process id of its parent. */
  readonly parent: number;
  /** Arguments, joined by spaces, at most 1000 characters. */
  readonly command: string;
}

/** Returns the default of `RunRequest.stdin`. */
export const defaultStdin = (mode: SessionMode): 'null' | 'session' => (mode === 'pty' ? 'session' : 'null');
