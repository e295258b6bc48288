// A button that is a drawing alone; and one that opens a dialog. Knows nothing of what it does.

import { type ComponentProps, type ReactNode, useState } from 'react';

interface IconButtonProps extends Omit<ComponentProps<'button'>, 'type'> {
  /** What it is, to those who do not see the drawing; and its `title` where none is given. */
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
