// Wire format of failures, and the headers of every response. The only place where an error becomes a status.

import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { BinnacleError, CODES, type Code } from '@binnacle/protocol';
import { z } from 'zod';
import type { Log } from '../../base/logger.ts';
import type { HttpResponse } from './http-response.ts';

/** Headers of every response, including pages and refusals. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  // An API response that is opened as a page can do nothing. The viewer's page has its own policy (static.ts).
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'Cache-Control': 'no-store',
};

export interface FailureResponse extends HttpResponse {
  readonly body: string;
}

/** Failure format and token headers of another product's protocol. */
export interface Dialect {
  /** Additional token headers, in lower case. */
  readonly tokenHeaders: readonly string[];
  failure(error: BinnacleError): { readonly status: number; readonly body: object };
  /** Schema of a failure, for the OpenAPI document. */
  readonly schema: z.ZodType;
}

/** Schema of a failure in responses, frames and events. */
export const ErrorShape = z.object({
  code: z.enum(Object.keys(CODES) as [Code, ...Code[]]),
  message: z.string(),
  hint: z.string(),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()).optional(),
});

/**
 * Codes with status 5xx that are not failures of this gateway: unsupported features, and plugins, which have their own
 * log.
 */
const OF_OTHERS: ReadonlySet<Code> = new Set(['not_supported', 'plugin_stopped', 'plugin_timeout', 'plugin_failed']);

/** Maps an error to a response. An unknown error becomes `internal`: the log gets it, the client gets no part of it. */
export function answerOf(error: unknown, log: Log, request?: IncomingMessage, dialect?: Dialect): FailureResponse {
  const known = BinnacleError.of(error);
  if (known.status >= 500 && !OF_OTHERS.has(known.code)) {
    // The path only: queries are not meant for secrets, but users put secrets there.
    log.error({ err: error, method: request?.method, path: request?.url?.split('?')[0] }, 'request failed');
  }
  const { status, body } = dialect?.failure(known) ?? { status: known.status, body: { error: known.toWire() } };
  return {
    status,
    headers: { 'Content-Type': 'application/json', ...extraHeaders(known) },
    body: JSON.stringify(body),
  };
}

/** Sends a complete response to an upgrade or to invalid HTTP, and ends the connection. */
export function answerRaw(socket: Duplex, answer: FailureResponse): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const headers = {
    ...SECURITY_HEADERS,
    ...answer.headers,
    'Content-Length': String(Buffer.byteLength(answer.body)),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\n${lines.join('')}\r\n${answer.body}`);
  // Destroys the socket after the response: the client may never close its half.
  socket.once('finish', () => socket.destroy());
}

function extraHeaders(error: BinnacleError): Record<string, string> {
  const { code, details } = error;
  if (code === 'unauthorized' || code === 'revoked' || code === 'login_incomplete')
    return { 'WWW-Authenticate': 'Bearer' };
  if (code === 'method_not_allowed') return { Allow: String(details?.allow ?? '') };
  if (code === 'upgrade_required') return { Upgrade: 'websocket', Connection: 'Upgrade' };
  if (code === 'rate_limited' || code === 'too_fast')
    return { 'Retry-After': String(Math.ceil(Number(details?.retryAfterMs ?? 60_000) / 1000)) };
  return {};
}
