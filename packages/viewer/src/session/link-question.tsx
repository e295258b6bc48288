// Asks before a link of a program's output is opened: its words may say another place than its target.

import { oneLine } from '../model/format.ts';
import { Dialog } from '../ui/dialog.tsx';
import './link-question.css';

export function LinkQuestion({ target, onClose }: { readonly target: string; readonly onClose: () => void }) {
  const url = webAddress(target);
  return (
    <Dialog label="Open this link?" onClose={onClose}>
      <h2>Open this link?</h2>
      {url === undefined ? (
        <p>A program printed it. It is no web address, so it is not opened from here:</p>
      ) : (
        // What stands before an @ in it, and letters that look like others, are made to be taken for the host.
        <p>
          A program printed it. It leads to <strong data-testid="link-host">{url.host}</strong>:
        </p>
      )}
      <p className="link-target">
        <code data-testid="link-target">{oneLine(url?.href ?? target, 500)}</code>
      </p>
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button primary"
          disabled={url === undefined}
          onClick={() => {
            window.open(url?.href, '_blank', 'noopener,noreferrer');
            onClose();
          }}
        >
          Open in a new tab
        </button>
      </div>
    </Dialog>
  );
}

/** As the browser will read it: its host in plain letters, and nothing in it that hides. */
function webAddress(target: string): URL | undefined {
  try {
    const url = new URL(target);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined;
  } catch {
    return undefined; // no address at all
  }
}
