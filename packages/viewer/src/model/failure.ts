// Converts any thrown value into an error that the page can show. Pure.

import { BinnacleError } from '@binnacle/protocol';

/** Returns a thrown value as a `BinnacleError`. */
export function asFailure(cause: unknown): BinnacleError {
  if (cause instanceof BinnacleError) return cause;
  return new BinnacleError('internal', {
    message: `The page failed: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: 'Reload it; if that happens again, please report it.',
    cause,
  });
}
