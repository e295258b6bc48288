// The confirmation before a program is ended or its output removed, and the signals that end the program.

import type { SessionActions } from '@binnacle/client/react';
import { BinnacleError, type SessionInfo } from '@binnacle/protocol';
import { oneLine } from '../model/format.ts';
import { title } from '../model/sessions.ts';
import { useRequest } from '../state/use-request.ts';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';

interface EndSessionProps {
  readonly info: SessionInfo;
  /** Ends the program; its output stays. */
  readonly onKill: () => Promise<void>;
  /** Ends the program if it still runs, and removes the session with its output. */
  readonly onRemove: () => Promise<void>;
  readonly onClose: () => void;
}

export function EndSession({ info, onKill, onRemove, onClose }: EndSessionProps) {
  const { busy, error, run } = useRequest();
  const name = oneLine(title(info), 60);
  // A foreign session cannot be ended here: only its stored copy can be removed.
  const ends = info.running && info.foreign === null;
  return (
    <Dialog label={ends ? 'End this program?' : 'Remove this session?'} onClose={onClose}>
      <h2>{ends ? `End “${name}”?` : `Remove “${name}”?`}</h2>
      <p>
        {ends
          ? 'The program is killed, whatever it is doing. You can keep what it printed, or remove that too.'
          : 'Its output is removed from this machine. That cannot be undone.'}
        {info.running && !ends && ' The program goes on where it runs.'}
      </p>
      {error !== undefined && <Failure error={error} />}
      <DialogButtons onClose={onClose}>
        <button
          type="button"
          className="button danger"
          disabled={busy}
          onClick={() => run(onRemove(), onClose)}
          data-testid="end-remove"
        >
          {ends ? 'End and remove' : 'Remove'}
        </button>
        {ends && (
          <button
            type="button"
            className="button primary"
            disabled={busy}
            onClick={() => run(onKill(), onClose)}
            data-testid="end-keep"
          >
            End, keep output
          </button>
        )}
      </DialogButtons>
    </Dialog>
  );
}

// Maximum rounds of signals: a shell, its job, and that job's job. Deeper nesting is rare, and removing the session
// ends that too.
const KILL_ROUNDS = 6;
// Maximum delay until a killed job is reaped and reported.
const KILL_WAIT_MS = 700;
const STILL_RUNNING = {
  message: 'The program still runs.',
  hint: 'End and remove the session: that ends every process in it.',
};

/**
 * Kills the program. A signal goes to the foreground job, so a shell is killed only in the second round. `ended`: aborted
 * when the program has ended, as the feed of the session reports.
 */
export async function killProgram(session: Pick<SessionActions, 'signal'>, ended: AbortSignal): Promise<void> {
  for (let round = 0; round < KILL_ROUNDS && !ended.aborted; round += 1) {
    const result = await session.signal('SIGKILL');
    if (!result.ok && result.error.code === 'session_exited') return;
    // The job of the last round is gone, and its shell is not in the foreground yet.
    if (!result.ok && result.error.code !== 'no_job') throw result.error;
    await abortOf(ended, KILL_WAIT_MS);
  }
  if (!ended.aborted) throw new BinnacleError('internal', STILL_RUNNING);
}

/** Resolves when the signal is aborted, at the latest after `limitMs`. */
async function abortOf(signal: AbortSignal, limitMs: number): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, limitMs);
    signal.addEventListener('abort', done);
  });
}
