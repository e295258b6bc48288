// The confirmation before a program is ended or its output removed.

import type { BinnacleError, SessionInfo } from '@binnacle/protocol';
import { useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { oneLine } from '../model/format.ts';
import { title } from '../model/sessions.ts';
import { Dialog } from '../ui/dialog.tsx';
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
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<BinnacleError>();
  const run = (act: () => Promise<void>) => (): void => {
    setBusy(true);
    setError(undefined);
    act()
      .then(onClose, (cause: unknown) => setError(asFailure(cause)))
      .finally(() => setBusy(false));
  };
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
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button danger"
          disabled={busy}
          onClick={run(onRemove)}
          data-testid="end-remove"
        >
          {ends ? 'End and remove' : 'Remove'}
        </button>
        {ends && (
          <button type="button" className="button primary" disabled={busy} onClick={run(onKill)} data-testid="end-keep">
            End, keep output
          </button>
        )}
      </div>
    </Dialog>
  );
}
