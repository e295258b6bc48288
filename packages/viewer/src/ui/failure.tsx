// An error: its message, its hint, and its code to search for.

import type { BinnacleError } from '@binnacle/protocol';
import './failure.css';

export function Failure({ error }: { readonly error: BinnacleError }) {
  return (
    <div className="failure" role="alert" data-testid="failure" data-code={error.code}>
      <p className="failure-message">{error.message}</p>
      <p className="failure-hint">
        {error.hint} <code>{error.code}</code>
      </p>
    </div>
  );
}
