// A label with a select field.

import { useId } from 'react';
import './pick.css';

interface PickProps {
  readonly label: string;
  readonly value: string;
  /** Values and their labels. */
  readonly of: readonly (readonly [string, string])[];
  readonly onPick: (value: string) => void;
  readonly test: string;
}

export function Pick({ label, value, of, onPick, test }: PickProps) {
  const id = useId();
  return (
    <div className="pick">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onPick(event.target.value)} data-testid={test}>
        {of.map(([one, label]) => (
          <option key={one} value={one}>
            {label}
          </option>
        ))}
      </select>
    </div>
  );
}
