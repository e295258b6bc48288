// Waits for a state of a session, a run or a conversation, without a timer that polls.

import { BinnacleError, type RunInfo } from '@binnacle/protocol';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { Liveness } from './liveness.ts';

export interface WaitOptions {
  /** Maximum wait. Default: none. */
  readonly timeoutMs?: number | undefined;
  /** Aborted when the waiter is gone. */
  readonly signal: AbortSignal;
}

/** Ends a wait from outside. */
export interface WaitEnds {
  /** Checks the condition again. */
  check(): void;
  /** Ends the wait with the state as it is. */
  finish(): void;
  fail(why: unknown): void;
}

/**
 * Resolves when `isReached` is true, after `timeoutMs`, or when the wait is aborted. `watch` starts the listeners and
 * returns the functions that end them. The condition is read behind the start of the listeners in the same event-loop
 * turn, so no change can be missed.
 */
export function waitFor(
  isReached: () => boolean,
  watch: (ends: WaitEnds) => readonly (() => void)[],
  { timeoutMs, signal }: WaitOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const release: (() => void)[] = [];
    const settle = (act: () => void): void => {
      for (const undo of release.splice(0)) undo();
      act();
    };
    const ends: WaitEnds = {
      check: () => {
        if (isReached()) ends.finish();
      },
      finish: () => settle(resolve),
      fail: (why) => settle(() => reject(why)),
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(ends.finish, timeoutMs);
    signal.addEventListener('abort', ends.finish);
    release.push(
      () => clearTimeout(timer),
      () => signal.removeEventListener('abort', ends.finish),
      ...watch(ends),
    );
    if (signal.aborted) ends.finish();
    else ends.check();
  });
}

export interface SessionWait extends WaitOptions {
  readonly liveness: Liveness;
  /** The sessions that the waiter may see. */
  readonly seen: SeenSessions;
}

/**
 * Starts what ends each wait for a session with an error: `session_gone` when the session is deleted,
 * `session_not_found` when the waiter loses access, and `going_away` when the gateway stops.
 */
export const watchSession = (
  session: Session,
  { seen, liveness }: Pick<SessionWait, 'seen' | 'liveness'>,
  fail: (why: unknown) => void,
): readonly (() => void)[] => [
  session.listen({ deleted: () => fail(new BinnacleError('session_gone')) }),
  seen.hold(session, fail),
  liveness.watch({
    heardAt: undefined,
    fullSince: undefined,
    ping: () => undefined,
    cut: (code) => fail(new BinnacleError(code)),
  }),
];

export const hasRunBegun = ({ state }: RunInfo): boolean => state !== 'queued';
export const hasRunEnded = ({ state }: RunInfo): boolean => state === 'ended';

/** Resolves with the run when `isReached` is true, or as it is when the wait ends. Throws the errors of `watchSession`. */
export async function waitForRun(
  session: Session,
  { run, isReached, ...wait }: SessionWait & { readonly run: RunInfo; isReached(run: RunInfo): boolean },
): Promise<RunInfo> {
  let latest = latestOf(session, run);
  if (!session.isHosted) return latest;
  await waitFor(
    () => isReached(latest),
    ({ check, fail }) => [
      session.listen({
        ran: (_, changed) => {
          if (changed.id !== run.id) return;
          latest = changed;
          check();
        },
        // If the runner died, the end of the session is the end of the run.
        changed: () => {
          if (session.isHosted) return;
          latest = latestOf(session, latest);
          check();
        },
      }),
      ...watchSession(session, wait, fail),
    ],
    wait,
  );
  return latest;
}

/** Resolves when the program has ended, or when the wait ends. Throws the errors of `watchSession`. */
export async function waitForExit(session: Session, wait: SessionWait): Promise<void> {
  await waitFor(
    () => !session.info.running,
    ({ check, fail }) => [session.listen({ changed: check }), ...watchSession(session, wait, fail)],
    wait,
  );
}

/** Returns the latest known state of a run. A run that the session has forgotten stays unchanged. */
export function latestOf(session: Session, run: RunInfo): RunInfo {
  if (run.state === 'ended') return run;
  try {
    return session.runs.find(run.id);
  } catch (error) {
    if (error instanceof BinnacleError) return run;
    throw error;
  }
}
