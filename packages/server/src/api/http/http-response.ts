// The response of a handler as a value, and its way into Node's response. The platform's Response would do the same, but
// its first use loads 12 MB.

import { type ServerResponse, validateHeaderValue } from 'node:http';

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: neither a body nor a Content-Length. */
  readonly body: string | Uint8Array | null;
}

interface Head {
  /** Default: 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Type of a text whose handler names none. */
const PLAIN = 'text/plain;charset=UTF-8';

/**
 * Builds a response. Text without a Content-Type is plain text.
 * @example respond('ready\n', { headers: { 'Cache-Control': 'no-store' } })
 */
export function respond(body: HttpResponse['body'], { status = 200, headers = {} }: Head = {}): HttpResponse {
  if (typeof body !== 'string' || hasType(headers)) return { status, headers, body };
  return { status, headers: { 'Content-Type': PLAIN, ...headers }, body };
}

export const json = (value: unknown, { headers, ...head }: Head = {}): HttpResponse =>
  respond(JSON.stringify(value), { ...head, headers: { 'Content-Type': 'application/json', ...headers } });

export const noContent = (headers: HttpResponse['headers'] = {}): HttpResponse =>
  respond(null, { status: 204, headers });

/** Return value of a handler after `takeOver`. */
export const TAKEN_OVER: HttpResponse = { status: 200, headers: {}, body: null };

/**
 * Sends a response, without its body to a request for the head. The headers are in the order of their names, whatever
 * code set them. Throws a TypeError for an invalid header.
 */
export function writeResponse(outgoing: ServerResponse, { status, headers, body }: HttpResponse): void {
  const sorted = Object.entries(headers).sort(([a], [b]) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
  // Checked before any is set: a response that reports the failure must not inherit some of them.
  for (const [name, value] of sorted) validateHeaderValue(name, value);
  const isWhole = outgoing.req.method !== 'HEAD' && body !== null;
  const length = isWhole ? { 'Content-Length': Buffer.byteLength(body) } : {};
  outgoing.writeHead(status, { ...Object.fromEntries(sorted), ...length }).end(isWhole ? body : undefined);
}

const hasType = (headers: HttpResponse['headers']): boolean =>
  Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
