// How failures look on the routes of the sandbox daemon: `{code, message}` with its names. The one place that maps them.

import { BinnacleError, type Code } from '@binnacle/protocol';
import type { Dialect } from '../http/answer.ts';
import { z } from '../http/routes.ts';

/** Its names, where it has one for the failure. All others are ours in capitals, which says more than RUNTIME_ERROR. */
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

/** As its WebSocket frames say it. */
export const wordOf = (code: Code): string => code.toUpperCase();

function failure(error: BinnacleError): { readonly status: number; readonly body: object } {
  // A deleted one is a 404 there, and clients rely on it when they delete twice.
  const status = error.code === 'session_gone' ? 404 : error.status;
  const { message, hint, details } = error;
  const body = { code: status === 401 ? 'UNAUTHORIZED' : nameOf(error), message, hint, ...(details && { details }) };
  return { status, body: status === 401 ? { error: message, ...body } : body };
}

/** The daemon's own routes. */
export const EXECD: Dialect = { tokenHeaders: [], failure, schema: ErrorBody };
/** The lifecycle server's: its API key is one of our tokens. On the daemon's routes it may be another server's. */
export const LIFECYCLE: Dialect = { tokenHeaders: ['open-sandbox-api-key'], failure, schema: ErrorBody };

/** For a query parameter that the daemon calls missing. */
export const missingQuery = (name: string): BinnacleError =>
  new BinnacleError('bad_request', {
    message: `The query parameter "${name}" is missing.`,
    details: { in: 'query', field: name, missing: true },
  });
