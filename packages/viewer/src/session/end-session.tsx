// The confirmation before a program is ended or its output removed.

import type { SessionInfo } from '@binnacle/protocol';
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
