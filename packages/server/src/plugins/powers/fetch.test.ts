import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcp, type Socket, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTls, type Server as TlsServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import type { ResolvedAddress } from '../../base/fixed-lookup.ts';
import { Fetches, type FetchParts } from './fetch.ts';
import { gatedPowers } from './powers.fixture.ts';

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}
const textOf = (answer: unknown): string => Buffer.from((answer as Answer).body, 'base64').toString();

const open: { close(): void; closeAllConnections?(): void }[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of open.splice(0)) server.close();
});

/** Its port, and what it was asked. */
async function listen(server: Server | TcpServer | TlsServer, host = '127.0.0.1'): Promise<number> {
  open.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((done) => server.listen(0, host, done));
  return (server.address() as AddressInfo).port;
}
async function http(answer: RequestListener, host?: string) {
  const requests: IncomingMessage[] = [];
  const port = await listen(
    createHttp((request, response) => {
      requests.push(request);
      answer(request, response);
    }),
    host,
  );
  return { port, requests };
}
const hello: RequestListener = (_, response) => void response.end('hello');
/** Speaks no HTTP of its own. */
async function tcp(serve: (socket: Socket) => void) {
  let connections = 0;
  const port = await listen(
    createTcp((socket) => {
      connections += 1;
      serve(socket);
    }),
  );
  return { port, connections: () => connections };
}

const net = (hosts: true | readonly string[], parts: FetchParts = {}) =>
  gatedPowers(new Fetches(parts).powers, { net: hosts === true ? true : { hosts } });
const leadsTo =
  (...addresses: readonly string[]) =>
  async (): Promise<readonly ResolvedAddress[]> =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));

describe('a request that a plugin wants sent', () => {
  it('is sent as it was let through, and its answer comes back', async () => {
    const { port, requests } = await http((request, response) => {
      const body: Buffer[] = [];
      request.on('data', (piece: Buffer) => body.push(piece));
      request.on('end', () => {
        response.writeHead(201, { 'x-two': ['a', 'b'], 'set-cookie': ['c=1', 'd=2'] });
        response.end(`got ${Buffer.concat(body).toString()}`);
      });
    });
    const { ask } = net([`127.0.0.1:${port}`]);
    const headers = [
      ['X-Many', 'one'],
      ['x-many', 'two'],
      ['__proto__', 'x'],
    ];
    const answer = await ask('net', { url: `http://127.0.0.1:${port}/a?b=c#d`, method: 'POST', headers, body: 'é' });
    expect(answer).toMatchObject({ status: 201, headers: { 'x-two': 'a, b', 'set-cookie': 'c=1, d=2' } });
    expect(textOf(answer)).toBe('got é');
    const [request] = requests;
    expect([request?.method, request?.url]).toEqual(['POST', '/a?b=c']);
    expect(request?.headersDistinct).toMatchObject({ host: [`127.0.0.1:${port}`], 'x-many': ['one', 'two'] });
    expect(request?.rawHeaders).toContain('__proto__');
    expect(request?.headers['content-length']).toBe('2');
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    '%s: says on the wire how long its body is, so that no part of it is another request',
    async (method) => {
      const body = 'POST /admin HTTP/1.1\r\nHost: other.internal\r\nContent-Length: 5\r\n\r\nhellö';
      let seen = Buffer.alloc(0);
      const { port } = await tcp((socket) => {
        socket.on('data', (bytes: Buffer) => {
          seen = Buffer.concat([seen, bytes]);
          if (seen.includes('hellö')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        });
      });
      const { ask } = net([`127.0.0.1:${port}`]);
      expect(textOf(await ask('net', { url: `http://127.0.0.1:${port}/a`, method, body }))).toBe('ok');
      const [head = '', ...rest] = seen.toString().split('\r\n\r\n');
      expect(rest.join('\r\n\r\n')).toBe(body);
      expect(head.match(/^content-length: *\d+/gim)).toEqual([`content-length: ${Buffer.byteLength(body)}`]);
      expect(head).not.toMatch(/transfer-encoding/i);
    },
  );

  it('is not sent with a body that nobody expects there', async () => {
    const { port, connections } = await tcp((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    const { ask } = net([`127.0.0.1:${port}`]);
    for (const method of ['GET', 'HEAD', undefined]) {
      expect(await ask('net', { url: `http://127.0.0.1:${port}/`, method, body: 'x' })).toBe('bad_request');
    }
    expect(connections()).toBe(0);
  });

  it('says of an empty body that it is one, and without a body nothing', async () => {
    const { port, requests } = await http(hello);
    const { ask } = net([`127.0.0.1:${port}`]);
    const url = `http://127.0.0.1:${port}/`;
    await ask('net', { url, method: 'DELETE', body: '' });
    await ask('net', { url, method: 'DELETE' });
    await ask('net', { url });
    expect(requests.map(({ headers }) => headers['content-length'])).toEqual(['0', undefined, undefined]);
    expect(requests.map(({ headers }) => headers['transfer-encoding'])).toEqual([undefined, undefined, undefined]);
  });

  it('has its answer also where that has no body', async () => {
    const { port } = await http((request, response) => {
      response.writeHead(request.method === 'HEAD' ? 200 : 204, { 'x-seen': '1' });
      response.end();
    });
    const { ask } = net([`127.0.0.1:${port}`]);
    const url = `http://127.0.0.1:${port}/`;
    expect(await ask('net', { url, method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
    expect(await ask('net', { url, method: 'DELETE' })).toMatchObject({ status: 204, headers: { 'x-seen': '1' } });
  });

  it('goes to the address that was judged, with the name in it', async () => {
    const { port, requests } = await http(hello);
    const { ask } = net([`api.example.test:${port}`, `127.0.0.1:${port}`], { resolve: leadsTo('127.0.0.1') });
    expect(textOf(await ask('net', { url: `http://API.example.test:${port}/` }))).toBe('hello');
    expect(requests[0]?.headers.host).toBe(`api.example.test:${port}`);
  });

  it('is looked up once: where the name leads the second time is of no matter', async () => {
    const { port } = await http(hello);
    const inside = await http(hello, '127.0.0.2');
    let lookups = 0;
    const resolve = async (): Promise<readonly ResolvedAddress[]> => {
      lookups += 1;
      return [{ address: lookups === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }];
    };
    const { ask } = net([`rebind.example.test:${port}`, `127.0.0.1:${port}`], { resolve });
    const url = `http://rebind.example.test:${port}/`;
    expect(textOf(await ask('net', { url }))).toBe('hello');
    expect(lookups).toBe(1);
    expect(await ask('net', { url })).toBe('permission_denied');
    expect(inside.requests).toEqual([]);
  });

  it.each([
    ['another address of this machine', ['127.0.0.1']],
    ['this machine, behind a public address', ['93.184.215.14', '127.0.0.1']],
    ['IPv4 in IPv6', ['::ffff:127.0.0.1']],
    ['IPv4 in IPv6, in numbers', ['::ffff:7f00:1']],
    ['IPv6', ['::1']],
    ['nowhere, which is here', ['0.0.0.0']],
    ['a private network', ['10.0.0.1']],
    ['metadata', ['169.254.169.254']],
    ['metadata of IPv6', ['fd00:ec2::254']],
    ['a translated address of this machine', ['64:ff9b::7f00:1']],
    ['what is no address', ['localhost']],
  ])('to a name that leads to %s is refused before anything is connected to', async (_, addresses) => {
    const { port, connections } = await tcp(() => undefined);
    const gated = net(true, { resolve: leadsTo(...addresses) });
    // `true` opens usual ports alone; with `*` and a port it is this one.
    gated.grant({ net: { hosts: [`*:${port}`] } });
    const answer = await gated.ask('net', { url: `http://evil.example.test:${port}/` });
    expect(['permission_denied', 'not_grantable']).toContain(answer);
    expect(connections()).toBe(0);
    expect(gated.decisions.at(-1)?.outcome).toBe('denied');
  });

  it.each([
    (port: number) => `http://localhost:${port}/`,
    (port: number) => `http://LOCALHOST.:${port}/`,
    (port: number) => `http://127.0.0.1:${port}/`,
    (port: number) => `http://127.1:${port}/`,
    (port: number) => `http://2130706433:${port}/`,
    (port: number) => `http://0x7f.1:${port}/`,
    (port: number) => `http://0177.0.0.1:${port}/`,
    (port: number) => `http://0.0.0.0:${port}/`,
    (port: number) => `http://0:${port}/`,
    (port: number) => `http://[::1]:${port}/`,
    (port: number) => `http://[::]:${port}/`,
    (port: number) => `http://[::ffff:127.0.0.1]:${port}/`,
    (port: number) => `http://①②⑦.0.0.1:${port}/`,
    (port: number) => `http://public.example@127.0.0.1:${port}/`,
    (port: number) => `http://127.0.0.1:${port}\\@public.example/`,
    (port: number) => `http://169.254.169.254/latest/meta-data/?${port}`,
    (port: number) => `http://metadata.google.internal/?${port}`,
  ])('to %o is refused by a grant of any public host', async (url) => {
    const { port, connections } = await tcp(() => undefined);
    const { ask } = net([`*:${port}`, '*']);
    const answer = await ask('net', { url: url(port) });
    expect(['permission_denied', 'not_grantable', 'bad_request', 'fetch_failed']).toContain(answer);
    expect(connections()).toBe(0);
  });

  it('is neither looked up nor sent where it was not granted', async () => {
    let lookups = 0;
    const resolve = async (): Promise<readonly ResolvedAddress[]> => {
      lookups += 1;
      return [{ address: '127.0.0.1', family: 4 }];
    };
    const { port, connections } = await tcp(() => undefined);
    for (const permissions of [{}, { net: false }, { net: { hosts: ['api.example.org'] } }]) {
      const gated = gatedPowers(new Fetches({ resolve }).powers, permissions);
      for (const url of [`http://secret.evil.test:${port}/`, `http://api.example.org:${port}/`]) {
        expect(await gated.ask('net', { url })).toBe('permission_denied');
      }
      expect(gated.decisions.map(({ outcome }) => outcome)).toEqual(['denied', 'denied']);
    }
    expect([lookups, connections()]).toEqual([0, 0]);
  });

  it('is not sent on: a redirect to this machine is an answer like others', async () => {
    const inside = await http(hello);
    const { port } = await http((_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${inside.port}/` });
      response.end();
    });
    const { ask } = net([`127.0.0.1:${port}`]);
    const answer = await ask('net', { url: `http://127.0.0.1:${port}/` });
    expect(answer).toMatchObject({ status: 302, headers: { location: `http://127.0.0.1:${inside.port}/` } });
    expect(inside.requests).toEqual([]);
  });

  it('does not go through a proxy, whatever the environment says', async () => {
    const proxy = await tcp(() => undefined);
    const { port } = await http(hello);
    const names = ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'NODE_USE_ENV_PROXY'];
    for (const name of names) process.env[name] = name.startsWith('NODE') ? '1' : `http://127.0.0.1:${proxy.port}`;
    try {
      const { ask } = net([`127.0.0.1:${port}`]);
      expect(textOf(await ask('net', { url: `http://127.0.0.1:${port}/` }))).toBe('hello');
    } finally {
      for (const name of names) delete process.env[name];
    }
    expect(proxy.connections()).toBe(0);
  });

  it.each([
    ['that is announced', { 'content-length': String(10 * 1024 ** 3) }],
    ['that is not announced', {}],
  ])('with an answer of 10 GB %s is cut off early', async (_, headers) => {
    let sent = 0;
    let isOver = false;
    const { port } = await http((_request, response) => {
      response.writeHead(200, headers);
      const piece = Buffer.alloc(64 * 1024);
      const pump = (): void => {
        while (!isOver && response.write(piece)) sent += piece.length;
        if (!isOver) response.once('drain', pump);
      };
      response.on('close', () => (isOver = true));
      pump();
    });
    const { ask } = net([`127.0.0.1:${port}`]);
    expect(await ask('net', { url: `http://127.0.0.1:${port}/` })).toBe('answer_too_large');
    await until('it is cut', () => isOver, 8000);
    expect(sent).toBeLessThan(50 * 1024 * 1024);
  });

  it('takes 512 KiB of any bytes, and not one more', async () => {
    const { port } = await http(
      (request, response) => void response.end(Buffer.alloc(Number(request.url?.slice(1)), 0xff)),
    );
    const { ask } = net([`127.0.0.1:${port}`]);
    const whole = (await ask('net', { url: `http://127.0.0.1:${port}/524288` })) as Answer;
    expect(Buffer.from(whole.body, 'base64').equals(Buffer.alloc(524_288, 0xff))).toBe(true);
    expect(await ask('net', { url: `http://127.0.0.1:${port}/524289` })).toBe('answer_too_large');
  });

  it.each([
    ['says nothing', () => undefined],
    ['sends its headers drop by drop', (socket: Socket) => drip(socket, 'HTTP/1.1 200 OK\r\n', 'x-a: b\r\n')],
    ['never ends its body', (socket: Socket) => drip(socket, 'HTTP/1.1 200 OK\r\n\r\n', 'x')],
    ['says to go on for ever', (socket: Socket) => drip(socket, '', 'HTTP/1.1 103 Early Hints\r\n\r\n')],
  ])('to a server that %s is over at the deadline', async (_, serve) => {
    let closed = 0;
    const { port } = await tcp((socket) => {
      socket
        .on('close', () => (closed += 1))
        .on('error', () => undefined)
        .resume();
      serve(socket);
    });
    const { ask } = net([`127.0.0.1:${port}`], { deadlineMs: 300 });
    const began = performance.now();
    expect(await ask('net', { url: `http://127.0.0.1:${port}/` })).toBe('plugin_timeout');
    expect(performance.now() - began).toBeLessThan(2000);
    await until('the connection is gone', () => closed === 1, 8000);
  });

  it('whose name is looked up for ever is over at the deadline', async () => {
    const { ask } = net(true, { deadlineMs: 100, resolve: () => new Promise(() => undefined) });
    expect(await ask('net', { url: 'http://slow.example.org/' })).toBe('plugin_timeout');
  });

  it('has its name looked up behind those of others, one at a time, and not once nobody waits', async () => {
    let now = 0;
    let most = 0;
    const lookups: string[] = [];
    const answer: (() => void)[] = [];
    const resolve = (host: string): Promise<readonly ResolvedAddress[]> => {
      lookups.push(host);
      now += 1;
      most = Math.max(most, now);
      return new Promise((done) =>
        answer.push(() => {
          now -= 1;
          done([]);
        }),
      );
    };
    const { powers } = new Fetches({ resolve });
    const [one, other] = ['one', 'other'].map((plugin) => gatedPowers(powers, { net: true }, { plugin }));
    const stop = new AbortController();
    const first = one?.ask('net', { url: 'http://a.example.org/' });
    const second = one?.ask('net', { url: 'http://b.example.org/' }, stop.signal);
    const third = one?.ask('net', { url: 'http://c.example.org/' });
    const theirs = other?.ask('net', { url: 'http://d.example.org/' });
    stop.abort();
    expect(await second).toBe('plugin_stopped');
    for (const count of [1, 2, 3]) {
      await until('the next is looked up', () => lookups.length === count, 8000);
      answer[count - 1]?.();
    }
    expect(await Promise.all([first, third, theirs])).toEqual(Array(3).fill('fetch_failed'));
    // Theirs does not wait for all of the other plugin's.
    expect(lookups).toEqual(['a.example.org', 'd.example.org', 'c.example.org']);
    expect(most).toBe(1);
  });

  it.each([
    ['headers without end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`],
    ['what is no HTTP', 'SSH-2.0-OpenSSH_9\r\n'],
    ['half a body', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'],
    ['another protocol', 'HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'],
    ['nothing', ''],
  ])('that is answered with %s has failed', async (_, response) => {
    const { port } = await tcp((socket) => void socket.on('error', () => undefined).end(response));
    const { ask, refusal } = net([`127.0.0.1:${port}`], { deadlineMs: 3000 });
    expect(await ask('net', { url: `http://127.0.0.1:${port}/` })).toBe('fetch_failed');
    expect((await refusal('net', { url: `http://127.0.0.1:${port}/` })).message).not.toContain('yyyy');
  });

  it('that nobody takes has failed, with the reason', async () => {
    const { port, connections } = await tcp(() => undefined);
    for (const server of open.splice(0)) server.close();
    const { refusal } = net([`127.0.0.1:${port}`]);
    const { code, details } = await refusal('net', { url: `http://127.0.0.1:${port}/` });
    expect([code, details?.reason, connections()]).toEqual(['fetch_failed', 'ECONNREFUSED', 0]);
    const nowhere = net(true, { resolve: leadsTo() });
    expect(await nowhere.refusal('net', { url: 'http://x.example.org/' })).toMatchObject({ code: 'fetch_failed' });
  });

  it('ends when nobody waits for it any more, before and while it is sent', async () => {
    let closed = 0;
    const { port, connections } = await tcp((socket) => void socket.on('close', () => (closed += 1)).resume());
    const { ask } = net([`127.0.0.1:${port}`]);
    const stop = new AbortController();
    const answer = ask('net', { url: `http://127.0.0.1:${port}/` }, stop.signal);
    await until('it is there', () => connections() === 1, 8000);
    stop.abort();
    expect(await answer).toBe('plugin_stopped');
    await until('the connection is gone', () => closed === 1, 8000);
    expect(await ask('net', { url: `http://127.0.0.1:${port}/` }, stop.signal)).toBe('plugin_stopped');
    expect(connections()).toBe(1);
  });

  it('is one of eight at once', async () => {
    const { port } = await tcp(() => undefined);
    const { ask } = net([`127.0.0.1:${port}`]);
    const stop = new AbortController();
    const url = `http://127.0.0.1:${port}/`;
    const eight = Array.from({ length: 8 }, () => ask('net', { url }, stop.signal));
    expect(await ask('net', { url })).toBe('plugin_busy');
    stop.abort();
    expect(await Promise.all(eight)).toEqual(Array(8).fill('plugin_stopped'));
  });

  it('over TLS names the host, and is not sent to somebody who cannot prove to be that', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'binnacle-tls-'));
    const made = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=a.test',
    ];
    execFileSync('openssl', ['req', '-x509', ...made, '-keyout', join(dir, 'k'), '-out', join(dir, 'c')], {
      stdio: 'ignore',
    });
    const names: string[] = [];
    let bytes = 0;
    const server = createTls(
      {
        key: readFileSync(join(dir, 'k')),
        cert: readFileSync(join(dir, 'c')),
        SNICallback: (name, done) => {
          names.push(name);
          done(null);
        },
      },
      (socket) => void socket.on('error', () => undefined).on('data', (piece) => (bytes += piece.length)),
    );
    server.on('tlsClientError', () => undefined);
    const port = await listen(server);
    rmSync(dir, { recursive: true });
    const { refusal } = net([`a.test:${port}`, `127.0.0.1:${port}`], { resolve: leadsTo('127.0.0.1') });
    const { code, details } = await refusal('net', { url: `https://a.test:${port}/` });
    expect([code, details?.reason]).toEqual(['fetch_failed', 'DEPTH_ZERO_SELF_SIGNED_CERT']);
    expect(names).toEqual(['a.test']);
    expect(bytes).toBe(0);
  });
});

/** Never stops by itself. */
function drip(socket: Socket, first: string, drop: string): void {
  socket.write(first);
  const timer = setInterval(() => socket.write(drop), 20);
  socket.on('close', () => clearInterval(timer));
}
