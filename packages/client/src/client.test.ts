import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Binnacle } from './client.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

interface Reply {
  readonly status: number;
  readonly body?: string | Uint8Array;
  readonly headers?: Record<string, string>;
}

let server: Server;
let seen: Seen[];
let reply: (request: Seen) => Reply | 'silence';
let client: Binnacle;

beforeEach(async () => {
  seen = [];
  reply = () => ({ status: 200, body: '{}' });
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { method, url, headers } = request;
      const one = { method, url, headers, body: Buffer.concat(parts).toString() };
      seen.push(one);
      const answer = reply(one);
      if (answer === 'silence') return;
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = new Binnacle({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 't' });
});

afterEach(async () => {
  client.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('the client over HTTP', () => {
  it('asks what the gateway offers, with the token in the header', async () => {
    await client.sessions.create({ command: 'ls', mode: 'pipe' });
    await client.sessions.get('a/b');
    await client.sessions.list({ after: 'x', limit: 5 });
    await client.tokens.create({ name: 'n', scope: 'view' });
    await client.createTicket('view');
    await client.me();
    expect(seen.map(({ method, url, body }) => `${method} ${url} ${body}`)).toEqual([
      'POST /v1/sessions {"command":"ls","mode":"pipe"}',
      'GET /v1/sessions/a%2Fb ',
      'GET /v1/sessions?after=x&limit=5 ',
      'POST /v1/tokens {"name":"n","scope":"view"}',
      'POST /v1/tickets {"scope":"view"}',
      'GET /v1/me ',
    ]);
    for (const { headers } of seen) expect(headers.authorization).toBe('Bearer t');
  });

  it('takes 204 for done', async () => {
    reply = () => ({ status: 204 });
    await client.sessions.delete('a');
    await client.tokens.revoke('a');
    await client.logout();
    expect(seen.map(({ method }) => method)).toEqual(['DELETE', 'DELETE', 'POST']);
  });

  it('reads all pages of sessions', async () => {
    reply = ({ url }) => ({
      status: 200,
      body: JSON.stringify(
        url?.includes('after=') === true
          ? { sessions: [{ id: 2 }], next: null }
          : { sessions: [{ id: 1 }], next: 'p2' },
      ),
    });
    expect(await client.sessions.all()).toEqual([{ id: 1 }, { id: 2 }]);
    expect(seen.map(({ url }) => url)).toEqual(['/v1/sessions?limit=100', '/v1/sessions?after=p2&limit=500']);
  });

  it('reads raw output as the bytes it is', async () => {
    reply = () => ({ status: 200, body: Uint8Array.of(0, 255, 10), headers: { 'Binnacle-Next-Offset': '13' } });
    const slice = await client.session('s').read({ since: 10, limit: 3, waitMs: 50, stream: 'stdout' });
    expect(slice).toEqual({ bytes: Uint8Array.of(0, 255, 10), nextOffset: 13 });
    expect(seen[0]?.url).toBe('/v1/sessions/s/output?since=10&limit=3&stream=stdout&wait=50');
  });

  it('throws the failure that the gateway names', async () => {
    const error = {
      code: 'session_gone',
      message: 'Deleted by Ada.',
      hint: 'h',
      retryable: false,
      details: { by: 'Ada' },
    };
    reply = () => ({ status: 410, body: JSON.stringify({ error }) });
    await expect(client.sessions.get('x')).rejects.toMatchObject({
      code: 'session_gone',
      message: 'Deleted by Ada.',
      details: { by: 'Ada' },
    });
  });

  it.each([
    [502, '<html>Bad gateway</html>', 'unreachable'],
    [503, '', 'unreachable'],
    [401, 'no', 'unauthorized'],
    [404, 'null', 'not_found'],
    [500, '{"error":{"code":"from the future","message":"m"}}', 'internal'],
    [418, '{"error":7}', 'internal'],
  ])('makes sense of a proxy’s %i %s', async (status, body, code) => {
    reply = () => ({ status, body });
    await expect(client.me()).rejects.toMatchObject({ code, details: { status } });
  });

  it('throws unreachable when nobody listens, and when nobody answers in time', async () => {
    const nobody = new Binnacle({ url: 'http://127.0.0.1:1' });
    await expect(nobody.me()).rejects.toMatchObject({ code: 'unreachable', retryable: true });
    reply = () => 'silence';
    const hasty = new Binnacle({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      requestTimeoutMs: 30,
    });
    await expect(hasty.me()).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('throws unreachable when an answer that should be JSON is none', async () => {
    reply = () => ({ status: 200, body: '<html>a captive portal</html>' });
    await expect(client.me()).rejects.toMatchObject({ code: 'unreachable' });
  });
});
