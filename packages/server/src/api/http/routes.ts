// Routes as data: the source of the app, the authorization and the OpenAPI document.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { invariant, SCOPES, type Scope } from '@binnacle/protocol';
import { z } from '@hono/zod-openapi';
import type { Principal } from '../../access/principal.ts';
import type { Dialect } from './answer.ts';
import type { HttpResponse } from './http-response.ts';

export { json, noContent, respond, TAKEN_OVER } from './http-response.ts';
export { z };

/** Scope that a caller needs; `public`: not even a token. */
export type RouteScope = Scope | 'public';
export type HttpMethod = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** Arguments of a handler, all of them already validated. */
export interface RouteContext<S extends RouteScope = RouteScope, P = unknown, Q = unknown, H = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  /** Headers by lower-case name; only those that `headers` declares. */
  readonly headers: H;
  readonly body: B;
  readonly principal: S extends 'public' ? undefined : Principal;
  /** Node's request, for streaming request bodies. */
  readonly request: IncomingMessage;
  /** The validated Host header. */
  readonly host: string;
  /** URL of the gateway as this client reaches it, without a trailing slash; see `PublicUrl.baseOf`. */
  readonly base: string;
  /** Prefix of links that are opened elsewhere, without a trailing slash; see `PublicUrl.linkBase`. */
  readonly linkBase: string;
  /** Aborted when the client disconnects before the response is complete. */
  readonly signal: AbortSignal;
  /**
   * Returns Node's response, with the security headers set, for a streaming response. The handler then writes the head
   * and the body, handles back-pressure, and returns `TAKEN_OVER`, at once or at the end. The socket is destroyed
   * within a second after the principal is revoked; `Auth.hold` allows a graceful end.
   */
  takeOver(): ServerResponse;
}

export interface RouteAnswer {
  readonly description: string;
  /** Schema of the JSON body. Alternatives: `type` for another media type, or neither for no body. */
  readonly schema?: z.ZodType;
  readonly type?: string;
}

type BodyOf<B> = B extends 'bytes' ? Buffer : B extends z.ZodType ? z.output<B> : undefined;

/**
 * Maximum bytes of a body that anybody may send. A slow sender occupies as much for a minute, on each of thousands of
 * connections.
 */
export const PUBLIC_BODY_BYTES = 16 * 1024;

interface RouteFields {
  readonly summary: string;
  readonly description?: string;
  /** Maximum bytes of the body; default: the server's limit (1 MiB). A larger body is `body_too_large`. */
  readonly bodyLimit?: number;
  readonly responses: Readonly<Record<number, RouteAnswer>>;
  /** True if the OpenAPI document leaves the route out. */
  readonly hidden?: boolean;
  /**
   * Set if unknown fields of the query and the body are ignored: the protocol is not the gateway's own, or allows later
   * additions. Default: unknown fields are refused, which needs strict schemas. A `dialect` implies `ignored`.
   */
  readonly unknownFields?: 'ignored';
  /** Server-sent events that the route can respond with, by name: for the AsyncAPI document. */
  readonly events?: Readonly<Record<string, z.ZodType>>;
  /** Failure format of another product's protocol. Default: the gateway's own format. */
  readonly dialect?: Dialect;
  /**
   * Returns the part of the WWW-Authenticate header that tells how to get a token, for a base URL (RFC 6750, 3).
   * Default: none.
   */
  readonly challenge?: (base: string) => string;
}

/** A route with the types that its handler sees. */
export interface RouteDefinition<
  S extends RouteScope,
  P extends z.ZodType,
  Q extends z.ZodType,
  H extends z.ZodType,
  B extends z.ZodType | 'bytes' | undefined,
> extends RouteFields {
  /** Required if the path has a `:name`. */
  readonly params?: P;
  /** Schema of the query. Values are text; a repeated name is refused. */
  readonly query?: Q;
  /** Schema of the headers, with lower-case names. */
  readonly headers?: H;
  /** A schema: JSON, `{}` for an empty body. `'bytes'`: the raw body, whatever its Content-Type. */
  readonly body?: B;
  handler(
    context: RouteContext<S, z.output<P>, z.output<Q>, z.output<H>, BodyOf<B>>,
  ): HttpResponse | Promise<HttpResponse>;
}

/** A route with its types erased, as the app sees it. */
export interface HttpRoute extends RouteFields {
  readonly method: HttpMethod;
  /** Fixed segments and `:name`. The last segment can be `*name`: the undecoded rest of the path, at least a slash. */
  readonly path: string;
  readonly scope: RouteScope;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly headers?: z.ZodType;
  readonly body?: z.ZodType | 'bytes' | undefined;
  // A method rather than a property: TypeScript then accepts a handler of a narrower context. The app passes that
  // context.
  handler(context: RouteContext): HttpResponse | Promise<HttpResponse>;
}

type NoFields = z.ZodType<Readonly<Record<string, never>>>;

/** Returns true if the route refuses fields that its schemas do not know. */
export const isOurs = ({ dialect, unknownFields, hidden }: RouteFields): boolean =>
  dialect === undefined && unknownFields === undefined && hidden !== true;

/**
 * Defines a route with the types of its schemas.
 * @example route('get', '/v1/notes/:id', 'view', { summary: 'Show a note.', params, responses, handler })
 */
export function route<
  const S extends RouteScope,
  P extends z.ZodType = NoFields,
  Q extends z.ZodType = NoFields,
  H extends z.ZodType = NoFields,
  B extends z.ZodType | 'bytes' | undefined = undefined,
>(method: HttpMethod, path: string, scope: S, definition: RouteDefinition<S, P, Q, H, B>): HttpRoute {
  return { method, path, scope, ...definition } as unknown as HttpRoute;
}

/** Frames of a WebSocket. Each schema is a union of objects, discriminated by a field (`t` or `type`). */
export interface SocketFrames {
  readonly takes: z.ZodType;
  readonly sends: z.ZodType;
  /** Shared parts of frames, by their names in the document. */
  readonly shapes?: Readonly<Record<string, z.ZodType>>;
  /** Fields of every JSON frame that the gateway sends. */
  readonly withEach?: Readonly<Record<string, z.ZodType>>;
  /** Description of the binary frames. */
  readonly binary?: { readonly takes?: string; readonly sends?: string };
  /** Scopes of frames that need more than the scope of the socket, by name. */
  readonly scopes?: Readonly<Record<string, Scope>>;
  /** Names of the frames that guests of share links may send. Default: none. */
  readonly guests?: readonly string[];
}

/** An address that the gateway serves. */
export interface ServedAddress {
  readonly kind: HttpMethod | 'websocket';
  readonly path: string;
  readonly scope: RouteScope;
  /** False if neither /openapi.json nor /asyncapi.json names the address. */
  readonly isDescribed: boolean;
}

/** Lists the addresses of routes. */
export const servedAddresses = (
  routes: readonly HttpRoute[],
  wsRoutes: readonly WsRoute[],
): readonly ServedAddress[] => [
  ...routes.map(({ method, path, scope, hidden }) => ({ kind: method, path, scope, isDescribed: hidden !== true })),
  ...wsRoutes.map(({ path, scope, frames }) => ({
    ...{ kind: 'websocket' as const, path, scope, isDescribed: frames !== undefined },
  })),
];

/**
 * A WebSocket address. Host, origin and scope were checked before `upgrade` is called; until `upgrade` writes, it may
 * still throw a BinnacleError. The socket is destroyed within a second after the principal is revoked.
 */
export interface WsRoute {
  readonly path: string;
  readonly scope: Scope;
  readonly summary?: string;
  /** Frames of this socket; without them the AsyncAPI document leaves the socket out. */
  readonly frames?: SocketFrames;
  /** Failure format of refusals before the upgrade, as in routes. */
  readonly dialect?: Dialect;
  /** Schema of the `:name`s; default: any text. */
  readonly params?: z.ZodType<Readonly<Record<string, string>>>;
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    principal: Principal,
    params: Readonly<Record<string, string>>,
  ): void | Promise<void>;
}

const SEGMENT = /^(?::[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9._~!$&'(),;=@%-]+)$/;
const REST = /^\*[A-Za-z][A-Za-z0-9]*$/;

/**
 * Throws for a route without a scope, with an invalid path, with parameters but no schema, or with a colliding path.
 */
export function checkRoutes(routes: readonly HttpRoute[], wsRoutes: readonly WsRoute[]): void {
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
  for (const { method, path, scope, body, bodyLimit = Number.POSITIVE_INFINITY } of routes) {
    const isSmall = scope !== 'public' || body === undefined || bodyLimit <= PUBLIC_BODY_BYTES;
    invariant(isSmall, `Anybody may send the route ${method} ${path} a large body.`);
  }
}

const segmentsOf = (path: string): string[] => path.split('/').slice(1);
const isNamed = (segment: string): boolean => segment.startsWith(':') || segment.startsWith('*');
