// Waits for a run to reach a state.

import { BinnacleError, type RunInfo } from '@binnacle/protocol';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { Liveness } from './liveness.ts';

export interface RunWait {
  readonly run: RunInfo;
  isReached(run: RunInfo): boolean;
  /** Maximum wait. Default: none. */
  readonly timeoutMs?: number;
  /** Aborted when the waiter is gone. */
  readonly signal: AbortSignal;
  readonly liveness: Liveness;
  /** The sessions that the waiter may see. */
  readonly seen: SeenSessions;
}

export const hasRunBegun = ({ state }: RunInfo): boolean => state !== 'queued';
export const hasRunEnded = ({ state }: RunInfo): boolean => state === 'ended';

/**
 * Resolves with the run when `isReached` is true, after `timeoutMs`, or when the wait is aborted. Throws `session_gone`
 * when its session is deleted, `session_not_found` when the waiter loses access, and `going_away` when the gateway
 * stops.
 */
export function waitForRun(
  session: Session,
  { run, isReached, timeoutMs, signal, liveness, seen }: RunWait,
): Promise<RunInfo> {
  return new Promise((resolve, reject) => {
    // Read in the same event-loop turn in which the listener starts: no change can be missed between the two.
    let latest = latestOf(session, run);
    const release: (() => void)[] = [];
    const settle = (act: () => void): void => {
      for (const undo of release.splice(0)) undo();
      act();
    };
    const done = (): void => settle(() => resolve(latest));
    const check = (now: RunInfo): void => {
      latest = now;
      if (isReached(latest)) done();
    };
    release.push(
      session.listen({
        ran: (_, changed) => {
          if (changed.id === run.id) check(changed);
        },
        // If the runner died, the end of the session is the end of the run.
        changed: () => {
          if (!session.isHosted) check(latestOf(session, latest));
        },
        deleted: () => settle(() => reject(new BinnacleError('session_gone'))),
      }),
      seen.hold(session, (why) => settle(() => reject(why))),
      liveness.watch({
        heardAt: undefined,
        fullSince: undefined,
        ping: () => undefined,
        cut: (code) => settle(() => reject(new BinnacleError(code))),
      }),
    );
    const timer = timeoutMs === undefined ? undefined : setTimeout(done, timeoutMs);
    signal.addEventListener('abort', done);
    release.push(
      () => clearTimeout(timer),
      () => signal.removeEventListener('abort', done),
    );
    if (signal.aborted || !session.isHosted) done();
    else check(latest);
  });
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
