// Validation of a plugin's HTTP response. A plugin cannot set a header that tells a browser anything about the gateway.

import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';
import { type HttpResponse, respond } from '../http/http-response.ts';

const MAX_BYTES = 512 * 1024;
const MAX_BASE64 = Math.ceil(MAX_BYTES / 3) * 4;
const MAX_VALUE = 2000;
/** Maximum headers of a response; the allowed names are fewer. */
const MAX_HEADERS = 16;
const MAX_REASON = 300;

/** Counts the headers before each is validated. */
const FewHeaders = z.custom<object>(
  (value) => typeof value === 'object' && value !== null && Object.keys(value).length <= MAX_HEADERS,
  `at most ${MAX_HEADERS} headers`,
);

const Answer = z.strictObject({
  // 1xx belong to the connection.
  status: z.int().min(200).max(599),
  headers: FewHeaders.pipe(
    z.record(
      z.string().regex(/^[a-z0-9-]{1,60}$/, 'names of headers in lower case'),
      // Printable characters only: without line ends a value cannot inject a header or a body.
      z
        .string()
        .max(MAX_VALUE)
        .regex(/^[\x20-\x7e]*$/, 'printable ASCII'),
    ),
  ),
  body: z
    .string()
    .max(MAX_BASE64, 'at most 512 KiB')
    .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'base64'),
});

/** Headers that describe the body or a redirect. The gateway sets all others. */
const ALLOWED: ReadonlySet<string> = new Set([
  'content-type',
  'content-disposition',
  'content-language',
  'etag',
  'last-modified',
  'location',
  'retry-after',
]);

const TYPE = /^([a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+)(?: *; *[a-z0-9_-]+=(?:[a-z0-9_.:+-]+|"[a-z0-9_.:+ -]*"))*$/i;
/**
 * Types that the viewer could load as scripts or styles. The viewer's CSP trusts its own origin for these, so a plugin
 * must not serve them from there. Browsers accept no other types for scripts and styles, because of nosniff.
 */
const LOADABLE = /(?:java|ecma|j|live)script|text\/css|wasm|manifest\+json|importmap|speculationrules/i;

/**
 * Content security policy of a plugin page: one document with inline styles and images, no scripts, no forms, no loads,
 * and an opaque origin without the gateway's logins.
 */
export const PLUGIN_PAGE_CSP = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  'sandbox',
].join('; ');

const NO_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

export interface PluginPageRequest {
  readonly plugin: string;
  /** URL of the gateway as the client reaches it, without a trailing slash. */
  readonly base: string;
  /** Undecoded path, without the query. */
  readonly path: string;
  readonly isPublic: boolean;
}

/** Builds the response. Throws `plugin_failed` with a reason for the plugin's author. */
export function responseOf(result: unknown, request: PluginPageRequest): HttpResponse {
  const read = Answer.safeParse(result);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw invalidAnswer(
      request,
      `its ${issue?.path[0]?.toString() ?? 'shape'} is wrong: ${issue?.message ?? ''}`.slice(0, MAX_REASON),
    );
  }
  const { status, headers, body } = read.data;
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!ALLOWED.has(name)) {
      throw invalidAnswer(
        request,
        `the header "${name}" is none that a plugin sets; it sets ${[...ALLOWED].join(', ')}`,
      );
    }
    out[name] = name === 'location' ? locationOf(value, request) : value;
  }
  if (Buffer.byteLength(body, 'base64') > MAX_BYTES)
    throw invalidAnswer(request, `its body is larger than ${MAX_BYTES} bytes`);
  const bytes = NO_BODY.has(status) ? null : Buffer.from(body, 'base64');
  if (bytes === null) delete out['content-type'];
  else setContentType(out, request);
  return respond(bytes, { status, headers: out });
}

function setContentType(out: Record<string, string>, request: PluginPageRequest): void {
  const contentType = out['content-type'] ?? 'application/octet-stream';
  const type = TYPE.exec(contentType)?.[1]?.toLowerCase();
  if (type === undefined) throw invalidAnswer(request, 'its content-type is none');
  if (LOADABLE.test(type)) {
    throw invalidAnswer(
      request,
      `its content-type is ${type}: scripts and styles do not come from a plugin. Put styles into the page`,
    );
  }
  const isPage = type === 'text/html';
  out['content-type'] = isPage && !/charset/i.test(contentType) ? `${contentType}; charset=utf-8` : contentType;
  if (isPage) out['content-security-policy'] = PLUGIN_PAGE_CSP;
}

/**
 * Validates a redirect: an address of the same plugin, or any https address from a public page, to which no token was
 * sent.
 */
function locationOf(value: string, request: PluginPageRequest): string {
  const { base, plugin, path, isPublic } = request;
  const { origin, pathname } = new URL(base);
  // A plugin names paths like the gateway, without the prefix of a proxy.
  const before = pathname.replace(/\/$/, '');
  const own = `/plugins/${plugin}`;
  const url = URL.canParse(value, origin + path) ? new URL(value, origin + path) : undefined;
  if (url !== undefined && url.username === '' && url.password === '') {
    const isOwn = url.pathname === own || url.pathname.startsWith(`${own}/`);
    if (url.origin === origin && isOwn) return before + url.pathname + url.search + url.hash;
    if (isPublic && url.protocol === 'https:') return url.href;
  }
  throw invalidAnswer(request, `its location is neither below ${own}/${isPublic ? ' nor an https address' : ''}`);
}

const invalidAnswer = ({ plugin }: PluginPageRequest, what: string): BinnacleError =>
  new BinnacleError('plugin_failed', {
    message: `The answer of the plugin ${plugin} cannot be sent: ${what}.`,
    details: { plugin },
  });
