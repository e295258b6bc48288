// A checkbox that includes typed text in a file, with an explanation.

import { type ReactNode, useId } from 'react';
import './include-input.css';

interface InputChoiceProps {
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly label: string;
  /** Explanation of the choice; false without one. */
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
        {children !== false && <small>{children}</small>}
      </span>
    </label>
  );
}
