// Routes for guests of share links: the one list. For guests, all other routes do not exist.

import { BinnacleError } from '@binnacle/protocol';
import type { Reach } from '../store/shares.ts';

/** Target named by the first parameter of the path; `self`: none, the route answers about the guest alone. */
export type RouteTarget = 'session' | 'conversation' | 'self';

/**
 * Routes that show a link's target, or write to it. Each needs its usual scope; a link that only views has `view`.
 * `type` is input: no signals, no runs, no commands, no approvals, nothing that ends or names anything.
 */
const REACHED: Readonly<Record<string, RouteTarget>> = {
  'get /v1/me': 'self',
  'get /v1/shared': 'self',
  'websocket /v1/ws': 'self',
  'get /v1/sessions/:id': 'session',
  'get /v1/sessions/:id/output': 'session',
  'get /v1/sessions/:id/lease': 'session',
  'get /v1/sessions/:id/screen': 'session',
  'get /v1/sessions/:id/timeline': 'session',
  'get /v1/sessions/:id/export': 'session',
  'post /v1/sessions/:id/input': 'session',
  'post /v1/sessions/:id/resize': 'session',
  'get /v1/conversations/:key': 'conversation',
  'get /v1/conversations/:key/messages': 'conversation',
  'get /v1/conversations/:key/messages/:id': 'conversation',
  'get /v1/conversations/:key/runs/:run': 'conversation',
  'get /v1/conversations/:key/events': 'conversation',
  'get /v1/conversations/:key/lease': 'conversation',
  'post /v1/conversations/:key/messages': 'conversation',
};

/** Returns undefined for a route that guests do not reach. `kind` and `path` as in `isReached`. */
export const routeTargetOf = (kind: string, path: string): RouteTarget | undefined =>
  Object.hasOwn(REACHED, `${kind} ${path}`) ? REACHED[`${kind} ${path}`] : undefined;

/** `kind`: the method, or `websocket`. `path`: as the route spells it. */
export const isReached = (kind: string, path: string): boolean => routeTargetOf(kind, path) !== undefined;

/**
 * Throws the route's own error for an unknown id. The route itself checks again: a conversation has sessions, and
 * access to them can change.
 */
export function assertReached(reach: Reach | null, path: string, params: unknown, method: string): void {
  if (reach === null) return;
  const target = routeTargetOf(method, path);
  if (target === undefined) throw new BinnacleError('not_found');
  if (target === 'conversation' && reach.kind !== 'conversation') throw new BinnacleError('conversation_not_found');
  const { id } = params as { readonly id?: unknown };
  if (target === 'session' && reach.kind === 'session' && id !== reach.id) throw new BinnacleError('session_not_found');
}

/** Removes the pid of the process that has a conversation's lease from an error. */
export function errorForGuests(error: unknown): unknown {
  if (!(error instanceof BinnacleError) || error.details?.pid === undefined) return error;
  const { code, message, hint } = error;
  const { pid: _, ...details } = error.details;
  return new BinnacleError(code, { message, hint, details, cause: error });
}
