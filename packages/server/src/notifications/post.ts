// One POST to another server and its result: no redirects, no response body, always a time limit. Checks no addresses.

import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { defined } from '@binnacle/protocol';

export interface PostResponse {
  readonly status: number;
  /** From the Retry-After header; undefined without one. */
  readonly retryAfterMs: number | undefined;
}

export interface PostRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Default: the system's resolver. */
  readonly lookup?: LookupFunction;
  readonly signal: AbortSignal;
}

export const POST_MS = 15_000;

/** Sends the request. Rejects without a response. */
export function post({ url, headers, body, lookup, signal }: PostRequest): Promise<PostResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method: 'POST',
      headers: { ...headers, 'content-length': String(body.length) },
      signal: AbortSignal.any([signal, AbortSignal.timeout(POST_MS)]),
      maxHeaderSize: 16 * 1024,
      // A new connection: a pooled one may lead to an address that was checked at another time.
      agent: false,
      ...defined({ lookup }),
    });
    outgoing.on('error', reject);
    outgoing.once('response', (response) => {
      resolve({ status: response.statusCode ?? 0, retryAfterMs: retryAfter(response.headers['retry-after']) });
      // The body is not used.
      response.destroy();
    });
    outgoing.once('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new Error('It answered with another protocol.'));
    });
    outgoing.end(body);
  });
}

function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,6}$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** Result of one try. Only `later` is worth a retry. */
export type DeliveryVerdict =
  | { readonly kind: 'taken' | 'gone' }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'later'; readonly afterMs: number | undefined; readonly status: number | undefined };

export function verdictOn({ status, retryAfterMs }: PostResponse): DeliveryVerdict {
  if (status >= 200 && status < 300) return { kind: 'taken' };
  if (status === 404 || status === 410) return { kind: 'gone' };
  if (status >= 500 || status === 408 || status === 429) return { kind: 'later', afterMs: retryAfterMs, status };
  return { kind: 'refused', status };
}
