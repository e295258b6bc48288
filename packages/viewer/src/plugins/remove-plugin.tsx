// The confirmation before a plugin and its data are removed.

import type { BinnacleError, PluginInfo } from '@binnacle/protocol';
import { useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { oneLine } from '../model/format.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Failure } from '../ui/failure.tsx';

interface RemovePluginProps {
  readonly info: PluginInfo;
  readonly onRemove: () => Promise<void>;
  readonly onClose: () => void;
}

export function RemovePlugin({ info, onRemove, onClose }: RemovePluginProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<BinnacleError>();
  const remove = (): void => {
    setBusy(true);
    setError(undefined);
    onRemove()
      .then(onClose, (cause: unknown) => setError(asFailure(cause)))
      .finally(() => setBusy(false));
  };
  return (
    <Dialog label="Remove this plugin?" onClose={onClose}>
      <h2>Remove “{oneLine(info.name, 60)}”?</h2>
      <p>
        Its process is ended, and its files, its log, its stored data and its grants are removed from this server. That
        cannot be undone.
      </p>
      {error !== undefined && <Failure error={error} />}
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" className="button danger" disabled={busy} onClick={remove} data-testid="remove-sure">
          Remove
        </button>
      </div>
    </Dialog>
  );
}
