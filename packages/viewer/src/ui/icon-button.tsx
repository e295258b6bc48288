// A button with an icon only; and one that opens a dialog.

import { type ComponentProps, type ReactNode, useState } from 'react';

interface IconButtonProps extends Omit<ComponentProps<'button'>, 'type'> {
  /** Name for screen readers; also the `title` if none is given. */
  readonly label: string;
  readonly test?: string;
}

export function IconButton({ label, title = label, test, className = '', ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      className={`button quiet square ${className}`}
      aria-label={label}
      title={title}
      data-testid={test}
      {...rest}
    />
  );
}

interface DialogButtonProps extends IconButtonProps {
  readonly dialog: (close: () => void) => ReactNode;
}

export function DialogButton({ dialog, ...button }: DialogButtonProps) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <IconButton {...button} aria-haspopup="dialog" onClick={() => setOpen(true)} />
      {open && dialog(() => setOpen(false))}
    </>
  );
}
