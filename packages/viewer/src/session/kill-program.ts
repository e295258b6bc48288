// Kills the program of a session.

import type { SessionActions } from '@binnacle/client/react';
import { BinnacleError } from '@binnacle/protocol';

// Maximum rounds of signals: a shell, its job, and that job's job. Deeper nesting is rare, and removing the session
// ends that too.
const KILL_ROUNDS = 6;
// Maximum delay until a killed job is reaped and reported.
const KILL_WAIT_MS = 700;
const STILL_RUNNING = {
  message: 'The program still runs.',
  hint: 'End and remove the session: that ends every process in it.',
};

/** Kills the program. A signal goes to the foreground job, so a shell is killed only in the second round. */
export async function killProgram(session: Pick<SessionActions, 'signal'>, isRunning: () => boolean): Promise<void> {
  for (let round = 0; round < KILL_ROUNDS && isRunning(); round += 1) {
    const result = await session.signal('SIGKILL');
    if (!result.ok && result.error.code === 'session_exited') return;
    // The job of the last round is gone, and its shell is not in the foreground yet.
    if (!result.ok && result.error.code !== 'no_job') throw result.error;
    await until(() => !isRunning(), KILL_WAIT_MS);
  }
  if (isRunning()) throw new BinnacleError('internal', STILL_RUNNING);
}

async function until(holds: () => boolean, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
}
