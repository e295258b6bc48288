// A gateway for tests: real sockets, a real data directory, one route that counts what it did. No part of the product.

import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { WebSocketServer } from 'ws';
import { tempDir } from '../../../../../test/support/temp-dir.ts';
import { Auth, type AuthOptions } from '../../access/auth.ts';
import { type HostOptions, Hosts } from '../../access/host-origin.ts';
import { loadAdminToken } from '../../data-dir/admin-token.ts';
import { prepareDataDir } from '../../data-dir/data-dir.ts';
import { openDatabase } from '../../store/sqlite.ts';
import { Catalogue } from '../../store/store.ts';
import { tokenRoutes } from '../rest/tokens.ts';
import { type HttpRoute, json, route, TAKEN_OVER, type WsRoute, z } from './routes.ts';
import { createHttpServer, type HttpLimits } from './server.ts';

export interface GatewayOptions extends Omit<Partial<AuthOptions>, 'hosts'> {
  readonly hosts?: HostOptions;
  readonly routes?:
    | readonly HttpRoute[]
    | ((of: { readonly auth: Auth; readonly catalogue: Catalogue }) => readonly HttpRoute[]);
  readonly wsRoutes?: readonly WsRoute[];
  readonly limits?: Partial<HttpLimits>;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The `error.code` of the body. */
  readonly code: string | undefined;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
}

/** Opens a gateway on a free port. `close` removes it and its directory. */
export async function openGateway(options: GatewayOptions = {}) {
  const root = tempDir('http');
  const dir = prepareDataDir(join(root, 'data'));
  const { hosts: hostOptions, routes: more = [], wsRoutes: moreWs = [], limits = {}, ...authOptions } = options;
  const hosts = new Hosts(hostOptions);
  const adminToken = options.adminToken ?? loadAdminToken(dir, {});
  const catalogue = Catalogue.open(dir);
  const auth = new Auth({ catalogue, ...authOptions, adminToken, hosts });
  const logged: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  const deeds: unknown[] = [];
  const sockets = new WebSocketServer({ noServer: true });

  const routes = [
    ...tokenRoutes({ auth }),
    ...deedRoutes(deeds),
    ...(typeof more === 'function' ? more({ auth, catalogue }) : more),
  ];
  const wsRoutes: WsRoute[] = [
    {
      path: '/v1/ws',
      scope: 'view',
      upgrade(incoming, socket, head, principal) {
        sockets.handleUpgrade(incoming, socket, head, (ws) => {
          auth.hold(principal, () => ws.close(4003));
          ws.send(principal.scope);
        });
      },
    },
    ...moreWs,
  ];
  const http = createHttpServer({ routes, wsRoutes, auth, hosts, log, limits, version: '0.0.0' });
  const { port = 0, url } = await http.listen({ port: 0 });

  return {
    ...{ url, port, dir, adminToken, auth, catalogue, http, routes, wsRoutes, deeds, logged },
    bearer: { Authorization: `Bearer ${adminToken}` },
    cookieName: `binnacle_${port}`,
    ask: (path: string, ask: Ask = {}) => send(port, path, ask),
    raw: (text: string) => exchange(port, text),
    /** Changes stored rows, as an older gateway may have left them. */
    sql(text: string): void {
      const db = openDatabase(join(dir, 'catalogue.db'));
      db.exec(text);
      db.close();
    },
    /** Logs a browser in and returns the headers that its page sends. */
    async login(scope = 'admin'): Promise<LoginHeaders> {
      const principal = auth.authorize(fakeRequest(adminToken), 'admin');
      const { ticket } = auth.issueTicket(principal, scope as 'admin');
      return loginHeaders(await send(port, '/v1/login', postJson({ ticket })));
    },
    async token(scope: string, ttlMs?: number): Promise<{ id: string; token: string }> {
      const ask = postJson({ name: 'test', scope, ...(ttlMs === undefined ? {} : { ttlMs }) }, adminToken);
      return JSON.parse((await send(port, '/v1/tokens', ask)).text);
    },
    async close(graceMs = 0): Promise<void> {
      sockets.close();
      await http.close(graceMs);
      auth.close();
      catalogue.close();
    },
  };
}

/** Headers that the page of a login sends, except its Origin. */
export interface LoginHeaders extends Readonly<Record<string, string>> {
  readonly Cookie: string;
  readonly 'Binnacle-Key': string;
}

/** Returns the headers for the login in an answer to `POST /v1/login`. */
export const loginHeaders = (reply: Reply): LoginHeaders => ({
  Cookie: String(reply.headers['set-cookie']?.[0]?.split(';')[0]),
  'Binnacle-Key': JSON.parse(reply.text).key,
});

/** The subprotocols of a page's WebSocket. */
export const keyProtocols = (login: LoginHeaders): string => `binnacle, binnacle.key.${login['Binnacle-Key']}`;

export type Gateway = Awaited<ReturnType<typeof openGateway>>;

export const postJson = (value: unknown, token?: string): Ask => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json', ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
  body: JSON.stringify(value),
});

function deedRoutes(deeds: unknown[]): HttpRoute[] {
  return [
    route('post', '/test/deed', 'input', {
      summary: 'Does something.',
      body: z.strictObject({ what: z.string().optional() }),
      responses: {},
      handler: ({ body }) => json({ done: deeds.push(body) }),
    }),
    route('post', '/test/bytes', 'input', {
      summary: 'Takes bytes.',
      body: 'bytes',
      responses: {},
      handler: ({ body }) => json({ bytes: body.length, done: deeds.push(body.length) }),
    }),
    route('get', '/test/stream', 'view', {
      summary: 'Streams until somebody ends it.',
      responses: {},
      handler: ({ takeOver }) => {
        const outgoing = takeOver();
        outgoing.writeHead(200, { 'Content-Type': 'text/plain' });
        outgoing.write('begun\n');
        return TAKEN_OVER;
      },
    }),
  ];
}

/** One request over a connection of its own. Node's client sends any header, also those that fetch forbids. */
function send(port: number, path: string, { method = 'GET', headers = {}, body }: Ask): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const all = { ...length, ...headers };
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers: all, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, code: codeOf(text) });
      });
    });
    outgoing.on('error', reject);
    outgoing.on('upgrade', (incoming, socket) => {
      socket.destroy();
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text: '', code: undefined });
    });
    outgoing.end(body);
  });
}

/** Sends text and returns everything that comes back until the server closes. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

export const upgradeHeaders = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

function codeOf(text: string): string | undefined {
  return text.startsWith('{"error"') ? JSON.parse(text).error.code : undefined;
}

/** Just enough of a request for `Auth` in this process. */
export function fakeRequest(token: string, remoteAddress = '127.0.0.1'): import('node:http').IncomingMessage {
  const rawHeaders = ['Authorization', `Bearer ${token}`];
  return { method: 'GET', url: '/', rawHeaders, headers: {}, socket: { remoteAddress, localPort: 1 } } as never;
}
