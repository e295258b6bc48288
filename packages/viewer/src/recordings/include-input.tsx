// Whether a file has what was typed, as a box to tick with what that means.

import { type ReactNode, useId } from 'react';
import './include-input.css';

interface InputChoiceProps {
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly label: string;
  /** What that means. */
  readonly children: ReactNode;
  readonly test: string;
}

export function InputChoice({ checked, onChange, label, children, test }: InputChoiceProps) {
  const id = useId();
  return (
    <label className="input-choice" htmlFor={id}>
      <input
        id={id}
        type="checkbox"
        checked={checked}
        onChange={(event) => onChange(event.target.checked)}
        data-testid={test}
      />
      <span>
        {label}
        <small>{children}</small>
      </span>
    </label>
  );
}
