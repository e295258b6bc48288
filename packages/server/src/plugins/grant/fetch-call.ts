// An HTTP request of a plugin, in the canonical form that is both checked and sent. Sends nothing, resolves nothing.

import { z } from 'zod';
import { canonicalHost, type Endpoint, spellHost } from './hosts.ts';

export interface Fetch {
  /** Scheme, host in punycode or numbers, path and query; without userinfo, fragment or default port. */
  readonly url: string;
  /** Host to resolve and connect to; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly method: string;
  /** Names in lower case. Headers that decide the target or the length of a request are excluded. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | undefined;
}

const MAX_URL = 8192;
const MAX_HEADERS = 64;
const MAX_BODY = 1024 * 1024;
const USUAL: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Characters that `URL` removes or converts, so that two parsers would see different hosts. */
const ODD = /[\0-\x20\x7f-\x9f\\]/;
const AUTHORITY = /^(https?):\/\/([^/?#]+)/i;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
/** Methods without a body. No server expects one, and some would take it for the next request. */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD']);
const HEADER_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]{0,8192}$/;
/** Headers that only the gateway sets: they could change the virtual host, the length or the protocol. */
const CLOSED_HEADERS = new Set(
  'host connection content-length transfer-encoding te trailer upgrade keep-alive expect via forwarded'.split(' '),
);
const CLOSED_PREFIX = /^(?:proxy-|sec-|:|x-forwarded-)/;

const Url = z
  .string()
  .max(MAX_URL)
  .transform((text, ctx) => {
    const read = readUrl(text);
    if (typeof read !== 'string') return read;
    ctx.addIssue({ code: 'custom', message: read });
    return z.NEVER;
  });

const Header = z
  .tuple([z.string().transform((name) => name.toLowerCase()), z.string()])
  .refine(([name]) => HEADER_NAME.test(name), 'that is not the name of a header')
  .refine(([name]) => !CLOSED_HEADERS.has(name) && !CLOSED_PREFIX.test(name), 'the gateway sets that header')
  .refine(([, value]) => HEADER_VALUE.test(value), 'that is not the value of a header');

export const readFetch: z.ZodType<Fetch> = z
  .strictObject({
    url: Url,
    method: z.enum(METHODS).default('GET'),
    // The count is checked before the items.
    headers: z.array(z.unknown()).max(MAX_HEADERS).pipe(z.array(Header)).default([]),
    body: z.string().max(MAX_BODY).optional(),
  })
  .refine(({ method, body }) => body === undefined || !WITHOUT_BODY.has(method), 'GET and HEAD have no body')
  .transform(({ url, method, headers, body }): Fetch => ({ ...url, method, headers, body }));

/** Parses a URL. Returns a reason if it is invalid. */
function readUrl(text: string): Pick<Fetch, 'url' | 'host' | 'port'> | string {
  if (ODD.test(text)) return 'no spaces, control characters or backslashes';
  const authority = AUTHORITY.exec(text);
  if (authority === null || !URL.canParse(text)) return 'an address that begins with https:// or http://';
  if (authority[2]?.includes('@')) return 'no user or password in the address: send an authorization header';
  const url = new URL(text);
  const host = canonicalHost(url.hostname);
  if (host === undefined) return 'that is not a host name';
  const port = url.port === '' ? (USUAL[url.protocol] ?? 0) : Number(url.port);
  if (port === 0) return 'there is no such port';
  url.hostname = spellHost(host);
  url.hash = '';
  return { url: url.href, host, port };
}

export const endpointOf = ({ url, host, port }: Fetch): Endpoint => ({
  host,
  port,
  isUsualPort: USUAL[new URL(url).protocol] === port,
});
