import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Hosts } from '../../access/host-origin.ts';
import { type Gateway, openGateway, postJson, upgradeHeaders } from './gateway.fixture.ts';
import { json, route, TAKEN_OVER, z } from './routes.ts';
import { createHttpServer } from './server.ts';
import { PAGE_CSP, staticRoutes } from './static.ts';

const typed = route('post', '/test/items/:id', 'view', {
  summary: 'Says what it understood.',
  params: z.object({ id: z.string().regex(/^[a-z]+$/) }),
  query: z.object({ limit: z.coerce.number().int().max(10).default(5) }),
  headers: z.object({ 'binnacle-client': z.string().max(5).optional() }),
  body: z.object({ size: z.object({ cols: z.number().int().min(1) }).optional() }),
  responses: { 200: { description: 'ok', schema: z.object({ id: z.string() }) } },
  handler: ({ params, query, headers, body }) => json({ ...params, ...query, ...headers, ...body }),
});
const failing = (path: string, fail: () => never) =>
  route('get', path, 'public', { summary: 'Fails.', responses: {}, handler: fail });

let gateway: Gateway;
let requestSignal: AbortSignal | undefined;
beforeAll(async () => {
  gateway = await openGateway({
    limits: { bodyBytes: 1000 },
    routes: [
      typed,
      failing('/test/known', () => {
        throw new BinnacleError('gap', { details: { oldestOffset: 7 } });
      }),
      failing('/test/unknown', () => {
        throw new TypeError('a secret in a message');
      }),
      route('get', '/test/half', 'public', {
        summary: 'Fails in the middle of its own answer.',
        responses: {},
        handler: async ({ takeOver }) => {
          takeOver().writeHead(200).write('half');
          throw new Error('gone wrong');
        },
      }),
      route('get', '/test/wait', 'view', {
        summary: 'Waits for its client to leave.',
        responses: {},
        handler: ({ signal, takeOver }) => {
          requestSignal = signal;
          takeOver().writeHead(200).write('x');
          return TAKEN_OVER;
        },
      }),
    ],
    wsRoutes: [
      {
        path: '/ws/session/:id',
        scope: 'view',
        params: z.object({ id: z.string().max(5) }),
        upgrade(_request, _socket, _head, _principal, { id }) {
          throw new BinnacleError('session_not_found', { details: { id } });
        },
      },
    ],
  });
});
afterAll(() => gateway.close());

describe('a request', () => {
  const item = (path: string, body: unknown = {}, headers: Record<string, string> = {}) => {
    const ask = postJson(body, gateway.adminToken);
    return gateway.ask(`/test/items/${path}`, { ...ask, headers: { ...ask.headers, ...headers } });
  };

  test('reaches its handler with parsed parameters, query, headers and body', async () => {
    const reply = await item('ab?limit=3', { size: { cols: 80 } }, { 'Binnacle-Client': 'me' });
    expect(JSON.parse(reply.text)).toEqual({ id: 'ab', limit: 3, 'binnacle-client': 'me', size: { cols: 80 } });
    const bare = await gateway.ask('/test/items/ab', { method: 'POST', headers: gateway.bearer });
    expect(JSON.parse(bare.text)).toEqual({ id: 'ab', limit: 5 });
  });

  test('that is wrong is refused with the name of the field', async () => {
    const cases = [
      [await item('AB'), 'path', 'id'],
      [await item('ab?limit=11'), 'query', 'limit'],
      [await item('ab?limit=1&limit=2'), 'query', 'limit'],
      [await item('ab', { size: { cols: 0 } }), 'body', 'size.cols'],
      [await item('ab', {}, { 'Binnacle-Client': 'much too long' }), 'header', 'binnacle-client'],
      [await item('ab', []), 'body', ''],
    ] as const;
    for (const [reply, place, field] of cases) {
      expect.soft(reply).toMatchObject({ status: 400, code: 'bad_request' });
      const { error } = JSON.parse(reply.text);
      expect.soft(error.details).toEqual({ in: place, field });
      expect.soft(error.message).toContain(field);
    }
    for (const body of ['{', '', Buffer.from([0x22, 0xff, 0x22])]) {
      const headers = { ...gateway.bearer, 'Content-Type': 'application/json' };
      const reply = await gateway.ask('/test/items/ab', { method: 'POST', headers, body });
      expect.soft(reply.status).toBe(body.length === 0 ? 200 : 400);
    }
  });

  test('that fails is answered in the one shape, without our insides', async () => {
    const known = await gateway.ask('/test/known');
    expect(known).toMatchObject({ status: 410, code: 'gap' });
    expect(JSON.parse(known.text).error).toMatchObject({ retryable: false, details: { oldestOffset: 7 } });
    const unknown = await gateway.ask('/test/unknown');
    expect(unknown).toMatchObject({ status: 500, code: 'internal' });
    expect(unknown.text).not.toContain('secret');
    expect(gateway.logged.join('')).toContain('a secret in a message');
    await expect(gateway.ask('/test/half')).rejects.toThrow();
  });

  test('with a target that is no URL is a bad request', async () => {
    const answer = await gateway.raw(
      `GET /a\\b HTTP/1.1\r\nHost: localhost:${gateway.port}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"bad_request"');
    expect(await gateway.raw('nonsense\r\n\r\n')).toContain('"code":"bad_request"');
  });

  test('gets a signal when its client leaves in the middle', async () => {
    const outgoing = request(`${gateway.url}/test/wait`, { headers: gateway.bearer }, (incoming) => {
      incoming.on('error', () => {});
      outgoing.destroy();
    });
    outgoing.end();
    await expect.poll(() => requestSignal?.aborted).toBe(true);
  });
});

describe('a body', () => {
  test('beyond the limit is refused by its Content-Length and while it is read', async () => {
    const headers = { ...gateway.bearer, 'Content-Type': 'application/json' };
    const fits = await gateway.ask('/test/bytes', { method: 'POST', headers, body: 'x'.repeat(1000) });
    expect(JSON.parse(fits.text).bytes).toBe(1000);
    const done = gateway.deeds.length;
    const announced = await gateway.ask('/test/bytes', { method: 'POST', headers, body: 'x'.repeat(1001) });
    expect(announced).toMatchObject({ status: 413, code: 'body_too_large' });
    const chunked = { ...headers, 'Transfer-Encoding': 'chunked' };
    for (const path of ['/test/bytes', '/test/deed']) {
      const reply = await new Promise<number | undefined>((resolve, reject) => {
        const outgoing = request(`${gateway.url}${path}`, { method: 'POST', headers: chunked }, (incoming) => {
          incoming.resume();
          resolve(incoming.statusCode);
          outgoing.destroy();
        });
        outgoing.on('error', reject);
        // Never ended: the answer comes because of the bytes that were read.
        for (let i = 0; i < 11; i += 1) outgoing.write('x'.repeat(100));
      });
      expect.soft(reply).toBe(413);
    }
    expect(gateway.deeds.length).toBe(done);
  });

  test('that is compressed is refused', async () => {
    const headers = { ...gateway.bearer, 'Content-Encoding': 'gzip' };
    const reply = await gateway.ask('/test/bytes', { method: 'POST', headers, body: 'x' });
    expect(reply).toMatchObject({ status: 415, code: 'bad_content_type' });
  });
});

describe('a WebSocket address', () => {
  test('tells a plain GET to upgrade, and other methods what is allowed', async () => {
    const plain = await gateway.ask('/v1/ws', { headers: gateway.bearer });
    expect(plain).toMatchObject({ status: 426, code: 'upgrade_required' });
    expect(plain.headers.upgrade).toBe('websocket');
    const other = { ...upgradeHeaders, ...gateway.bearer, Upgrade: 'h2c' };
    expect(await gateway.ask('/v1/ws', { headers: other })).toMatchObject({ status: 426 });
    const post = await gateway.ask('/v1/ws', { method: 'POST', headers: { ...upgradeHeaders, ...gateway.bearer } });
    expect(post).toMatchObject({ status: 405 });
    expect(post.headers.allow).toBe('GET');
  });

  test('answers its own refusals as JSON before the upgrade', async () => {
    const headers = { ...upgradeHeaders, ...gateway.bearer };
    const missing = await gateway.ask('/ws/session/abc?since=0', { headers });
    expect(missing).toMatchObject({ status: 404, code: 'session_not_found' });
    expect(JSON.parse(missing.text).error.details).toEqual({ id: 'abc' });
    expect(missing.headers['x-content-type-options']).toBe('nosniff');
    expect(await gateway.ask('/ws/session/toolong', { headers })).toMatchObject({ status: 400, code: 'bad_request' });
  });
});

describe('the OpenAPI document', () => {
  test('is version 3.1 and names every route, its scope and the one error shape', async () => {
    const document = JSON.parse((await gateway.ask('/openapi.json')).text);
    expect(document.openapi).toBe('3.1.0');
    const item = document.paths['/test/items/{id}'].post;
    expect(item.parameters.map((one: { in: string; name: string }) => `${one.in} ${one.name}`)).toEqual(
      expect.arrayContaining(['path id', 'query limit', 'header binnacle-client']),
    );
    expect(item.description).toContain('`view`');
    expect(item.responses.default.content['application/json'].schema).toEqual({ $ref: '#/components/schemas/Error' });
    expect(document.paths['/test/bytes'].post.requestBody.content).toHaveProperty('application/octet-stream');
    expect(document.paths['/healthz'].get.security).toEqual([]);
    for (const { path } of gateway.routes) expect(document.paths).toHaveProperty([path.replace(/:(\w+)/g, '{$1}')]);
  });
});

describe('the page', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'binnacle-assets-'));
    mkdirSync(join(root, 'site', 'assets'), { recursive: true });
    writeFileSync(join(root, 'secret.js'), 'secret');
    writeFileSync(join(root, 'site', 'index.html'), '<title>Binnacle</title>');
    writeFileSync(join(root, 'site', 'assets', 'app-1a2b.js'), 'app');
    writeFileSync(join(root, 'site', '.hidden.js'), 'hidden');
    writeFileSync(join(root, 'site', 'source.map'), 'map');
    symlinkSync(join(root, 'secret.js'), join(root, 'site', 'link.js'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  test('is served with its policy, and nothing that is not a file of it', async () => {
    const routes = staticRoutes(join(root, 'site'));
    expect(routes.map(({ path }) => path).sort()).toEqual(['/', '/assets/app-1a2b.js']);
    const served = await openGateway({ routes });
    const page = await served.ask('/');
    expect(page.text).toBe('<title>Binnacle</title>');
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': PAGE_CSP,
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    const etag = String(page.headers.etag);
    expect((await served.ask('/', { headers: { 'If-None-Match': etag } })).status).toBe(304);
    expect((await served.ask('/', { method: 'HEAD' })).text).toBe('');
    const asset = await served.ask('/assets/app-1a2b.js');
    expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    for (const path of [
      '/../secret.js',
      '/assets/../../secret.js',
      '/%2e%2e/secret.js',
      '/..%2fsecret.js',
      '/link.js',
      '/.hidden.js',
      '/assets/',
      '/assets/%00',
    ]) {
      expect.soft((await served.ask(path)).status, path).toBe(404);
    }
    await served.close();
  });

  test('says in words that nothing is at an address to whoever opens it in a browser, and in JSON to all others', async () => {
    const served = await openGateway({ routes: staticRoutes(join(root, 'site')) });
    const open = (path: string, Accept: string, method = 'GET', headers = {}) =>
      served.ask(path, { method, headers: { Accept, ...headers } });
    const accepts = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';
    const page = await open('/nosuch?<b>', accepts);
    expect(page).toMatchObject({ status: 404, code: undefined });
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': PAGE_CSP,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      vary: 'Accept',
    });
    expect(page.text).toMatch(/<title>Nothing is here · Binnacle<\/title>[\s\S]*<a href="\.\/">/);
    // Nothing inline, and nothing of the request.
    expect(page.text).not.toMatch(/<script|<style|style=|nosuch|<b>/);
    // From below a path as well, whatever is before ours.
    expect((await open('/v1/no/such/', accepts)).text).toContain('<a href="../../../">');
    expect((await open('/nosuch', accepts, 'HEAD')).headers['content-type']).toBe('text/html; charset=utf-8');
    for (const accept of [
      '*/*',
      'application/json',
      'application/json, text/html',
      'text/html;q=0, */*',
      'text/htmlx',
      '',
    ]) {
      expect.soft(await open('/nosuch', accept), accept).toMatchObject({ status: 404, code: 'not_found' });
    }
    expect(await open('/nosuch', accepts, 'POST')).toMatchObject({ status: 404, code: 'not_found' });
    expect(await open('/nosuch', accepts, 'GET', upgradeHeaders)).toMatchObject({ status: 404, code: 'not_found' });
    // Other errors keep their own codes.
    expect(await open('/v1/me', accepts)).toMatchObject({ status: 401, code: 'unauthorized' });
    await served.close();
  });

  test('may be missing, and then nothing leads to it', async () => {
    expect(staticRoutes(join(root, 'nowhere'))).toEqual([]);
    const reply = await gateway.ask('/nosuch', { headers: { Accept: 'text/html' } });
    expect(reply).toMatchObject({ status: 404, code: 'not_found' });
  });
});

describe('a server that closes', () => {
  test('answers the requests under way, and waits for no connection after them', async () => {
    let answer: (() => void) | undefined;
    const slow = route('get', '/test/slow', 'public', {
      summary: 'Answers when it is told to.',
      responses: {},
      handler: async () => {
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        return json({ ok: true });
      },
    });
    const closing = await openGateway({ routes: [slow] });
    const agent = new Agent({ keepAlive: true });
    const asked = new Promise<string | undefined>((resolve, reject) => {
      request({ port: closing.port, path: '/test/slow', agent }, (incoming) => {
        incoming.resume().once('end', () => resolve(incoming.headers.connection));
      })
        .once('error', reject)
        .end();
    });
    await vi.waitFor(() => expect(answer).toBeDefined());
    const begun = performance.now();
    const closed = closing.close(5000);
    answer?.();
    expect(await asked).toBe('close');
    await closed;
    expect(performance.now() - begun).toBeLessThan(1000);
    agent.destroy();
  });

  test('ends a connection whose response it had begun to send', async () => {
    let end: (() => void) | undefined;
    const streamed = route('get', '/test/parts', 'public', {
      summary: 'Ends its response when it is told to.',
      responses: {},
      handler: ({ takeOver }) => {
        const outgoing = takeOver().writeHead(200);
        outgoing.write('x');
        end = () => void outgoing.end('y');
        return TAKEN_OVER;
      },
    });
    const closing = await openGateway({ routes: [streamed] });
    const agent = new Agent({ keepAlive: true });
    const asked = new Promise<IncomingMessage>((resolve, reject) => {
      request({ port: closing.port, path: '/test/parts', agent }, resolve).once('error', reject).end();
    });
    const incoming = await asked;
    const begun = performance.now();
    const closed = closing.close(5000);
    end?.();
    expect((await incoming.toArray()).join('')).toBe('xy');
    await closed;
    expect(performance.now() - begun).toBeLessThan(1000);
    agent.destroy();
  });
});

describe('a unix socket', () => {
  const open = () => {
    const { auth } = gateway;
    return createHttpServer({ routes: [], auth, hosts: new Hosts(), log: pino({ level: 'silent' }), version: '0' });
  };

  test('is for us alone, and replaces one that a dead gateway left', async () => {
    const root = mkdtempSync(join(tmpdir(), 'binnacle-sock-'));
    const path = join(root, 's');
    const first = open();
    await first.listen({ path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const second = open();
    await second.listen({ path });
    const status = await new Promise((resolve, reject) => {
      request({ socketPath: path, path: '/openapi.json', headers: { Host: 'localhost' } }, (incoming) => {
        incoming.resume();
        resolve(incoming.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
    await second.close(0);
    await first.close(0);
    rmSync(root, { recursive: true });
  });

  test('is refused where its path is too long or something else is', async () => {
    const root = mkdtempSync(join(tmpdir(), 'binnacle-sock-'));
    await expect(open().listen({ path: join(root, 'x'.repeat(110)) })).rejects.toMatchObject({ code: 'bad_data_dir' });
    writeFileSync(join(root, 'file'), 'precious');
    await expect(open().listen({ path: join(root, 'file') })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(statSync(join(root, 'file')).size).toBe(8);
    rmSync(root, { recursive: true });
  });

  test('or port that is taken is an error', async () => {
    const taken = createNetServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    await expect(open().listen({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    taken.close();
  });
});
