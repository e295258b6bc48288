// A native modal dialog that is open as long as it is rendered.

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
    // Closed while still in the document: the focus then returns to its earlier element.
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
        // A click outside closes a palette only; a question may contain typed text, and stays.
        if (kind === 'palette' && event.target === ref.current) onClose();
      }}
      onCancel={(event) => {
        // Escape only calls `onClose`; the parent unmounts the dialog, so that "open" has one owner.
        event.preventDefault();
        onClose();
      }}
    >
      {children}
    </dialog>
  );
}

interface DialogButtonsProps {
  /** Text of the button that closes the dialog. Default: Cancel. */
  readonly label?: string;
  readonly testId?: string;
  readonly onClose: () => void;
  readonly children?: ReactNode;
}

/** The last row of a dialog: the button that closes it, and behind it `children`. */
export const DialogButtons = ({ label = 'Cancel', testId, onClose, children }: DialogButtonsProps) => (
  <div className="dialog-buttons">
    <button type="button" className="button" onClick={onClose} data-testid={testId}>
      {label}
    </button>
    {children}
  </div>
);
