// Converts any thrown value into an error that the page can show. Pure.

import { BinnacleError } from '@binnacle/protocol';

/** Returns a thrown value as a `BinnacleError`. */
export function asFailure(thrown: unknown): BinnacleError {
  if (thrown instanceof BinnacleError) return thrown;
  return new BinnacleError('internal', {
    message: `The page failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    hint: 'Reload it; if that happens again, please report it.',
    cause: thrown,
  });
}
