// A native modal dialog that is open as long as it is rendered. Knows nothing of what is asked in it.

import { type ReactNode, useLayoutEffect, useRef } from 'react';
import './dialog.css';

interface DialogProps {
  readonly label: string;
  readonly kind?: 'question' | 'palette';
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function Dialog({ label, kind = 'question', onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (dialog !== null && !dialog.open) dialog.showModal();
    // While it is still in the page: then the focus goes back to where it was.
    return () => dialog?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same, and it is the browser's
    <dialog
      ref={ref}
      className={kind}
      aria-label={label}
      data-testid="dialog"
      onClick={(event) => {
        // Beside a palette; a question may hold what was typed, and stays.
        if (kind === 'palette' && event.target === ref.current) onClose();
      }}
      onCancel={(event) => {
        // Escape asks us; we unmount it, so that there is one owner of "open".
        event.preventDefault();
        onClose();
      }}
    >
      {children}
    </dialog>
  );
}
