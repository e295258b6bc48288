// A failure in words: what happened, what to do, and the code to search for.

import { BinnacleError } from '@binnacle/protocol';

/** Whatever was thrown, as one of ours. */
export function asFailure(thrown: unknown): BinnacleError {
  if (thrown instanceof BinnacleError) return thrown;
  return new BinnacleError('internal', {
    message: `The page failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    hint: 'Reload it; if that happens again, please report it.',
    cause: thrown,
  });
}

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
