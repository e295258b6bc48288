// Failure format of the sandbox daemon's routes: `{code, message}` with the daemon's names. The only place that maps
// them.

import { BinnacleError, type Code } from '@binnacle/protocol';
import type { Dialect } from '../http/answer.ts';
import { z } from '../http/routes.ts';

/**
 * The daemon's names for failures. All other codes are the gateway's in capitals, which say more than RUNTIME_ERROR.
 */
const NAMES: Readonly<Partial<Record<Code, string>>> = {
  bad_request: 'INVALID_REQUEST_BODY',
  bad_cwd: 'INVALID_REQUEST_BODY',
  command_not_found: 'INVALID_REQUEST_BODY',
  bad_content_type: 'INVALID_REQUEST_BODY',
  body_too_large: 'INVALID_REQUEST_BODY',
  session_not_found: 'CONTEXT_NOT_FOUND',
  session_gone: 'CONTEXT_NOT_FOUND',
  run_not_found: 'CONTEXT_NOT_FOUND',
};

const ErrorBody = z
  .object({
    code: z.string(),
    message: z.string(),
    hint: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
    error: z.string().optional().describe('With 401 only: the message again.'),
  })
  .openapi('ExecdError');

const nameOf = (error: BinnacleError): string => {
  if (error.details?.missing === true && error.details.in === 'query') return 'MISSING_QUERY';
  return NAMES[error.code] ?? (error.status >= 500 && error.status !== 501 ? 'RUNTIME_ERROR' : wordOf(error.code));
};

/** Returns a code as the daemon's WebSocket frames spell it. */
export const wordOf = (code: Code): string => code.toUpperCase();

function failure(error: BinnacleError): { readonly status: number; readonly body: object } {
  // The daemon returns 404 for a deleted session, and clients rely on that for a second delete.
  const status = error.code === 'session_gone' ? 404 : error.status;
  const { message, hint, details } = error;
  const body = { code: status === 401 ? 'UNAUTHORIZED' : nameOf(error), message, hint, ...(details && { details }) };
  return { status, body: status === 401 ? { error: message, ...body } : body };
}

/** Dialect of the daemon's own routes. */
export const EXECD: Dialect = { tokenHeaders: [], failure, schema: ErrorBody };
/**
 * Dialect of the lifecycle server: its API key is a token of this gateway. On the daemon's routes that header may be
 * for another server.
 */
export const LIFECYCLE: Dialect = { tokenHeaders: ['open-sandbox-api-key'], failure, schema: ErrorBody };

/** Creates the error for a query parameter that the daemon reports as missing. */
export const missingQuery = (name: string): BinnacleError =>
  new BinnacleError('bad_request', {
    message: `The query parameter "${name}" is missing.`,
    details: { in: 'query', field: name, missing: true },
  });
