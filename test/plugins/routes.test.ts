// HTTP routes of plugins: real plugin processes behind a real gateway, and what attackers send and plugins answer.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { responseOf } from '../../packages/server/src/api/plugin-pages/page-answer.ts';
import { until } from '../support/until.ts';
import { openPages, type Pages } from './pages.fixture.ts';

const ECHO = `
  const echo = (request) => ({ body: { ...request, body: Buffer.from(request.body).toString('latin1') } });
  let calls = 0;
  export default (api) => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      api.route(method, '/open', echo, { public: true });
      api.route(method, '/closed', echo);
    }
    api.route('GET', '/', () => ({ body: 'root' }), { public: true });
    api.route('GET', '/items/:id', echo, { public: true });
    api.route('GET', '/items/first', () => ({ body: 'the first' }), { public: true });
    api.route('GET', '/count', () => ({ body: { calls } }), { public: true });
    api.route('POST', '/size', ({ body }) => { calls += 1; return { body: { bytes: body.length } }; }, { public: true });
    api.route('GET', '/secretive', () => { throw new Error('the words of the plugin'); }, { public: true });
    api.route('GET', '/frank', () => { throw new Error('the words of the plugin'); });
    api.route('GET', '/big', ({ query }) => ({ body: 'x'.repeat(Number(query.n)) }), { public: true });
    const held = [];
    api.route('GET', '/held', () => new Promise((done) => held.push(() => done({ body: 'late' }))), { public: true });
    api.route('GET', '/release', () => { for (const done of held) done(); return { body: '' }; });
    api.route('GET', '/slow', () => new Promise(() => {}), { public: true });
    api.route('GET', '/slow-closed', ({ query }) => new Promise((done) => setTimeout(() => done({ body: 'late' }), Number(query.ms))));
    api.route('GET', '/die', () => process.exit(3), { public: true });
    api.route('POST', '/answer', ({ body }) => JSON.parse(Buffer.from(body)), { public: true });
    api.route('POST', '/answer-closed', ({ body }) => JSON.parse(Buffer.from(body)));
  };
`;

const RATES = { eventsPerSecond: 2000, bytesPerSecond: 1e9 };
let pages: Pages;
beforeAll(async () => {
  pages = await openPages({ answerMs: 700, inFlightOfOne: 32, rates: RATES });
  await pages.add('echo', ECHO);
});
afterAll(() => pages?.close());

const ask = (...given: Parameters<Pages['gateway']['ask']>) => pages.gateway.ask(...given);
const json = (text: string) => JSON.parse(text);

describe('a request', () => {
  it('comes to the plugin whole, without what is for the gateway alone', async () => {
    const reply = await ask('/plugins/echo/open?a=1&b=x%20y&a=2', {
      method: 'POST',
      headers: {
        Cookie: `${pages.gateway.cookieName}=secret`,
        Authorization: 'Bearer webhook-secret',
        'Proxy-Authorization': 'Basic x',
        'X-Execd-Access-Token': 'secret',
        'Open-Sandbox-Api-Key': 'secret',
        'Binnacle-Lease': 'secret',
        'X-Forwarded-For': '1.2.3.4',
        'X-Forwarded-Host': 'evil',
        Forwarded: 'for=1.2.3.4',
        'X-Real-IP': '1.2.3.4',
        Connection: 'close, X-Hop',
        'X-Hop': 'for one connection',
        'X-Hub-Signature-256': 'sha256=abc',
        'X-Twice': ['one', 'two'],
        'Content-Type': 'text/plain',
        __proto__: 'x',
        constructor: 'x',
      },
      body: Buffer.from([0x68, 0xff, 0x00]),
    });
    expect(reply.status).toBe(200);
    const got = json(reply.text);
    expect(got).toMatchObject({
      method: 'POST',
      path: '/open',
      params: {},
      query: { a: '1', b: 'x y' },
      body: 'h\u00ff\u0000',
      caller: null,
    });
    expect(got.headers).toEqual({
      host: `127.0.0.1:${pages.gateway.port}`,
      'x-hub-signature-256': 'sha256=abc',
      'x-twice': 'one, two',
      'content-type': 'text/plain',
      'content-length': '3',
    });
  });

  it('is answered with the headers of the gateway, and JSON, text and bytes as what they are', async () => {
    const reply = await ask('/plugins/echo/open');
    expect(reply.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    });
    expect(reply.headers['set-cookie']).toBeUndefined();
    for (const path of ['/plugins/echo', '/plugins/echo/'])
      expect.soft(await ask(path)).toMatchObject({ status: 200, text: 'root' });
  });

  it('names what it looks for: a fixed part comes before a name, and a name is decoded', async () => {
    expect((await ask('/plugins/echo/items/first')).text).toBe('the first');
    expect(json((await ask('/plugins/echo/items/a%20b%C3%A9')).text).params).toEqual({ id: 'a bé' });
  });

  it('with HEAD is a GET without the body, and OPTIONS is refused wherever it is sent', async () => {
    const head = await ask('/plugins/echo/open', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(head.headers['content-type']).toBe('application/json; charset=utf-8');
    for (const path of ['/plugins/echo/open', '/plugins/echo/nothing', '/plugins/nobody/x'])
      expect.soft(await ask(path, { method: 'OPTIONS' })).toMatchObject({ status: 405, code: 'method_not_allowed' });
  });

  it('with a name in its query that no data has is refused', async () => {
    for (const name of ['__proto__', 'constructor', 'prototype'])
      expect.soft(await ask(`/plugins/echo/open?${name}=1`)).toMatchObject({ status: 400, code: 'bad_request' });
    expect(pages.hosts.get('echo')?.facts.state).toBe('running');
  });
});

describe('denied-by-default: a route that is not public', () => {
  it('needs a token with scope view, and the plugin learns its name and not the token', async () => {
    const { token } = await pages.gateway.token('view');
    const reply = await ask('/plugins/echo/closed', { headers: { Authorization: `Bearer ${token}` } });
    expect(json(reply.text)).toMatchObject({ caller: 'test' });
    expect(reply.text).not.toContain(token);
    const ingest = await pages.gateway.token('ingest');
    const refused = await ask('/plugins/echo/closed', { headers: { Authorization: `Bearer ${ingest.token}` } });
    expect(refused).toMatchObject({ status: 403, code: 'forbidden' });
  });

  it('cannot be reached by the login of a browser, whatever the page sends with it', async () => {
    const login = await pages.gateway.login();
    const own = `http://127.0.0.1:${pages.gateway.port}`;
    // The login is a good one.
    expect((await ask('/v1/me', { headers: { ...login, Origin: own } })).status).toBe(200);
    const before = pages.asked.length;
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']) {
      for (const more of [
        {},
        { Origin: own },
        { 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-Dest': 'empty' },
        { 'Sec-Fetch-Site': 'none', 'Sec-Fetch-Dest': 'document' },
      ]) {
        const reply = await ask('/plugins/echo/closed', { method, headers: { ...login, ...more } });
        expect.soft({ method, more, status: reply.status }).toEqual({ method, more, status: 401 });
      }
    }
    const foreign = { ...login, Origin: 'https://evil.example' };
    expect(await ask('/plugins/echo/open', { method: 'POST', headers: foreign })).toMatchObject({ code: 'bad_origin' });
    expect(await ask('/plugins/echo/open', { headers: { Host: 'evil.example' } })).toMatchObject({ code: 'bad_host' });
    expect(pages.asked.length).toBe(before);
  });

  it('looks like one that is not there without a token, and what is not there is told in the same words with one', async () => {
    const paths = ['/plugins/echo/nothing', '/plugins/nobody/open', '/plugins/echo/closed', '/plugins/ECHO/open'];
    const without = await Promise.all(paths.map((path) => ask(path)));
    expect(new Set(without.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(without[0]).toMatchObject({ status: 401, code: 'unauthorized' });
    const { bearer: headers } = pages.gateway;
    const missing = ['/plugins/echo/nothing', '/plugins/nobody/open', '/plugins/ECHO/open', '/plugins/echo/open/'];
    const told = await Promise.all(missing.map((path) => ask(path, { headers })));
    told.push(await ask('/plugins/echo/count', { method: 'DELETE', headers }));
    pages.grant(false);
    told.push(await ask('/plugins/echo/open', { headers }));
    pages.grant(true);
    expect(new Set(told.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(told[0]).toMatchObject({ status: 404, code: 'not_found' });
    expect((await ask('/plugins/echo/open')).status).toBe(200);
  });

  it('is not answered to a token that was revoked meanwhile', async () => {
    const { id, token } = await pages.gateway.token('view');
    const { length } = pages.asked;
    const headers = { Authorization: `Bearer ${token}` };
    const pending = ask('/plugins/echo/slow-closed?ms=200', { headers });
    await until('it is asked', () => pages.asked.length > length);
    pages.gateway.auth.revoke(id);
    expect(await pending).toMatchObject({ status: 401, code: 'revoked' });
  });
});

describe('a path', () => {
  it('is taken as it came: nothing that is folded, decoded or resolved becomes one that is there', async () => {
    const { adminToken, port } = pages.gateway;
    const tricks = [
      '/plugins/echo//open',
      '/plugins//echo/open',
      '/plugins/echo/./open',
      '/plugins/echo/x/../open',
      '/plugins/echo/%2e/open',
      '/plugins/echo/x/%2e%2e/open',
      '/plugins/other/../echo/open',
      '/plugins/echo/%6fpen',
      '/plugins/echo/Open',
      '/plugins/echo/open/',
      '/plugins/echo/open;x=1',
      '/plugins/echo%2fopen',
      '/plugins/echo/items%2Ffirst',
      '/plugins/echo/items/a%2Fb',
      '/plugins/echo/items/a%5Cb',
      '/plugins/echo/items/..',
      '/plugins/echo/items/%2e%2e',
      '/plugins/echo/items/a%00b',
      '/plugins/echo/items/a%0d%0ab',
      '/plugins/echo/items/%ff',
      '/plugins/echo/items/',
      '/plugins/echo/\\open',
      '/Plugins/echo/open',
    ];
    const { length } = pages.asked;
    for (const path of tricks) {
      const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${adminToken}\r\n`;
      const answer = await pages.gateway.raw(`${head}Connection: close\r\n\r\n`);
      // A backslash is no part of a path: HTTP itself refuses it.
      const status = path.includes('\\') ? '400' : '404';
      expect.soft({ path, status: answer.slice(9, 12) }).toEqual({ path, status });
    }
    expect(pages.asked.length).toBe(length);
  });
});

describe('a body', () => {
  const post = (body: Buffer, more = {}) => ask('/plugins/echo/size', { method: 'POST', body, headers: more });

  it('of 256 KiB comes through, and one byte more is refused before the plugin is asked', async () => {
    expect(json((await post(Buffer.alloc(256 * 1024))).text)).toEqual({ bytes: 256 * 1024 });
    const { calls } = json((await ask('/plugins/echo/count')).text);
    expect(await post(Buffer.alloc(256 * 1024 + 1))).toMatchObject({ status: 413, code: 'body_too_large' });
    const chunk = `4001\r\n${'x'.repeat(0x4001)}\r\n`;
    const head = `POST /plugins/echo/size HTTP/1.1\r\nHost: 127.0.0.1:${pages.gateway.port}\r\nConnection: close\r\n`;
    const answer = await pages.gateway.raw(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(16)}0\r\n\r\n`);
    expect(answer.slice(0, 12)).toBe('HTTP/1.1 413');
    expect(await post(Buffer.from('x'), { 'Content-Encoding': 'gzip' })).toMatchObject({ code: 'bad_content_type' });
    expect(json((await ask('/plugins/echo/count')).text).calls).toBe(calls);
  });

  it('of a request that is two at once in the eyes of some is refused', async () => {
    const head = `POST /plugins/echo/size HTTP/1.1\r\nHost: 127.0.0.1:${pages.gateway.port}\r\n`;
    const smuggled = 'GET /plugins/echo/die HTTP/1.1\r\nHost: x\r\n\r\n';
    for (const lines of [
      `Content-Length: ${smuggled.length}\r\nTransfer-Encoding: chunked\r\n`,
      'Content-Length: 3\r\nContent-Length: 4\r\n',
      'Transfer-Encoding: chunked, identity\r\n',
      'Content-Length: +3\r\n',
    ]) {
      const answer = await pages.gateway.raw(`${head}${lines}\r\n0\r\n\r\n${smuggled}`);
      expect.soft(answer.slice(0, 12), lines).toMatch(/^HTTP\/1.1 4(?:00|21)/);
    }
    expect(pages.hosts.get('echo')?.facts.state).toBe('running');
  });
});

describe('what a plugin answers', () => {
  const answered = (answer: unknown, path = '/plugins/echo/answer') =>
    ask(path, { method: 'POST', headers: pages.gateway.bearer, body: JSON.stringify(answer) });
  const closed = (answer: unknown) => answered(answer, '/plugins/echo/answer-closed');

  it('goes out with the headers that say what it is', async () => {
    const headers = {
      'Content-Type': 'text/csv; charset=utf-8; header=present',
      'Content-Disposition': 'attachment; filename="a b.csv"',
      ETag: '"1"',
      'Retry-After': '5',
    };
    const reply = await answered({ status: 503, headers, body: 'a,b' });
    expect(reply).toMatchObject({ status: 503, text: 'a,b' });
    for (const [name, value] of Object.entries(headers)) expect.soft(reply.headers[name.toLowerCase()]).toBe(value);
    for (const status of [204, 205, 304]) {
      const none = await answered({ status, body: 'not to be sent' });
      expect.soft(none).toMatchObject({ status, text: '' });
    }
  });

  it('sets none of the headers that are not its own to set', async () => {
    for (const name of [
      'Set-Cookie',
      'Clear-Site-Data',
      'Content-Security-Policy',
      'X-Content-Type-Options',
      'Access-Control-Allow-Origin',
      'Service-Worker-Allowed',
      'Strict-Transport-Security',
      'WWW-Authenticate',
      'Refresh',
      'Link',
      'Cache-Control',
      'Transfer-Encoding',
      'Content-Length',
      'Connection',
      'Alt-Svc',
      'SourceMap',
      'Cross-Origin-Opener-Policy',
      'Location\r\nSet-Cookie',
      'X Y',
    ]) {
      const reply = await closed({ headers: { [name]: 'a=b' }, body: 'x' });
      expect.soft({ name, status: reply.status }).toEqual({ name, status: 502 });
      expect.soft(reply.headers['set-cookie']).toBeUndefined();
    }
  });

  it('breaks no line of a header, and is no header that is too long', async () => {
    for (const value of ['a\r\nSet-Cookie: x=y', 'a\nb', 'a\rb', 'a\0b', 'ä', '\u2028', 'x'.repeat(2001)]) {
      for (const name of ['content-type', 'content-disposition', 'etag', 'location']) {
        const reply = await closed({ headers: { [name]: value }, body: 'x' });
        expect.soft({ name, value, code: reply.code }).toEqual({ name, value, code: 'plugin_failed' });
        expect.soft(reply.headers['set-cookie']).toBeUndefined();
      }
    }
  });

  it('is no script, no style and nothing else that a page of ours could load as its own', async () => {
    for (const type of [
      'text/javascript',
      'application/javascript; charset=utf-8',
      'TEXT/JavaScript1.5',
      'application/x-ecmascript',
      'text/jscript',
      'text/livescript',
      'text/css',
      'application/wasm',
      'application/manifest+json',
      'application/speculationrules+json',
      'text/html, text/javascript',
      'javascript',
      '',
    ]) {
      const reply = await closed({ headers: { 'content-type': type }, body: 'alert(1)' });
      expect.soft({ type, code: reply.code }).toEqual({ type, code: 'plugin_failed' });
    }
  });

  it('may be a page, that runs nothing, loads nothing and sends nothing', async () => {
    for (const type of ['text/html', 'Text/HTML; charset="utf-8"']) {
      const reply = await answered({ headers: { 'content-type': type }, body: '<p>hello' });
      expect
        .soft(reply.headers['content-security-policy'])
        .toBe(
          "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
        );
      expect.soft(reply.headers['content-type']).toMatch(/^text\/html; charset="?utf-8"?$/i);
    }
  });

  it('leads to its own places, and elsewhere only by https and where no token came along', async () => {
    const to = async (path: string, location: string) => {
      const { status, headers, code } = await answered({ status: 302, headers: { location } }, path);
      return status === 302 ? headers.location : code;
    };
    const [open, shut] = ['/plugins/echo/answer', '/plugins/echo/answer-closed'];
    const own = `http://127.0.0.1:${pages.gateway.port}`;
    for (const [location, isNow] of [
      ['items/first', '/plugins/echo/items/first'],
      ['/plugins/echo/a?b=c#d', '/plugins/echo/a?b=c#d'],
      [`${own}/plugins/echo/a`, '/plugins/echo/a'],
      ['/plugins/echo', '/plugins/echo'],
    ]) {
      expect.soft(await to(open, location ?? '')).toBe(isNow);
      expect.soft(await to(shut, location ?? '')).toBe(isNow);
    }
    expect(await to(open, 'https://login.example/x?y=1')).toBe('https://login.example/x?y=1');
    expect(await to(shut, 'https://login.example/x')).toBe('plugin_failed');
    for (const location of [
      '/v1/sessions',
      '/plugins/echoes/x',
      '/plugins/echo/../other/x',
      '/plugins/echo/%2e%2e/%2e%2e/v1/me',
      '../../v1/me',
      '//evil.example/plugins/echo/x',
      '/\\evil.example/',
      'http://evil.example/',
      'javascript:alert(1)',
      'data:text/html,x',
      'https://user:pw@evil.example/',
      'http://127.0.0.1:1/plugins/echo/x',
      'https://',
    ])
      expect.soft({ location, got: await to(open, location) }).toEqual({ location, got: 'plugin_failed' });
  });

  it('is refused where it is none, with what is wrong for those with a token alone', async () => {
    for (const answer of [
      null,
      { status: 'ok' },
      { status: 100 },
      { status: 101 },
      { status: 600 },
      { status: 200.5 },
      { headers: { etag: 1 } },
      { headers: 'x' },
    ]) {
      const reply = await answered(answer);
      expect
        .soft({ answer, code: reply.code, status: reply.status })
        .toMatchObject({ code: 'plugin_failed', status: 502 });
    }
    expect((await ask(`/plugins/echo/big?n=${512 * 1024}`)).text.length).toBe(512 * 1024);
    expect(await ask(`/plugins/echo/big?n=${512 * 1024 + 1}`)).toMatchObject({ status: 502, code: 'plugin_failed' });
    expect(await ask('/plugins/echo/big?n=2000000')).toMatchObject({ status: 502 });
    expect(pages.hosts.get('echo')?.facts.state).toBe('running');
    expect((await closed({ status: 101 })).text).toContain('its status is wrong');
    expect((await answered({ status: 101 })).text).not.toContain('status is');
  });

  it('is refused also where it was not made by our end of its process', () => {
    const asked = { plugin: 'p', base: 'http://127.0.0.1:1', path: '/plugins/p/x', isPublic: true };
    const good = { status: 200, headers: {}, body: '' };
    expect(responseOf(good, asked).status).toBe(200);
    for (const given of [
      undefined,
      null,
      1,
      'text',
      [],
      {},
      { ...good, body: 'no base64!' },
      { ...good, body: 'eA==eA==' },
      { ...good, body: null },
      { ...good, body: { length: 3 } },
      { ...good, headers: null },
      { ...good, headers: { ETag: 'x' } },
      { ...good, headers: { etag: ['a', 'b'] } },
      { ...good, status: '200' },
      { ...good, more: 1 },
    ])
      expect.soft(() => responseOf(given, asked), JSON.stringify(given)).toThrow('cannot be sent');
  });

  it('when it throws, is told in its own words to those with a token alone; the log has one line of it', async () => {
    const secretive = await ask('/plugins/echo/secretive');
    expect(secretive).toMatchObject({ status: 502, code: 'plugin_failed' });
    expect(secretive.text).not.toContain('the words');
    const frank = await ask('/plugins/echo/frank', { headers: pages.gateway.bearer });
    expect(frank.text).toContain('echo: the words of the plugin');
    for (let i = 0; i < 20; i++) await ask('/plugins/echo/secretive');
    const { length } = pages.logged.filter((line) => line.includes('a route of a plugin failed'));
    expect(length).toBe(1);
    expect(pages.gateway.logged.filter((line) => line.includes('request failed'))).toEqual([]);
  });
});

describe('as a part of another page', () => {
  it('nothing of a plugin is given out', async () => {
    for (const dest of ['script', 'style', 'image', 'iframe', 'serviceworker', 'worker', 'object', 'font', 'x']) {
      const reply = await ask('/plugins/echo/open', { headers: { 'Sec-Fetch-Dest': dest } });
      expect.soft({ dest, status: reply.status }).toEqual({ dest, status: 403 });
    }
    for (const dest of ['document', 'empty']) {
      expect.soft((await ask('/plugins/echo/open', { headers: { 'Sec-Fetch-Dest': dest } })).status).toBe(200);
    }
  });
});

describe('a page of somebody else', () => {
  it('can lead to a page of a plugin, and fetches nothing from it', async () => {
    for (const site of ['cross-site', 'same-site', 'x']) {
      const as = async (dest: string) =>
        (await ask('/plugins/echo/open', { headers: { 'Sec-Fetch-Site': site, 'Sec-Fetch-Dest': dest } })).status;
      expect.soft({ site, fetched: await as('empty'), opened: await as('document') }).toEqual({
        site,
        fetched: 403,
        opened: 200,
      });
    }
  });
});

describe('a plugin that is slow or gone', () => {
  it('costs who asked 504 within the deadline, and nobody else anything', async () => {
    const began = performance.now();
    const slow = ask('/plugins/echo/slow');
    expect((await ask('/plugins/echo/open')).status).toBe(200);
    expect(await slow).toMatchObject({ status: 504, code: 'plugin_timeout' });
    expect(performance.now() - began).toBeLessThan(3000);
  });

  it('has so many requests at once and no more, and is reached by others of us meanwhile', async () => {
    // No request ends by time while others arrive: the plugin answers when the test has seen enough.
    const patient = await openPages({ answerMs: 60_000, inFlightOfOne: 32, rates: RATES });
    try {
      const host = await patient.add('echo', ECHO);
      const ask = (path: string) => patient.gateway.ask(path);
      const codes: (string | undefined)[] = [];
      const flood = Array.from({ length: 100 }, () => ask('/plugins/echo/held').then(({ code }) => codes.push(code)));
      await until('all others are refused', () => codes.length === 68);
      expect(new Set(codes)).toEqual(new Set(['plugin_busy']));
      expect(patient.asked.length).toBe(32);
      expect(await ask('/plugins/echo/open')).toMatchObject({ status: 429, code: 'plugin_busy' });
      // Its hooks and tools come by the same way.
      const params = { method: 'GET', path: '/', params: {}, query: {}, headers: {}, body: '', caller: null };
      expect(await host.invoke('route:GET /', params, 60_000)).toMatchObject({ status: 200 });
      await host.invoke('route:GET /release', { ...params, path: '/release' }, 60_000);
      await Promise.all(flood);
      expect(codes.filter((code) => code === undefined).length).toBe(32);
      expect((await ask('/plugins/echo/open')).status).toBe(200);
    } finally {
      await patient.close();
    }
  });

  it('has room again after requests that it never answered', async () => {
    const flood = await Promise.all(Array.from({ length: 32 }, () => ask('/plugins/echo/slow')));
    expect(new Set(flood.map(({ code }) => code))).toEqual(new Set(['plugin_timeout']));
    expect((await ask('/plugins/echo/open')).status).toBe(200);
  });

  it('answers 503 while it is down, and as before when it is back', async () => {
    await pages.add('mortal', ECHO);
    const host = pages.hosts.get('mortal');
    expect(await ask('/plugins/mortal/die')).toMatchObject({ status: 503, code: 'plugin_stopped' });
    expect(await ask('/plugins/mortal/open')).toMatchObject({ status: 503, code: 'plugin_stopped' });
    await until('it is back', () => host?.facts.state === 'running');
    expect((await ask('/plugins/mortal/open')).status).toBe(200);
  });
});

describe('too many requests', () => {
  it('of one address, or of one token, are refused with when to come again, and others come through', async () => {
    const slow = await openPages({ rates: { eventsPerSecond: 2, bytesPerSecond: 1024 } });
    try {
      await slow.add('echo', ECHO);
      const open = () => slow.gateway.ask('/plugins/echo/open');
      for (let i = 0; i < 4; i++) expect.soft((await open()).status).toBe(200);
      const refused = await open();
      expect(refused).toMatchObject({ status: 429, code: 'too_fast' });
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      const known = await slow.gateway.ask('/plugins/echo/closed', { headers: slow.gateway.bearer });
      expect(known.status).toBe(200);
      expect((await slow.gateway.ask('/healthz')).status).toBe(200);
    } finally {
      await slow.close();
    }
  });

  it('that one waits for leave room for those of others', async () => {
    const small = await openPages({ inFlight: 4, inFlightOfOne: 2, answerMs: 500 });
    try {
      await small.add('echo', ECHO);
      const flood = Array.from({ length: 10 }, () => small.gateway.ask('/plugins/echo/slow'));
      await until('it has its fill', () => small.asked.length === 2);
      const known = await small.gateway.ask('/plugins/echo/closed', { headers: small.gateway.bearer });
      expect(known.status).toBe(200);
      const codes = (await Promise.all(flood)).map(({ code }) => code);
      expect(codes.filter((code) => code === 'plugin_busy').length).toBe(8);
    } finally {
      await small.close();
    }
  });

  it('whose bodies do not come hold no place of those that do', async () => {
    const small = await openPages({ arriving: 4, arrivingOfOne: 3, inFlight: 2 });
    try {
      await small.add('echo', ECHO);
      const head = `POST /plugins/echo/size HTTP/1.1\r\nHost: 127.0.0.1:${small.gateway.port}\r\nContent-Length: 5\r\n\r\n12`;
      const { connect } = await import('node:net');
      const dripping = Array.from({ length: 3 }, () => connect(small.gateway.port, '127.0.0.1'));
      for (const socket of dripping) socket.write(head);
      const get = () => small.gateway.ask('/plugins/echo/open');
      let last = await get();
      for (let i = 0; i < 50 && last.status !== 429; i++) last = await get();
      expect(last).toMatchObject({ status: 429, code: 'plugin_busy' });
      for (const socket of dripping) socket.destroy();
      for (let i = 0; i < 50 && last.status !== 200; i++) last = await get();
      expect(last.status).toBe(200);
    } finally {
      await small.close();
    }
  });
});
