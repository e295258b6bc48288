// The requests of a component, such as a dialog: whether one is under way, and the failure of the last one.

import type { BinnacleError } from '@binnacle/protocol';
import { useState } from 'react';
import { asFailure } from '../model/failure.ts';

export interface Requests {
  readonly busy: boolean;
  readonly error: BinnacleError | undefined;
  readonly setError: (error: BinnacleError | undefined) => void;
  /** Follows a request. `done` gets its result. */
  run<T>(request: Promise<T>, done: (result: T) => void): void;
}

export function useRequest(): Requests {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<BinnacleError>();
  const run = <T>(request: Promise<T>, done: (result: T) => void): void => {
    setBusy(true);
    setError(undefined);
    request.then(done, (cause: unknown) => setError(asFailure(cause))).finally(() => setBusy(false));
  };
  return { busy, error, setError, run };
}
