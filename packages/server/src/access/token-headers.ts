// Tokens in the headers of a request.

import type { IncomingMessage } from 'node:http';
import { headerValues } from './host-origin.ts';

/**
 * Of clients of the sandbox daemon. Like Authorization it is sent by a program on purpose: a browser adds it to no
 * request of a foreign page, which would have to ask first, and we never say yes.
 */
const ACCESS_TOKEN = 'x-execd-access-token';

/** What the headers that carry a token say; undefined where there is none. What cannot be a token is `''`. */
export function tokensOf(request: IncomingMessage, more: readonly string[] = []): ReadonlySet<string> | undefined {
  const bearers = headerValues(request, 'authorization').map(
    (value) => /^Bearer +([\x21-\x7e]+)$/i.exec(value)?.[1] ?? '',
  );
  const bare = [ACCESS_TOKEN, ...more].flatMap((name) => headerValues(request, name));
  const all = [...bearers, ...bare];
  return all.length === 0 ? undefined : new Set(all);
}
