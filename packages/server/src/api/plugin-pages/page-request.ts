// The request as a plugin gets it: finds the page, and removes headers that a plugin must not see.

import type { IncomingMessage } from 'node:http';
import { BinnacleError } from '@binnacle/protocol';
import { PathRouter } from '../http/path-router.ts';

/** A page of a plugin. `path`: fixed segments and `:name`, after `/plugins/:id`. */
export interface PluginPage {
  readonly method: string;
  readonly path: string;
  /** True if the page needs no token. */
  readonly isPublic: boolean;
}

export interface PageMatch<One> {
  readonly page: One;
  readonly params: Readonly<Record<string, string>>;
}

/**
 * Finds the page for the undecoded path after `/plugins/:id`. Only the `:name`s are decoded; nothing is normalized. No
 * page has a path that cannot be decoded.
 */
export function findPage<One extends { readonly offer: PluginPage }>(
  pages: readonly One[],
  method: string,
  path: string,
): PageMatch<One> | undefined {
  const router = new PathRouter(
    pages.filter(({ offer }) => offer.method === method),
    ({ offer }) => offer.path,
  );
  const match = router.match(path).find(({ params, isDecoded }) => isDecoded && Object.values(params).every(isPlain));
  return match && { page: match.entry, params: match.params };
}

/**
 * Returns true for a safe parameter: no slash, no `..` and no control characters, in case a plugin builds a path from
 * it.
 */
const isPlain = (value: string): boolean => !/[\p{Cc}/\\]/u.test(value) && value !== '.' && value !== '..';

/** Returns the first value of each name. Throws `bad_request` for names that would pollute prototypes. */
export function queryOf(target: string): Record<string, string> {
  const query = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(target.split('?').slice(1).join('?'))) {
    if (FORBIDDEN.has(name)) {
      throw new BinnacleError('bad_request', {
        message: `"${name}" cannot be a name in the query.`,
        details: { in: 'query', field: name },
      });
    }
    if (!query.has(name)) query.set(name, value);
  }
  return Object.fromEntries(query);
}

const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Headers with credentials for the gateway, headers of one connection, and forgeable claims about the origin of a
 * request.
 */
const OURS =
  /^(?:cookie2?|authorization|proxy-.*|x-execd-access-token|open-sandbox-api-key|binnacle-.*|x-binnacle|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|http2-settings|forwarded|via|x-forwarded.*|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip)$/;

/** Returns the headers by lower-case name; repeated headers are joined with a comma. */
export function headersFor({ rawHeaders }: IncomingMessage): Record<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    const value = rawHeaders[at + 1] ?? '';
    if (FORBIDDEN.has(name)) continue;
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const ofConnection = new Set((headers.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase()));
  return Object.fromEntries([...headers].filter(([name]) => !OURS.test(name) && !ofConnection.has(name)));
}
