// Asks before a link of a program's output is opened: its words may say another place than its target.

import { Dialog } from './dialog.tsx';
import { oneLine } from './words.ts';

export function LinkQuestion({ target, onClose }: { readonly target: string; readonly onClose: () => void }) {
  const isWeb = /^https?:\/\//i.test(target);
  return (
    <Dialog label="Open this link?" onClose={onClose}>
      <h2>Open this link?</h2>
      <p>A program printed it. It leads to</p>
      <p className="link-target">
        <code data-testid="link-target">{oneLine(target, 500)}</code>
      </p>
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button primary"
          disabled={!isWeb}
          onClick={() => {
            window.open(target, '_blank', 'noopener,noreferrer');
            onClose();
          }}
        >
          Open in a new tab
        </button>
      </div>
    </Dialog>
  );
}
