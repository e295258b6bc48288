// A native modal dialog that is open as long as it is rendered. Knows nothing of what is asked in it.

import { type ReactNode, useEffect, useRef } from 'react';

interface DialogProps {
  readonly label: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function Dialog({ label, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (dialog !== null && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-label={label}
      data-testid="dialog"
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
