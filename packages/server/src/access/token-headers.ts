// Tokens in the headers of a request.

import type { IncomingMessage } from 'node:http';
import { headerValues } from './host-origin.ts';

/**
 * Header of clients of the sandbox daemon. Like Authorization, a program sends it on purpose: a browser would send it
 * from a foreign page only after a CORS preflight, which this gateway never allows.
 */
const ACCESS_TOKEN = 'x-execd-access-token';

/** Returns the tokens in the headers of a request; undefined without any. A malformed token becomes `''`. */
export function tokensOf(request: IncomingMessage, more: readonly string[] = []): ReadonlySet<string> | undefined {
  const bearers = headerValues(request, 'authorization').map(
    (value) => /^Bearer +([\x21-\x7e]+)$/i.exec(value)?.[1] ?? '',
  );
  const bare = [ACCESS_TOKEN, ...more].flatMap((name) => headerValues(request, name));
  const all = [...bearers, ...bare];
  return all.length === 0 ? undefined : new Set(all);
}
