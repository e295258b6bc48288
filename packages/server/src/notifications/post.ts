// One POST to somewhere else, and what became of it: no redirects, no answer read, an end in any case. Judges no address.

import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';

export interface Posted {
  readonly status: number;
  /** Asked for with Retry-After; undefined where it was not. */
  readonly retryAfterMs: number | undefined;
}

export interface ToPost {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Default: the system's. */
  readonly lookup?: LookupFunction;
  readonly signal: AbortSignal;
}

export const POST_MS = 15_000;

/** Rejects where there was no answer. */
export function post({ url, headers, body, lookup, signal }: ToPost): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method: 'POST',
      headers: { ...headers, 'content-length': String(body.length) },
      signal: AbortSignal.any([signal, AbortSignal.timeout(POST_MS)]),
      maxHeaderSize: 16 * 1024,
      // One of its own: no connection to an address that was judged at another time.
      agent: false,
      ...(lookup === undefined ? {} : { lookup }),
    });
    outgoing.on('error', reject);
    outgoing.once('response', (response) => {
      resolve({ status: response.statusCode ?? 0, retryAfterMs: retryAfter(response.headers['retry-after']) });
      // Nobody reads what it says.
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

/** What is worth another try. */
export type Verdict =
  | { readonly kind: 'taken' | 'gone' }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'later'; readonly afterMs: number | undefined; readonly status: number | undefined };

export function verdictOn({ status, retryAfterMs }: Posted): Verdict {
  if (status >= 200 && status < 300) return { kind: 'taken' };
  if (status === 404 || status === 410) return { kind: 'gone' };
  if (status >= 500 || status === 408 || status === 429) return { kind: 'later', afterMs: retryAfterMs, status };
  return { kind: 'refused', status };
}
