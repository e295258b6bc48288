// A request as a plugin gets it: which of its pages is meant, and what of the request is for its eyes. Knows no process.

import type { IncomingMessage } from 'node:http';
import { BinnacleError } from '@binnacle/protocol';
import { bySpecificity, matchPath } from '../http/routes.ts';

/** A page that a plugin offers. `path`: fixed segments and `:name`, behind `/plugins/:id`. */
export interface PluginPage {
  readonly method: string;
  readonly path: string;
  /** Needs no token. */
  readonly isPublic: boolean;
}

export interface Found<One> {
  readonly page: One;
  readonly params: Readonly<Record<string, string>>;
}

/** The page for what stands behind `/plugins/:id`, as it came: nothing is decoded, folded or resolved but its names. */
export function findPage<One extends { readonly offer: PluginPage }>(
  pages: readonly One[],
  method: string,
  path: string,
): Found<One> | undefined {
  const fitting = pages.filter(({ offer }) => offer.method === method);
  for (const page of fitting.sort((a, b) => bySpecificity(a.offer, b.offer))) {
    const params = matchPath(page.offer.path, path);
    if (params !== undefined && Object.values(params).every(isPlain)) return { page, params };
  }
  return undefined;
}

/** No part of a path, nor a way up in it, for whoever makes one of it; and nothing that is not to be seen. */
const isPlain = (value: string): boolean => !/[\p{Cc}/\\]/u.test(value) && value !== '.' && value !== '..';

/** The first value of each name. Throws `bad_request` for names that no data of ours has. */
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

/** Credentials for us, what belongs to one connection, and what anybody can claim of where a request came from. */
const OURS =
  /^(?:cookie2?|authorization|proxy-.*|x-execd-access-token|open-sandbox-api-key|binnacle-.*|x-binnacle|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|http2-settings|forwarded|via|x-forwarded.*|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip)$/;

/** By lower-case name; what came twice is one, with a comma. */
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
