// Outcomes of actions as values, so that a forgotten `catch` in an event handler does no harm. Pure.

import { BinnacleError } from '@binnacle/protocol';

/** Outcome of an action: a value, or the error with its `code`, `message` and `hint`. */
export type Result<T = void> =
  | { readonly ok: true; readonly value: T }
  /** Branch on `error.code`; show `error.message` and `error.hint`. */
  | { readonly ok: false; readonly error: BinnacleError };

/** Runs an action and returns its outcome. Never rejects. */
export async function resultOf<T>(act: () => Promise<T>): Promise<Result<T>> {
  try {
    return { ok: true, value: await act() };
  } catch (error) {
    return { ok: false, error: BinnacleError.of(error) };
  }
}
