// Builds the request listener from routes: authorize, validate, call the handler, map failures.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { BinnacleError, defined } from '@binnacle/protocol';
import type { Auth } from '../../access/auth.ts';
import { routeTargetOf } from '../../access/guest-policy.ts';
import { headerValues } from '../../access/host-origin.ts';
import type { Principal } from '../../access/principal.ts';
import type { PublicUrl } from '../../access/public-url.ts';
import type { Log } from '../../base/logger.ts';
import { pathOf } from '../../base/request-path.ts';
import { answerOf, type FailureResponse } from './answer.ts';
import { readBody, readJsonBody } from './body.ts';
import { type HttpResponse, writeResponse } from './http-response.ts';
import { describeRoutes } from './openapi.ts';
import { PathRouter, type RouteMatch } from './path-router.ts';
import {
  checkRoutes,
  type HttpRoute,
  isOurs,
  json,
  type RouteContext,
  respond,
  route,
  type ServedAddress,
  servedAddresses,
  TAKEN_OVER,
  type WsRoute,
  z,
} from './routes.ts';
import { PAGE_CSP } from './static.ts';
import { type UnknownField, unknownField } from './unknown-field.ts';

export interface AppOptions {
  readonly routes: readonly HttpRoute[];
  readonly wsRoutes: readonly WsRoute[];
  readonly auth: Auth;
  readonly publicUrl: PublicUrl;
  readonly log: Log;
  readonly version: string;
  /** Maximum bytes of a body, unless the route sets another limit. */
  readonly bodyLimit: number;
  /** Called when a handler takes the response over. */
  readonly onTakeOver: (principal: Principal | undefined, outgoing: ServerResponse) => void;
}

/** Node's side of a request. */
export interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

/** Schema for routes without a query. */
const NO_QUERY = z.strictObject({});

/**
 * Maximum duration of a response without a second token check. Requests after a revocation are refused within a second.
 */
const LATE_MS = 500;

/** Builds the app. Throws for invalid routes. Adds `/openapi.json` and `/asyncapi.json`. */
export function buildApp(options: AppOptions): {
  /** Answers a request. Maps all failures to responses; rejects only if such a response cannot be written. */
  answer(exchange: Exchange): Promise<void>;
  readonly addresses: readonly ServedAddress[];
} {
  const { wsRoutes, auth, publicUrl, log } = options;
  // Built on first request: the document costs a third of all other startup work.
  let described: object | undefined;
  const document: HttpRoute = route('get', '/openapi.json', 'public', {
    unknownFields: 'ignored',
    summary: 'This document.',
    responses: { 200: { description: 'OpenAPI 3.1', type: 'application/json' } },
    handler: ({ base }) => {
      described ??= describeRoutes(routes, options.version);
      return json({ ...described, servers: [{ url: base, description: 'This gateway.' }] });
    },
  });
  const channels: HttpRoute = route('get', '/asyncapi.json', 'public', {
    unknownFields: 'ignored',
    summary: 'WebSockets and event streams.',
    responses: { 200: { description: 'AsyncAPI 3.0', type: 'application/json' } },
    handler: async ({ base }) => {
      const { describeChannels } = await import('./asyncapi.ts');
      return json(describeChannels({ routes, wsRoutes, version: options.version, base }));
    },
  });
  const routes = [...options.routes, document, channels];
  checkRoutes(routes, wsRoutes);

  // True if the viewer is served: without the viewer a page for people has no place to link to.
  const hasPage = routes.some(({ method, path }) => method === 'get' && path === '/');
  const router = new PathRouter([...routes, ...refusedReads(routes, wsRoutes)], ({ path }) => path);
  return { answer, addresses: servedAddresses(routes, wsRoutes) };

  async function answer(exchange: Exchange): Promise<void> {
    const { incoming, outgoing } = exchange;
    let one: HttpRoute | undefined;
    try {
      const matches = router.match(pathOf(targetOf(incoming)));
      const method = incoming.method === 'HEAD' ? 'get' : incoming.method?.toLowerCase();
      const match = matches.find(({ entry }) => entry.method === method);
      one = (match ?? matches[0])?.entry;
      if (match === undefined) throw noSuchAddress(matches);
      const response = await serve(match, exchange, options);
      if (response !== TAKEN_OVER) writeResponse(outgoing, response);
    } catch (error) {
      const response = failure(error, incoming, one);
      // A handler failed in the middle of its own response: the only honest end is to cut the connection.
      if (outgoing.headersSent) outgoing.destroy();
      else writeResponse(outgoing, response);
    }
  }

  function failure(error: unknown, incoming: IncomingMessage, one: HttpRoute | undefined): HttpResponse {
    const isNothing = error instanceof BinnacleError && error.code === 'not_found' && one?.dialect === undefined;
    if (isNothing && hasPage && isOpenedAsPage(incoming)) return nothingHere(incoming);
    const { headers, ...rest } = answerOf(error, log, incoming, one?.dialect);
    return { ...rest, headers: challenged(headers, one?.challenge?.(publicUrl.baseOf(incoming))) };
  }

  async function serve(
    { entry: one, params: texts }: RouteMatch<HttpRoute>,
    { incoming, outgoing }: Exchange,
    { bodyLimit, onTakeOver }: AppOptions,
  ): Promise<HttpResponse> {
    const { dialect } = one;
    const principal =
      one.scope === 'public'
        ? undefined
        : auth.authorize(incoming, one.scope, {
            shares: routeTargetOf(one.method, one.path) !== undefined,
            ...defined({ dialect }),
          });
    const params = one.params === undefined ? {} : validate('path', one.params, texts);
    principal?.guest?.assertRoute(one.method, one.path, params);
    const querySchema = one.query ?? (isOurs(one) ? NO_QUERY : undefined);
    const query = querySchema === undefined ? {} : validate('query', querySchema, queryOf(incoming));
    const headers = one.headers === undefined ? {} : validate('header', one.headers, headersOf(incoming, one.headers));
    const body = await bodyOf(one, incoming, one.bodyLimit ?? bodyLimit);
    // Checked again: reading a body takes time, and the token may have been revoked meanwhile.
    if (principal !== undefined && body !== undefined) auth.assertLive(principal);
    let signal: AbortSignal | undefined;
    const context: RouteContext = {
      params,
      query,
      headers,
      body,
      principal,
      request: incoming,
      host: headerValues(incoming, 'host')[0] ?? '',
      base: publicUrl.baseOf(incoming),
      linkBase: publicUrl.linkBase(incoming),
      get signal() {
        signal ??= disconnectSignal(outgoing);
        return signal;
      },
      takeOver() {
        onTakeOver(principal, outgoing);
        return outgoing;
      },
    };
    const began = performance.now();
    const response = await handle(one, context);
    // Checked again after a slow handler: the token may have been revoked meanwhile. A streaming response is cut
    // elsewhere.
    const isLate = performance.now() - began > LATE_MS;
    if (principal !== undefined && isLate && response !== TAKEN_OVER) auth.assertLive(principal);
    return response;
  }
}

/** Returns the target of a request. Throws `bad_request` unless it is a path or a URL of HTTP. */
function targetOf({ url = '/' }: IncomingMessage): string {
  // Browsers and proxies read a backslash as a slash: the two would not mean the same path.
  const isTarget = (url.startsWith('/') || isWebUrl(url)) && !pathOf(url).includes('\\');
  if (!isTarget) throw new BinnacleError('bad_request', { message: 'The target of the request is not a path.' });
  return url;
}

const isWebUrl = (url: string): boolean => /^https?:\/\//.test(url) && URL.canParse(url);

/** Returns a signal that is aborted when the client disconnects before the response is complete. */
function disconnectSignal(outgoing: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => {
    if (outgoing.writableFinished) return;
    controller.abort(new Error('The client disconnected before the response was complete.'));
  };
  if (outgoing.closed) abort();
  else outgoing.once('close', abort);
  return controller.signal;
}

async function handle(one: HttpRoute, context: RouteContext): Promise<HttpResponse> {
  try {
    return await one.handler(context);
  } catch (error) {
    throw (context.principal as Principal | undefined)?.guest?.errorOf(error) ?? error;
  }
}

function challenged(headers: FailureResponse['headers'], challenge: string | undefined): FailureResponse['headers'] {
  const name = 'WWW-Authenticate';
  return challenge === undefined || headers[name] === undefined
    ? headers
    : { ...headers, [name]: `${headers[name]} ${challenge}` };
}

/**
 * Creates routes for a plain GET of a WebSocket address. The token is checked first; then the error explains the
 * upgrade.
 */
function refusedReads(routes: readonly HttpRoute[], wsRoutes: readonly WsRoute[]): HttpRoute[] {
  return wsRoutes
    .filter(({ path }) => !routes.some((one) => one.method === 'get' && one.path === path))
    .map(({ path, scope, dialect }) =>
      route('get', path, scope, {
        ...defined({ dialect }),
        summary: 'WebSocket',
        responses: {},
        handler: () => {
          throw new BinnacleError('upgrade_required');
        },
      }),
    );
}

function noSuchAddress(matches: readonly RouteMatch<HttpRoute>[]): BinnacleError {
  const methods = matches.map(({ entry }) => entry.method.toUpperCase());
  if (methods.includes('GET')) methods.push('HEAD');
  if (methods.length === 0) return new BinnacleError('not_found');
  return new BinnacleError('method_not_allowed', { details: { allow: [...new Set(methods)].sort().join(', ') } });
}

async function bodyOf(one: HttpRoute, request: IncomingMessage, limit: number): Promise<unknown> {
  if (one.body === undefined) return undefined;
  if (one.body === 'bytes') return await readBody(request, limit);
  return validate('body', one.body, await readJsonBody(request, limit));
}

/**
 * Validates a part of a request. Throws `bad_request` for the first wrong field. An unknown field takes precedence over
 * a missing one, because mostly they are the same misspelt field. Errors that a schema throws pass through.
 */
export function validate<T>(place: 'path' | 'query' | 'header' | 'body', schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const unknown = unknownField(schema, result.error.issues);
  if (unknown !== undefined) throw notKnown(place, unknown);
  const [issue] = result.error.issues;
  // Label names come from the client and can have any length.
  const field = issue?.path.map(String).join('.').slice(0, 100) ?? '';
  const name = field === '' ? `The ${place}` : `"${field}" in the ${place}`;
  const isMissing = issue?.code === 'invalid_type' && issue.path.reduce(fieldOf, value) === undefined;
  throw new BinnacleError('bad_request', {
    message: isMissing ? `${name} is missing.` : `${name}: ${whyOf(issue)}.`,
    details: { in: place, field },
  });
}

function notKnown(place: string, { field, known, nearest }: UnknownField): BinnacleError {
  const suggestion = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  return new BinnacleError('bad_request', {
    message: `"${field}" in the ${place} is not known.${suggestion}`,
    hint: `Leave it out. ${known.length === 0 ? `There is nothing to say in the ${place}` : `Known here: ${known.join(', ')}`}.`,
    details: { in: place, field, ...defined({ nearest }) },
  });
}

/** Returns the reason for an issue; for an invalid key the reason of the key. */
const whyOf = (issue: z.core.$ZodIssue | undefined): string =>
  (issue?.code === 'invalid_key' ? issue.issues[0]?.message : issue?.message) ?? 'not valid';

const fieldOf = (value: unknown, key: PropertyKey): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;

function queryOf(request: IncomingMessage): Record<string, string> {
  const params = new URLSearchParams(request.url?.split('?').slice(1).join('?') ?? '');
  const query = new Map<string, string>();
  for (const [name, value] of params) {
    if (query.has(name)) {
      throw new BinnacleError('bad_request', {
        message: `"${name.slice(0, 100)}" occurs twice in the query.`,
        details: { in: 'query', field: name.slice(0, 100) },
      });
    }
    query.set(name, value);
  }
  return Object.fromEntries(query);
}

function headersOf(request: IncomingMessage, schema: z.ZodType): Record<string, string> {
  const names = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const headers: Record<string, string> = {};
  for (const name of names) {
    const [value, ...more] = headerValues(request, name);
    if (more.length > 0) {
      throw new BinnacleError('bad_request', {
        message: `The header "${name}" occurs twice.`,
        details: { in: 'header', field: name },
      });
    }
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

/** Returns true if a browser opens the address as a page. Programs accept JSON or any type. */
function isOpenedAsPage({ method, headers: { accept = '' } }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const takes = (mediaType: string): boolean =>
    accept.split(',').some((one) => {
      const [type, ...params] = one.split(';').map((part) => part.trim().toLowerCase());
      return type === mediaType && !params.some((param) => /^q=0(\.0*)?$/.test(param));
    });
  return takes('text/html') && !takes('application/json');
}

/** Builds the page with relative links: a reverse proxy may serve the gateway below a path. */
function nothingHere({ url }: IncomingMessage): HttpResponse {
  const home = '../'.repeat(pathOf(url).split('/').length - 2) || './';
  const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
    <meta name="color-scheme" content="dark light">
    <title>Nothing is here · Binnacle</title>
    <link rel="stylesheet" href="${home}plain.css">
    <link rel="icon" href="${home}icon-192.png">
  </head>
  <body>
    <main>
      <img src="${home}icon-192.png" alt="" width="72" height="72">
      <h1>Nothing is at this address</h1>
      <p>Sessions and conversations are found from the first page.</p>
      <a href="${home}">Open Binnacle</a>
    </main>
  </body>
</html>
`;
  return respond(html, {
    status: 404,
    headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': PAGE_CSP, Vary: 'Accept' },
  });
}
