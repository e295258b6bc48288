// What a route is: data that the app, the authorisation and the OpenAPI document are made from. Knows no server.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { invariant, SCOPES, type Scope } from '@binnacle/protocol';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { z } from '@hono/zod-openapi';
import type { Principal } from '../../access/principal.ts';
import type { Dialect } from './answer.ts';

export { z };

/** What a caller needs; `public`: nothing, not even a token. */
export type RouteScope = Scope | 'public';
export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** What a handler gets: everything is checked already. */
export interface RouteContext<S extends RouteScope = RouteScope, P = unknown, Q = unknown, H = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  /** By lower-case name; only those that `headers` declares. */
  readonly headers: H;
  readonly body: B;
  readonly principal: S extends 'public' ? undefined : Principal;
  /** Node's request, for streaming bodies in. */
  readonly request: IncomingMessage;
  /** The Host header, checked. */
  readonly host: string;
  /** The URL by which the sender reaches us, without a slash at the end; see `PublicUrl.baseOf`. */
  readonly base: string;
  /** Beginning of links that are opened elsewhere, without a slash at the end; see `PublicUrl.linkBase`. */
  readonly linkBase: string;
  /** Aborted when the client went away before the answer was complete. */
  readonly signal: AbortSignal;
  /**
   * Hands out Node's response, with the security headers set, for answers that stream. From then on the handler
   * writes the head and the body, looks after backpressure, and returns `TAKEN_OVER`, at once or at the end. The
   * socket is destroyed within a second after the principal was revoked; see `Auth.hold` for doing it politely.
   */
  takeOver(): ServerResponse;
}

export interface RouteAnswer {
  readonly description: string;
  /** The JSON body. Or `type` for another media type, or neither for no body. */
  readonly schema?: z.ZodType;
  readonly type?: string;
}

type BodyOf<B> = B extends 'bytes' ? Buffer : B extends z.ZodType ? z.output<B> : undefined;

interface RouteFields {
  readonly method: Method;
  /** Fixed segments and `:name`; at the end maybe `*name`: all that follows, as it came, at least a slash. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  /** Bytes of body that are read at most; default: the server's (1 MiB). Beyond: `body_too_large`. */
  readonly bodyLimit?: number;
  readonly responses: Readonly<Record<number, RouteAnswer>>;
  /** Left out of the OpenAPI document. */
  readonly hidden?: boolean;
  /**
   * Unknown fields of the query and the body pass: the protocol is another's, or says that more may come. Default:
   * they are refused, which takes strict schemas. Routes with a `dialect` are another's in any case.
   */
  readonly unknownFields?: 'ignored';
  /** Server-sent events that it answers with where they are asked for, by name: for the AsyncAPI document. */
  readonly events?: Readonly<Record<string, z.ZodType>>;
  /** How failures look to clients of another product's protocol. Default: our own shape. */
  readonly dialect?: Dialect;
  /** Part of the WWW-Authenticate header on how to get a token, given the base URL (RFC 6750, 3). Default: nothing. */
  readonly challenge?: (base: string) => string;
}

/** A route whose types are known to its handler. */
export interface RouteDefinition<
  S extends RouteScope,
  P extends z.ZodType,
  Q extends z.ZodType,
  H extends z.ZodType,
  B extends z.ZodType | 'bytes' | undefined,
> extends RouteFields {
  readonly scope: S;
  /** Required where the path has a `:name`. */
  readonly params?: P;
  /** Values are text; a name that comes twice is refused. */
  readonly query?: Q;
  /** Names in lower case. */
  readonly headers?: H;
  /** A schema: JSON, `{}` when there is no body. `'bytes'`: as it is, whatever the Content-Type says. */
  readonly body?: B;
  handler(context: RouteContext<S, z.output<P>, z.output<Q>, z.output<H>, BodyOf<B>>): Response | Promise<Response>;
}

/** Any route, as the app sees it. */
export interface Route extends RouteFields {
  readonly scope: RouteScope;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly headers?: z.ZodType;
  readonly body?: z.ZodType | 'bytes' | undefined;
  // A method, so that TypeScript lets a handler of a narrower context stand here; the app keeps that promise.
  handler(context: RouteContext): Response | Promise<Response>;
}

type None = z.ZodType<Readonly<Record<string, never>>>;

/** Whether what its schemas do not know is refused. */
export const isOurs = ({ dialect, unknownFields, hidden }: RouteFields): boolean =>
  dialect === undefined && unknownFields === undefined && hidden !== true;

/** Writes a route down with the types of its schemas. */
export function route<
  const S extends RouteScope,
  P extends z.ZodType = None,
  Q extends z.ZodType = None,
  H extends z.ZodType = None,
  B extends z.ZodType | 'bytes' | undefined = undefined,
>(definition: RouteDefinition<S, P, Q, H, B>): Route {
  return definition as unknown as Route;
}

/** Frames of a WebSocket. Each schema is a union of objects that a field (`t` or `type`) tells from each other. */
export interface Frames {
  readonly takes: z.ZodType;
  readonly sends: z.ZodType;
  /** Parts of several frames, by their names in the document. */
  readonly shapes?: Readonly<Record<string, z.ZodType>>;
  /** On every JSON frame that is sent. */
  readonly withEach?: Readonly<Record<string, z.ZodType>>;
  /** Contents of binary frames, in words. */
  readonly binary?: { readonly takes?: string; readonly sends?: string };
  /** Scopes of frames that need more than the socket does, by the name of the frame. */
  readonly scopes?: Readonly<Record<string, Scope>>;
  /** Names of the frames that guests of share links may send. Default: none. */
  readonly guests?: readonly string[];
}

/** An address that a gateway serves. */
export interface Address {
  readonly kind: Method | 'websocket';
  readonly path: string;
  readonly scope: RouteScope;
  /** False: neither /openapi.json nor /asyncapi.json names the address. */
  readonly isDescribed: boolean;
}

/** Lists the addresses of routes. */
export const addressesOf = (routes: readonly Route[], wsRoutes: readonly WsRoute[]): readonly Address[] => [
  ...routes.map(({ method, path, scope, hidden }) => ({ kind: method, path, scope, isDescribed: hidden !== true })),
  ...wsRoutes.map(({ path, scope, frames }) => ({
    ...{ kind: 'websocket' as const, path, scope, isDescribed: frames !== undefined },
  })),
];

/**
 * A WebSocket address. When `upgrade` is called, host, origin and scope were checked; it may still throw a
 * BinnacleError as long as it wrote nothing. The socket is destroyed within a second after the principal was revoked.
 */
export interface WsRoute {
  readonly path: string;
  readonly scope: Scope;
  readonly summary?: string;
  /** Frames of this socket; without them the AsyncAPI document leaves the socket out. */
  readonly frames?: Frames;
  /** As with routes, for what is refused before the upgrade. */
  readonly dialect?: Dialect;
  /** Checks the `:name`s; default: any text. */
  readonly params?: z.ZodType<Readonly<Record<string, string>>>;
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    principal: Principal,
    params: Readonly<Record<string, string>>,
  ): void | Promise<void>;
}

export const json = (value: unknown, init: ResponseInit = {}): Response => Response.json(value, init);
export const noContent = (headers: Readonly<Record<string, string>> = {}): Response =>
  new Response(null, { status: 204, headers });
/** What a handler returns after `takeOver`. */
export const TAKEN_OVER: Response = RESPONSE_ALREADY_SENT;

const SEGMENT = /^(?::[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9._~!$&'(),;=@%-]+)$/;
const REST = /^\*[A-Za-z][A-Za-z0-9]*$/;

/** Throws when a route has no scope, a path that is more than segments, parameters without a schema, or a double. */
export function checkRoutes(routes: readonly Route[], wsRoutes: readonly WsRoute[]): void {
  const seen = new Map<string, string>();
  const all = [
    ...routes.map((one) => ({ ...one, kind: one.method })),
    ...wsRoutes.map((one) => ({ ...one, kind: 'websocket' })),
  ];
  for (const { kind, path, scope, params } of all) {
    const name = `${kind} ${path}`;
    invariant(['public', ...SCOPES].includes(scope), `The route ${name} declares no scope.`);
    invariant(kind !== 'websocket' || scope !== ('public' as RouteScope), `The route ${name} cannot be public.`);
    const segments = segmentsOf(path);
    const isSegment = (segment: string, at: number): boolean =>
      SEGMENT.test(segment) || (REST.test(segment) && at === segments.length - 1 && kind !== 'websocket');
    const whole = path.startsWith('/') && (path === '/' || segments.every(isSegment));
    invariant(whole, `The path of the route ${name} is more than fixed segments and :names.`);
    const named = segments.some(isNamed);
    invariant(!named || params !== undefined || kind === 'websocket', `The route ${name} has no params schema.`);
    const shape = `${kind} ${segments.map((segment) => (isNamed(segment) ? segment[0] : segment)).join('/')}`;
    const other = seen.get(shape);
    invariant(other === undefined, `The routes ${name} and ${other} collide.`);
    seen.set(shape, name);
  }
}

/** Orders routes so that a fixed segment is tried before a `:name` in its place, and that before a `*name`. */
export const bySpecificity = (a: { readonly path: string }, b: { readonly path: string }): number => {
  const key = (path: string) =>
    segmentsOf(path)
      .map((segment) => (segment.startsWith('*') ? '\x7f' : segment.startsWith(':') ? '~' : '!'))
      .join('');
  return key(a.path) < key(b.path) ? -1 : key(a.path) > key(b.path) ? 1 : 0;
};

/** The `:name`s of `pattern` in `path`, decoded, and its `*name`, as it came; undefined when it does not match. */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = segmentsOf(pattern);
  const given = segmentsOf(path);
  const rest = wanted.at(-1)?.startsWith('*') === true ? wanted.length - 1 : undefined;
  if (rest === undefined ? wanted.length !== given.length : given.length <= rest) return undefined;
  const params: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const text = given[index] ?? '';
    if (index === rest) params[segment.slice(1)] = given.slice(rest).join('/');
    else if (segment.startsWith(':')) {
      const decoded = decodeSegment(text);
      if (decoded === undefined || decoded === '') return undefined;
      params[segment.slice(1)] = decoded;
    } else if (segment !== text) return undefined;
  }
  return params;
}

const segmentsOf = (path: string): string[] => path.split('/').slice(1);
const isNamed = (segment: string): boolean => segment.startsWith(':') || segment.startsWith('*');
export const hasRest = (path: string): boolean => path.includes('/*');
/** As the router spells it. */
export const patternOf = (path: string): string => path.replace(/\/\*[A-Za-z0-9]+$/, '/*');

function decodeSegment(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded UTF-8: no address of ours is spelt like that.
    return undefined;
  }
}
