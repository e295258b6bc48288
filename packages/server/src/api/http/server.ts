// The HTTP server: limits, listening, and the checks before any route.

import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BinnacleError } from '@binnacle/protocol';
import type { Auth } from '../../access/auth.ts';
import { type Hosts, headerValues } from '../../access/host-origin.ts';
import type { Principal } from '../../access/principal.ts';
import type { PublicUrl } from '../../access/public-url.ts';
import type { Log } from '../../base/logger.ts';
import { pathOf } from '../../base/request-path.ts';
import { answerOf, answerRaw, SECURITY_HEADERS } from './answer.ts';
import { buildApp } from './app.ts';
import { writeResponse } from './http-response.ts';
import type { HttpRoute, ServedAddress, WsRoute } from './routes.ts';
import { destroyWhenRevoked, Upgrades } from './upgrades.ts';

export interface HttpServerOptions {
  readonly routes: readonly HttpRoute[];
  readonly wsRoutes?: readonly WsRoute[];
  readonly auth: Auth;
  readonly hosts: Hosts;
  readonly log: Log;
  /** Version in the OpenAPI document. */
  readonly version: string;
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpLimits {
  /** Maximum bytes of a request body. */
  readonly bodyBytes: number;
  /** Maximum bytes of a request head. */
  readonly headerBytes: number;
  /** Maximum ms until a request head is complete. */
  readonly headersMs: number;
  /** Maximum ms until a request is complete, including the body. Responses may stream without limit. */
  readonly requestMs: number;
  /** Maximum ms that an idle connection waits for its next request. */
  readonly keepAliveMs: number;
  /** Maximum open connections; further connections are closed at once. */
  readonly connections: number;
  /** Maximum unanswered requests of one connection (HTTP pipelining); a connection with more is closed. */
  readonly pipelined: number;
}

export const HTTP_LIMITS: HttpLimits = {
  // Enough for a message to a terminal or an agent. Larger data belongs in files, which this API does not transfer.
  bodyBytes: 1024 * 1024,
  // Node's default: enough for a few cookies of other services on localhost.
  headerBytes: 16 * 1024,
  // Enough for a phone on a bad network; a slowloris client cannot occupy a socket for long.
  headersMs: 10_000,
  // 1 MiB at 17 KiB/s, a slow uplink.
  requestMs: 60_000,
  // Longer than the 60 s of common proxies: otherwise a race, in which the gateway closes a connection just as the
  // proxy sends a request.
  keepAliveMs: 65_000,
  // Enough for many viewers, and below the usual descriptor limit of a service (65 536).
  connections: 16_384,
  // Browsers and proxies send the next request after the answer to the last one.
  pipelined: 64,
};

/**
 * Maximum part of a limit by which Node exceeds it: the interval of its checks for late requests. With Node's default of
 * 30 s a limit of 10 s would act after up to 40 s.
 */
const LATENESS = 1 / 5;
/**
 * Maximum ms that the rest of a body is discarded after the response. Long enough for a body that was on its way: a
 * client that is still writing when the connection ends does not read the response.
 */
const UNREAD_MS = 500;
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
/** Maximum path bytes: sockaddr_un has 108 bytes on Linux and 104 on macOS, including the final zero. */
const MAX_SOCKET_PATH = 103;

export type ListenAt = { readonly port: number; readonly host?: string } | { readonly path: string };

export interface HttpServer {
  /** Node's server, for code that needs it. */
  readonly server: Server;
  /** All addresses served, including those that the documents leave out. */
  readonly addresses: readonly ServedAddress[];
  /**
   * Resolves when the server listens. `port` 0 picks a free port. Default host: 127.0.0.1. A unix socket gets mode
   * 0600.
   */
  listen(at: ListenAt): Promise<{ readonly port: number | undefined; readonly url: string }>;
  /** Refuses new connections, and ends all others: at once after their responses, at the latest after `graceMs` (default 2000). */
  close(graceMs?: number): Promise<void>;
}

/** Creates the server. Throws for invalid routes: no scope, a collision, a schema that cannot be described. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { routes, wsRoutes = [], auth, hosts, log, version } = options;
  const limits = { ...HTTP_LIMITS, ...options.limits };
  refuseOwnPath(hosts.publicUrl, [...routes, ...wsRoutes]);
  const upgrades = new Upgrades({ wsRoutes, auth, hosts, log });
  const pipelines = new Pipelines(limits.pipelined);
  const onTakeOver = (principal: Principal | undefined, outgoing: ServerResponse): void => {
    if (principal !== undefined) destroyWhenRevoked(auth, principal, outgoing);
  };
  const { answer, addresses } = buildApp({
    ...{ routes, wsRoutes, auth, publicUrl: hosts.publicUrl, log, version, onTakeOver },
    bodyLimit: limits.bodyBytes,
  });

  const unanswered = new Set<ServerResponse>();
  let isClosing = false;
  const server = createServer({
    connectionsCheckingInterval: Math.ceil(Math.min(limits.headersMs, limits.requestMs) * LATENESS),
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: limits.headerBytes,
    // The app handles a missing Host, with the same error as for a wrong one.
    requireHostHeader: false,
    // TCP keep-alive detects peers that vanished, e.g. a closed laptop.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  });
  server.maxConnections = limits.connections;
  server.on('request', (incoming, outgoing) => {
    if (!pipelines.admit(incoming.socket, outgoing, () => answerRequest(incoming, outgoing))) {
      log.warn({ remote: incoming.socket.remoteAddress }, 'connection closed: too many unanswered requests');
    }
  });

  function answerRequest(incoming: IncomingMessage, outgoing: ServerResponse): void {
    unanswered.add(outgoing);
    outgoing.once('close', () => {
      unanswered.delete(outgoing);
      // Node ends the connections that are idle at the time of `close`, but not those that become idle later.
      if (isClosing) setImmediate(() => server.closeIdleConnections());
    });
    outgoing.once('finish', () => endUnread(incoming));
    if (isClosing) outgoing.shouldKeepAlive = false;
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) outgoing.setHeader(name, value);
    const requestId = headerValues(incoming, 'x-request-id')[0];
    // Echoes the client's request id on the response, including errors.
    if (requestId !== undefined && REQUEST_ID.test(requestId)) outgoing.setHeader('X-Request-Id', requestId);
    try {
      hosts.checkHost(incoming);
      hosts.checkOrigin(incoming);
    } catch (error) {
      writeResponse(outgoing, answerOf(error, log, incoming));
      return;
    }
    const elsewhere = hosts.publicUrl.strip(incoming);
    if (elsewhere !== undefined) {
      writeResponse(outgoing, { status: 308, headers: { Location: elsewhere }, body: '' });
      return;
    }
    const begun = performance.now();
    outgoing.once('close', () => {
      const { statusCode: status } = outgoing;
      const ms = Math.round(performance.now() - begun);
      log.debug({ method: incoming.method, path: pathOf(incoming.url), status, ms }, 'request');
    });
    answer({ incoming, outgoing }).catch((error: unknown) => {
      log.error({ err: error }, 'response failed');
      outgoing.destroy();
    });
  }

  server.on('upgrade', (request, socket, head) => upgrades.handle(request, socket, head));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || (socket as Socket).bytesWritten > 0) socket.destroy();
    else answerRaw(socket, answerOf(clientFailure(error), log));
  });
  server.on('drop', (data) => log.warn({ remote: data?.remoteAddress }, 'connection refused: too many are open'));

  return {
    server,
    addresses,
    async listen(at) {
      if ('path' in at) {
        await listenOnPath(server, at.path);
        return { port: undefined, url: `unix:${at.path}` };
      }
      const { host = '127.0.0.1' } = at;
      await listening(server, () => server.listen(at.port, host));
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : at.port;
      return { port, url: `http://${host.includes(':') ? `[${host}]` : host}:${port}` };
    },
    async close(graceMs = 2000) {
      isClosing = true;
      for (const outgoing of unanswered) outgoing.shouldKeepAlive = false;
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      const timer = setTimeout(() => {
        server.closeAllConnections();
        upgrades.destroy();
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/**
 * Refuses a public path that begins like the gateway's own addresses: a proxy may strip the path or pass it on, and the
 * two cases could not be distinguished.
 */
function refuseOwnPath({ path, href }: PublicUrl, routes: readonly { readonly path: string }[]): void {
  const [, first] = path.split('/');
  if (first === undefined || !routes.some((route) => route.path.split('/')[1] === first)) return;
  throw new BinnacleError('bad_request', {
    message: `The path of the public URL ${href} begins as addresses of the gateway do: /${first}.`,
    hint: 'Serve it below another path, e.g. /binnacle/.',
  });
}

/** Ends the connection of a client that still sends a body `UNREAD_MS` after the response to it. */
function endUnread(incoming: IncomingMessage): void {
  if (incoming.complete) return;
  setTimeout(() => {
    if (!incoming.complete) incoming.destroy();
  }, UNREAD_MS).unref();
}

function clientFailure(error: NodeJS.ErrnoException): BinnacleError {
  if (error.code === 'HPE_HEADER_OVERFLOW') return new BinnacleError('headers_too_large');
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return new BinnacleError('request_timeout');
  return new BinnacleError('bad_request', { message: 'This is not an HTTP request.' });
}

function listening(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    start();
  });
}

/**
 * Listens on a unix socket. The caller has the lock of the data directory, so an existing socket belongs to a dead
 * gateway.
 */
async function listenOnPath(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new BinnacleError('bad_data_dir', {
      message: `The socket path ${path} is longer than ${MAX_SOCKET_PATH} bytes.`,
      hint: 'Pass a --data with a shorter path.',
    });
  }
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isSocket()) unlinkSync(path);
  await listening(server, () => {
    // bind() creates the file during this call, with the mode that the umask allows.
    const before = process.umask(0o177);
    try {
      server.listen(path);
    } finally {
      process.umask(before);
    }
  });
  chmodSync(path, 0o600);
}

/**
 * The unanswered requests of each connection, which are answered one after the other: the responses behind the first one
 * have no socket yet, so nothing would bound what they write.
 */
class Pipelines {
  readonly #limit: number;
  /** By connection: the responses in order, each with the function that begins it. */
  readonly #unanswered = new Map<Socket, Map<ServerResponse, () => void>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Calls `answer` when all earlier requests of the connection are answered. Returns false, and destroys the connection,
   * if it has too many unanswered requests.
   */
  admit(socket: Socket, response: ServerResponse, answer: () => void): boolean {
    const responses = this.#unanswered.get(socket) ?? this.#follow(socket);
    if (responses.size >= this.#limit) {
      socket.destroy();
      return false;
    }
    const isFirst = responses.size === 0;
    responses.set(response, answer);
    response.once('close', () => {
      responses.delete(response);
      const [next] = responses.values();
      if (next !== undefined && !socket.destroyed) next();
    });
    if (isFirst) answer();
    return true;
  }

  #follow(socket: Socket): Map<ServerResponse, () => void> {
    const responses = new Map<ServerResponse, () => void>();
    this.#unanswered.set(socket, responses);
    socket.once('close', () => {
      this.#unanswered.delete(socket);
      // Node emits 'close' only for the response that was being sent. The responses behind it would keep their requests
      // waiting. Node's own listeners come first: no response is closed twice.
      setImmediate(() => {
        for (const response of responses.keys()) response.emit('close');
      });
    });
    return responses;
  }
}
