// The confirmation before a link in program output opens: its text may name another place than its target.

import { oneLine } from '../model/format.ts';
import { Dialog, DialogButtons } from '../ui/dialog.tsx';
import './link-question.css';

export function LinkQuestion({ target, onClose }: { readonly target: string; readonly onClose: () => void }) {
  const url = webAddress(target);
  return (
    <Dialog label="Open this link?" onClose={onClose}>
      <h2>Open this link?</h2>
      {url === undefined ? (
        <p>A program printed it. It is no web address, so it is not opened from here:</p>
      ) : (
        // The host is shown alone: the text before an @ and look-alike letters are made to be mistaken for the host.
        <p>
          A program printed it. It leads to <strong data-testid="link-host">{url.host}</strong>:
        </p>
      )}
      <p className="link-target">
        <code data-testid="link-target">{oneLine(url?.href ?? target, 500)}</code>
      </p>
      <DialogButtons onClose={onClose}>
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
      </DialogButtons>
    </Dialog>
  );
}

/** Parses the target as the browser will read it: the host in plain letters, without hidden characters. */
function webAddress(target: string): URL | undefined {
  try {
    const url = new URL(target);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined;
  } catch {
    return undefined; // not a valid URL
  }
}
