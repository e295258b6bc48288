// The promise denied-by-default, by the numbers of the threat model.

import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Auth } from '../../access/auth.ts';
import { Hosts } from '../../access/host-origin.ts';
import { Catalogue } from '../../store/store.ts';
import {
  fakeRequest,
  type Gateway,
  keyProtocols,
  loginHeaders,
  openGateway,
  postJson,
  type Reply,
  upgradeHeaders,
} from './gateway.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ hosts: { names: ['box.example.org'], origins: ['https://box.example.org'] } });
});
afterAll(() => gateway.close());

describe('denied-by-default: foreign origins (S1)', () => {
  const refused = (port: number): readonly (readonly [string, string | string[]])[] => [
    ['a foreign site', 'http://evil.example'],
    ['a name that ends like ours', `http://a.127.0.0.1.evil.example:${port}`],
    ['a name that begins like ours', `http://127.0.0.1.evil.example:${port}`],
    ['null', 'null'],
    ['another port', `http://127.0.0.1:${port + 1}`],
    ['no port', 'http://127.0.0.1'],
    ['https instead of http', `https://127.0.0.1:${port}`],
    ['http instead of https', 'http://box.example.org'],
    ['another IPv6 address', `http://[::2]:${port}`],
    ['a trailing dot', `http://localhost.:${port}`],
    ['upper case', `http://LOCALHOST:${port}`],
    ['userinfo', `http://user@localhost:${port}`],
    ['a path', `http://localhost:${port}/`],
    ['an empty one', ''],
    ['two headers', [`http://localhost:${port}`, 'http://evil.example']],
    ['two equal headers', [`http://localhost:${port}`, `http://localhost:${port}`]],
  ];

  test('are refused on every kind of request, also with a valid token or login', async () => {
    const login = await gateway.login();
    for (const [name, origin] of refused(gateway.port)) {
      for (const credentials of [gateway.bearer, login, {}]) {
        const headers = { Origin: origin, ...credentials } as Record<string, string>;
        const asks = [
          gateway.ask('/v1/ws', { headers: { ...upgradeHeaders, ...headers } }),
          gateway.ask('/v1/me', { headers }),
          gateway.ask('/test/stream', { headers: { ...headers, Accept: 'text/event-stream' } }),
          gateway.ask('/healthz', { headers }),
          gateway.ask('/nowhere', { headers }),
          gateway.ask('/test/deed', { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' } }),
        ];
        for (const { status, code } of await Promise.all(asks)) {
          expect.soft({ name, status, code }).toEqual({ name, status: 403, code: 'bad_origin' });
        }
      }
    }
    expect(gateway.deeds).toEqual([]);
  });

  test('do not include our own', async () => {
    const { port } = gateway;
    for (const Origin of [
      `http://127.0.0.1:${port}`,
      `http://localhost:${port}`,
      `http://[::1]:${port}`,
      `http://box.example.org:${port}`,
      'https://box.example.org',
    ]) {
      const { status } = await gateway.ask('/v1/ws', { headers: { ...upgradeHeaders, ...gateway.bearer, Origin } });
      expect.soft({ Origin, status }).toEqual({ Origin, status: 101 });
    }
  });
});

describe('denied-by-default: no origin (S2)', () => {
  test('a WebSocket with a cookie and no Origin is refused, with a token it is let in', async () => {
    const login = await gateway.login();
    const upgrade = (headers: Record<string, string>) =>
      gateway.ask('/v1/ws', { headers: { ...upgradeHeaders, ...headers } });
    const whole = { Cookie: login.Cookie, 'Sec-WebSocket-Protocol': keyProtocols(login) };
    expect(await upgrade(whole)).toMatchObject({ status: 401, code: 'unauthorized' });
    const sameOrigin = await upgrade({ ...whole, 'Sec-Fetch-Site': 'same-origin' });
    expect(sameOrigin).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(await upgrade({ ...whole, Origin: gateway.url })).toMatchObject({ status: 101 });
    // A proxy that passes no upgrade on: the login is as good as ever, and what is missing is said.
    const plain = await gateway.ask('/v1/ws', { headers: { ...whole, Origin: gateway.url } });
    expect(plain).toMatchObject({ status: 426, code: 'upgrade_required' });
    expect(await upgrade(gateway.bearer)).toMatchObject({ status: 101 });
  });

  test('a login without an Origin counts for a plain read, and for nothing else', async () => {
    const login = await gateway.login();
    expect((await gateway.ask('/v1/me', { headers: login })).status).toBe(200);
    for (const [method, path] of [
      ['POST', '/test/deed'],
      ['DELETE', '/v1/tokens/x'],
      ['POST', '/v1/logout'],
    ] as const) {
      expect.soft(await gateway.ask(path, { method, headers: login })).toMatchObject({ status: 401 });
    }
  });
});

describe('denied-by-default: half a login', () => {
  const me = (headers: Record<string, string>) =>
    gateway.ask('/v1/me', { headers: { Origin: gateway.url, ...headers } });
  const missing = (reply: Reply) => [reply.status, reply.code, JSON.parse(reply.text).error.details?.missing];

  test('the cookie alone, which goes to every port of a host, opens nothing, and neither does the key', async () => {
    const login = await gateway.login();
    const other = await gateway.login();
    const { Cookie, 'Binnacle-Key': key } = login;
    expect(missing(await me({ Cookie }))).toEqual([401, 'login_incomplete', 'key']);
    expect(missing(await me({ Cookie, 'X-Binnacle': '1' }))).toEqual([401, 'login_incomplete', 'key']);
    expect(missing(await me({ 'Binnacle-Key': key }))).toEqual([401, 'login_incomplete', 'cookie']);
    expect(missing(await me({ ...login, Cookie: other.Cookie }))).toEqual([401, 'login_incomplete', 'cookie']);
    // The cookie in the place of the key: other ports know that, too.
    const known = Cookie.split('=')[1] ?? '';
    expect(await me({ Cookie, 'Binnacle-Key': known })).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(await me({ Cookie, Authorization: `Bearer ${known}` })).toMatchObject({ status: 401 });
    expect((await me(login)).status).toBe(200);
    const protocols = { ...upgradeHeaders, Cookie, Origin: gateway.url };
    for (const offered of ['binnacle', `binnacle.key.${key}`, `x, binnacle.key.${key}`, `binnacle, ${key}`]) {
      const reply = await gateway.ask('/v1/ws', { headers: { ...protocols, 'Sec-WebSocket-Protocol': offered } });
      expect.soft({ offered, code: reply.code }).toEqual({ offered, code: 'login_incomplete' });
    }
  });

  test('of several cookies of the name the right one is taken, whatever else there is', async () => {
    const login = await gateway.login();
    const name = gateway.cookieName;
    const more = Array.from({ length: 100 }, (_, n) => `${name}=bn_${String(n).padStart(43, 'x')}`).join('; ');
    for (const Cookie of [
      `${name}=other; ${login.Cookie}`,
      `${login.Cookie}; ${name}=`,
      `${more}; ${login.Cookie}`,
      `${login.Cookie}; ${login.Cookie}`,
    ]) {
      expect.soft((await me({ ...login, Cookie })).status).toBe(200);
    }
    expect(missing(await me({ ...login, Cookie: more }))).toEqual([401, 'login_incomplete', 'cookie']);
  });

  test('a pass stands in for the key, once, for a minute, and for one target', async () => {
    let now = 0;
    const timed = await openGateway({ now: () => now });
    const login = await timed.login('view');
    const pass = async (target: string, headers: Record<string, string> = { ...login, Origin: timed.url }) => {
      const ask = postJson({ target });
      return await timed.ask('/v1/passes', { ...ask, headers: { ...ask.headers, ...headers } });
    };
    const made = async (target: string): Promise<string> => JSON.parse((await pass(target)).text).pass;
    const get = async (path: string, headers: Record<string, string> = { Cookie: login.Cookie }, method = 'GET') =>
      (await timed.ask(path, { method, headers })).status;

    const once = await made('/v1/me');
    expect(await get(`/v1/me?pass=${once}`)).toBe(200);
    expect(await get(`/v1/me?pass=${once}`)).toBe(401);
    // A reader of the address has no cookie; a holder of the cookie does not see the address.
    expect(await get(`/v1/me?pass=${await made('/v1/me')}`, {})).toBe(401);
    expect(await get(`/v1/me?pass=${await made('/v1/me')}`, { Cookie: (await timed.login()).Cookie })).toBe(401);
    expect(await get(`/v1/me?b=1&pass=${await made('/v1/me')}`)).toBe(401);
    // Dots are not resolved: this path is no address.
    expect(await get(`/healthz/../v1/me?pass=${await made('/v1/me')}`)).toBe(404);
    const leave = `/v1/logout?pass=${await made('/v1/logout')}`;
    expect(await get(leave, { Cookie: login.Cookie, Origin: timed.url }, 'POST')).toBe(401);
    const again = await timed.login('view');
    const late = JSON.parse((await pass('/v1/me', { ...again, Origin: timed.url })).text).pass;
    now = 60_001;
    expect(await get(`/v1/me?pass=${late}`, { Cookie: again.Cookie })).toBe(401);
    const open = JSON.parse((await pass('/v1/me', { ...again, Origin: timed.url })).text).pass;
    for (const { id, kind } of timed.auth.list()) if (kind === 'cookie') timed.auth.revoke(id);
    expect(await get(`/v1/me?pass=${open}`, { Cookie: again.Cookie })).toBe(401);
    expect(await pass('/v1/me', timed.bearer)).toMatchObject({ status: 403, code: 'forbidden' });
    await timed.close();
  });

  test('a login of before there were keys opens nothing', async () => {
    const { Cookie } = await gateway.login();
    gateway.sql('UPDATE logins SET key_sha256 = NULL');
    expect(await me({ Cookie })).toMatchObject({ status: 401, code: 'login_incomplete' });
    for (const key of ['', 'null', `bn_${'A'.repeat(43)}`]) {
      expect.soft((await me({ Cookie, 'Binnacle-Key': key })).status).toBe(401);
    }
  });
});

describe('denied-by-default: foreign hosts (S3)', () => {
  const get = (target: string, ...hosts: string[]) =>
    `GET ${target} HTTP/1.1\r\n${hosts.map((host) => `Host: ${host}\r\n`).join('')}Connection: close\r\n\r\n`;

  test('are refused with 421 on every address, also on public ones and upgrades', async () => {
    const { port } = gateway;
    const requests = [
      get('/healthz', 'evil.example'),
      get('/healthz', `evil.example:${port}`),
      get('/healthz', '127.0.0.1'),
      get('/healthz', `127.0.0.1:${port + 1}`),
      get('/healthz', `127.0.0.1.evil.example:${port}`),
      get('/healthz', `localhost.:${port}`),
      get('/healthz', `LOCALHOST:${port}`),
      get('/healthz', `user@localhost:${port}`),
      get('/healthz', `localhost:0${port}`),
      get('/healthz', `localhost:${port}/`),
      get('/healthz', `localhost:${port}, evil.example`),
      get('/healthz', ''),
      get('/healthz'),
      get('/healthz', `localhost:${port}`, `localhost:${port}`),
      get('/healthz', `localhost:${port}`, 'evil.example'),
      get(`http://localhost:${port}/healthz`, `localhost:${port}`),
      get('http://evil.example/healthz', `localhost:${port}`),
      get('/nowhere', 'evil.example'),
      get('/v1/ws', 'evil.example').replace('close', 'Upgrade\r\nUpgrade: websocket'),
      'GET /healthz HTTP/1.0\r\n\r\n',
    ];
    for (const request of requests) {
      const answer = await gateway.raw(request);
      expect.soft(answer, request).toMatch(/^HTTP\/1\.1 421 /);
      expect.soft(answer, request).toContain('nosniff');
    }
  });

  test('do not include our own', async () => {
    const { port } = gateway;
    for (const host of [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `[::1]:${port}`,
      `box.example.org:${port}`,
      'box.example.org',
    ]) {
      expect.soft(await gateway.raw(get('/healthz', host)), host).toMatch(/^HTTP\/1\.1 200 /);
    }
  });
});

describe('denied-by-default: forged requests (S4)', () => {
  test('a form, a text or a multipart post from a foreign page does nothing', async () => {
    const login = await gateway.login();
    const done = gateway.deeds.length;
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x', '']) {
      for (const path of ['/test/deed', '/test/bytes', '/v1/logout', '/v1/login', '/v1/tickets']) {
        const headers = { ...login, 'Content-Type': type, Origin: 'https://evil.example', 'Sec-Fetch-Mode': 'no-cors' };
        const reply = await gateway.ask(path, { method: 'POST', headers, body: '{"what":"x"}' });
        expect.soft(reply).toMatchObject({ status: 403, code: 'bad_origin' });
      }
    }
    expect(gateway.deeds.length).toBe(done);
    expect((await gateway.ask('/v1/me', { headers: { ...login, Origin: gateway.url } })).status).toBe(200);
  });

  test('a login needs the key, which no foreign page can send, and an Origin', async () => {
    const login = await gateway.login();
    const done = gateway.deeds.length;
    const deed = (headers: Record<string, string>) =>
      gateway.ask('/test/deed', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body: '{}',
      });
    expect(await deed({ Cookie: login.Cookie, Origin: gateway.url })).toMatchObject({ status: 401 });
    expect(await deed(login)).toMatchObject({ status: 401 });
    expect(await deed({ ...login, 'Sec-Fetch-Site': 'same-origin' })).toMatchObject({ status: 401 });
    expect(gateway.deeds.length).toBe(done);
    expect(await deed({ ...login, Origin: gateway.url })).toMatchObject({ status: 200 });
    expect(gateway.deeds.length).toBe(done + 1);
  });

  test('JSON is taken as application/json only', async () => {
    const done = gateway.deeds.length;
    for (const type of ['text/plain', 'application/jsonp', 'application/x-www-form-urlencoded']) {
      const headers = { ...gateway.bearer, 'Content-Type': type };
      const reply = await gateway.ask('/test/deed', { method: 'POST', headers, body: '{}' });
      expect.soft(reply).toMatchObject({ status: 415, code: 'bad_content_type' });
    }
    expect(gateway.deeds.length).toBe(done);
  });
});

describe('denied-by-default: login links (S6)', () => {
  test('a ticket works once, and only for a while', async () => {
    const created = await gateway.ask('/v1/tickets', postJson({}, gateway.adminToken));
    const { ticket, url, expiresInMs } = JSON.parse(created.text);
    expect(url).toBe(`http://127.0.0.1:${gateway.port}/#ticket=${ticket}`);
    expect(expiresInMs).toBe(600_000);
    const first = await gateway.ask('/v1/login', postJson({ ticket }));
    expect(first.status).toBe(200);
    const again = await gateway.ask('/v1/login', postJson({ ticket }));
    expect(again).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(again.headers['set-cookie']).toBeUndefined();
  });

  test('a ticket is refused after its time', async () => {
    let now = 0;
    const late = await openGateway({ now: () => now });
    const { ticket } = JSON.parse((await late.ask('/v1/tickets', postJson({}, late.adminToken))).text);
    now = 600_001;
    expect(await late.ask('/v1/login', postJson({ ticket }))).toMatchObject({ status: 401 });
    await late.close();
  });

  test('the cookie is for this port, HttpOnly, SameSite=Strict, and Secure behind https', async () => {
    const login = async (headers: Record<string, string>) => {
      const { ticket } = JSON.parse((await gateway.ask('/v1/tickets', postJson({}, gateway.adminToken))).text);
      const ask = postJson({ ticket });
      return (await gateway.ask('/v1/login', { ...ask, headers: { ...ask.headers, ...headers } })).headers[
        'set-cookie'
      ];
    };
    const plain = new RegExp(
      `^binnacle_${gateway.port}=bn_[\\w-]{43}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000$`,
    );
    expect((await login({}))?.[0]).toMatch(plain);
    expect((await login({ Origin: 'https://box.example.org' }))?.[0]).toMatch(/; Secure$/);
  });

  test('no secret reaches the log, and none is at rest', async () => {
    const login = await gateway.login();
    await gateway.ask('/v1/me', { headers: { ...login, Origin: gateway.url } });
    const { token } = await gateway.token('view');
    await gateway.ask(`/v1/me?token=${token}`, { headers: { Authorization: `Bearer ${token}` } });
    const files = readdirSync(gateway.dir).filter((name) => name.startsWith('catalogue'));
    const stored = [gateway.logged.join(''), ...files.map((name) => readFileSync(`${gateway.dir}/${name}`, 'latin1'))];
    for (const secret of [token, gateway.adminToken, login.Cookie.split('=')[1] ?? 'none', login['Binnacle-Key']]) {
      for (const text of stored) expect(text.includes(secret)).toBe(false);
    }
  });
});

describe('denied-by-default: guessing (S7)', () => {
  test('failures of others lock out nothing of our own shape: not the first use of a token, a login, a link', async () => {
    const guessed = await openGateway();
    const { token } = await guessed.token('view');
    const { token: ingest } = await guessed.token('ingest');
    const bearer = (secret: string) => guessed.ask('/v1/me', { headers: { Authorization: `Bearer ${secret}` } });
    const admin = guessed.auth.authorize(fakeRequest(guessed.adminToken), 'admin');
    const newShare = {
      kind: 'session',
      target: 's',
      mode: 'view',
      label: '',
      expiresInMs: 60_000,
      uses: null,
    } as const;
    const { secret } = guessed.auth.shares.make(fakeRequest(''), admin, newShare);
    const shape = (kind: string, n: number) => `${kind}_${String(n).padStart(43, 'x')}`;
    const codes = new Map<string, number>();
    for (let i = 0; i < 1000; i += 1) {
      const address = i % 2 === 0 ? '127.0.0.1' : '::ffff:127.0.0.1';
      for (const act of [
        () => guessed.auth.authorize(fakeRequest(i % 3 === 0 ? `guess${i}` : shape('bn', i), address), 'view'),
        () => guessed.auth.shares.peek(fakeRequest('', address), shape('bs', i)),
      ]) {
        try {
          act();
        } catch (error) {
          const { code } = error as { code: string };
          codes.set(code, (codes.get(code) ?? 0) + 1);
        }
      }
    }
    // Failures are limited as before.
    expect(Object.fromEntries(codes)).toEqual({ unauthorized: 40, rate_limited: 1960 });
    const limited = await bearer(shape('bn', 5000));
    expect(limited).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(50);

    expect((await bearer(guessed.adminToken)).status).toBe(200);
    expect((await bearer(token)).status).toBe(200);
    expect((await bearer(ingest)).status).toBe(403);
    const login = await guessed.login();
    expect((await guessed.ask('/v1/me', { headers: { ...login, Origin: guessed.url } })).status).toBe(200);
    // A new `Auth`, as after a restart: nothing from before is in memory.
    const again = new Auth({ catalogue: guessed.catalogue, adminToken: guessed.adminToken, hosts: new Hosts() });
    for (let i = 0; i < 50; i += 1) {
      expect(() => again.shares.peek(fakeRequest(''), shape('bs', i))).toThrow();
      expect(() => again.authorize(fakeRequest(shape('bg', i)), 'view')).toThrow();
    }
    const share = again.shares.peek(fakeRequest(''), secret);
    const { credential } = again.shares.redeem(fakeRequest(''), share, { secret, name: 'x', id: undefined });
    expect(again.authorize(fakeRequest(credential), 'view', { shares: true }).kind).toBe('share');
    again.close();
    await guessed.close();
  });

  test('of 10 000 guesses at a short admin token at most 20 are compared, and nobody else is kept out by them', async () => {
    const short = await openGateway({ adminToken: 'short-and-guessable' });
    const { token } = await short.token('view');
    const codes = new Map<string, number>();
    const guess = (secret: string): void => {
      try {
        short.auth.authorize(fakeRequest(secret), 'view');
      } catch (error) {
        const { code } = error as { code: string };
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    };
    // Secrets of our own shape cannot be it, and use nothing of its allowance up.
    for (let i = 0; i < 100; i += 1) guess(`bn_${String(i).padStart(43, 'x')}`);
    expect(short.auth.authorize(fakeRequest('short-and-guessable'), 'admin').kind).toBe('admin-token');
    const before = short.auth.evaluatedFailures;
    for (let i = 0; i < 10_000; i += 1) guess(`short-and-guess${i}`);
    expect(short.auth.evaluatedFailures - before).toBe(20);
    expect(codes.get('unauthorized')).toBe(40);
    // The hard stop: also when it is right.
    const right = await short.ask('/v1/me', { headers: { Authorization: 'Bearer short-and-guessable' } });
    expect(right).toMatchObject({ status: 429, code: 'rate_limited' });
    expect((await short.ask('/v1/me', { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200);
    await short.close();
  });

  test('whatever the guess looks like, it counts', async () => {
    const guessed = await openGateway();
    const guesses: Record<string, string>[] = [
      { Authorization: 'Bearer wrong' },
      { Authorization: 'Basic dXNlcjpwYXNz' },
      { Authorization: 'Bearer' },
      { Authorization: 'Bearer wrong', 'X-Forwarded-For': '10.0.0.1' },
      {
        Cookie: `${guessed.cookieName}=bn_${'x'.repeat(43)}`,
        'Binnacle-Key': `bn_${'x'.repeat(43)}`,
        Origin: guessed.url,
      },
    ];
    for (let i = 0; i < 25; i += 1) await guessed.ask('/v1/me', { headers: guesses[i % guesses.length] ?? {} });
    expect(guessed.auth.evaluatedFailures).toBe(20);
    const login = await guessed.ask('/v1/login', postJson({ ticket: 'wrong' }));
    expect(login).toMatchObject({ status: 429, code: 'rate_limited' });
    // A request without credentials guesses nothing.
    expect((await guessed.ask('/v1/me')).status).toBe(401);
    expect((await guessed.ask('/healthz')).status).toBe(200);
    await guessed.close();
  });
});

describe('denied-by-default: claims (S8, S9)', () => {
  test('no credentials but the secret itself give a principal', async () => {
    const probed = await openGateway({ limiter: { perAddress: 10_000, total: 10_000 } });
    const { adminToken } = probed;
    const near = fc.oneof(
      fc.string(),
      fc.stringMatching(/^bn_[\w-]{43}$/),
      fc.nat(adminToken.length - 1).map((n) => adminToken.slice(0, n)),
      fc.nat(adminToken.length - 1).map((n) => `${adminToken.slice(0, n)}!${adminToken.slice(n + 1)}`),
      fc.constantFrom(`${adminToken}x`, adminToken.toUpperCase(), `"${adminToken}"`, 'admin', 'null', 'true'),
    );
    fc.assert(
      fc.property(near, (secret) => {
        expect(() => probed.auth.authorize(fakeRequest(secret), 'view')).toThrow();
      }),
      { numRuns: 500 },
    );
    await probed.close();
  });

  test('a scope that the client declares counts nowhere: ignored in headers, refused in queries and bodies', async () => {
    const { token } = await gateway.token('view');
    const claims = {
      'X-Scope': 'admin',
      'X-Binnacle-Scope': 'admin',
      Scope: 'admin',
      'X-Forwarded-User': 'admin',
      Cookie: 'scope=admin',
    };
    const headers = { ...claims, Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    const post = (path: string, body: object) =>
      gateway.ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
    for (const path of ['/v1/tokens', '/v1/tokens?scope=admin', '/v1/tickets']) {
      const reply = await post(path, { scope: 'admin' });
      expect.soft({ path, ...reply }).toMatchObject({ path, status: 403, code: 'forbidden' });
    }
    for (const claim of [{ admin: true }, { principal: { scope: 'admin' } }]) {
      const reply = await post('/v1/tickets', claim);
      expect.soft({ claim, ...reply }).toMatchObject({ claim, status: 400, code: 'bad_request' });
    }
    expect(await post('/test/deed?scope=admin', {})).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await gateway.ask('/v1/me?scope=admin', { headers })).toMatchObject({ status: 400, code: 'bad_request' });
    expect(JSON.parse((await gateway.ask('/v1/me', { headers })).text).scope).toBe('view');
  });

  test('nothing that a token makes has more scope or a longer life than the token', async () => {
    const { token } = await gateway.token('admin', 60_000);
    const ask = postJson({ name: 'child', scope: 'admin' }, token);
    const child = JSON.parse((await gateway.ask('/v1/tokens', ask)).text);
    expect(child.expiresAt).toBeLessThanOrEqual(Date.now() + 60_000);
    const { ticket } = JSON.parse((await gateway.ask('/v1/tickets', postJson({}, token))).text);
    const login = await gateway.ask('/v1/login', postJson({ ticket }));
    expect(Number(/Max-Age=(\d+)/.exec(String(login.headers['set-cookie']))?.[1])).toBeLessThanOrEqual(60);
  });
});

describe('denied-by-default: revocation (S10)', () => {
  const open = ({ 'Sec-WebSocket-Protocol': offered = '', ...headers }: Record<string, string>) =>
    new Promise<{ closed: Promise<number>; since: () => number }>((resolve, reject) => {
      const ws = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/ws`, offered.split(', ').filter(Boolean), {
        headers,
      });
      ws.on('error', reject);
      ws.on('message', () => {
        const begun = performance.now();
        const closed = new Promise<number>((done) => ws.on('close', (code) => done(code)));
        resolve({ closed, since: () => performance.now() - begun });
      });
    });

  test('closes the sockets of a token within a second, and the next request is refused', async () => {
    const { id, token } = await gateway.token('view');
    const headers = { Authorization: `Bearer ${token}` };
    const socket = await open(headers);
    const stream = await fetch(`${gateway.url}/test/stream`, { headers });
    const revoked: string[] = [];
    const stop = gateway.auth.onRevoke((principal) => revoked.push(principal));
    const begun = performance.now();
    expect((await gateway.ask(`/v1/tokens/${id}`, { method: 'DELETE', headers: gateway.bearer })).status).toBe(204);
    expect(await socket.closed).toBe(4003);
    await expect(stream.text()).rejects.toThrow();
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(revoked).toEqual([id]);
    stop();
    expect((await gateway.ask('/v1/me', { headers })).status).toBe(401);
    expect((await gateway.ask('/v1/ws', { headers: { ...upgradeHeaders, ...headers } })).status).toBe(401);
  });

  test('of a token ends the logins that came from its tickets, and theirs', async () => {
    const { id, token } = await gateway.token('input');
    const unused = JSON.parse((await gateway.ask('/v1/tickets', postJson({}, token))).text).ticket;
    const login = async (credentials: Record<string, string>) => {
      const ask = postJson({});
      const made = await gateway.ask('/v1/tickets', { ...ask, headers: { ...ask.headers, ...credentials } });
      const reply = await gateway.ask('/v1/login', postJson({ ticket: JSON.parse(made.text).ticket }));
      const headers = loginHeaders(reply);
      return { Cookie: headers.Cookie, Origin: gateway.url, 'Sec-WebSocket-Protocol': keyProtocols(headers) };
    };
    const phone = await login({ Authorization: `Bearer ${token}` });
    const tablet = await login(phone);
    const socket = await open(tablet);
    gateway.auth.revoke(id);
    expect(await socket.closed).toBe(4003);
    expect((await gateway.ask('/v1/me', { headers: phone })).status).toBe(401);
    expect((await gateway.ask('/v1/me', { headers: tablet })).status).toBe(401);
    expect((await gateway.ask('/v1/login', postJson({ ticket: unused }))).status).toBe(401);
  });

  test('a login ends at logout', async () => {
    const login = await gateway.login('view');
    const headers = { ...login, Origin: gateway.url };
    const socket = await open({
      Cookie: login.Cookie,
      Origin: gateway.url,
      'Sec-WebSocket-Protocol': keyProtocols(login),
    });
    const reply = await gateway.ask('/v1/logout', { method: 'POST', headers });
    expect(reply.status).toBe(204);
    expect(reply.headers['set-cookie']?.[0]).toContain('Max-Age=0');
    expect(await socket.closed).toBe(4003);
    expect((await gateway.ask('/v1/me', { headers })).status).toBe(401);
  });

  test('a token that expires closes its sockets too', async () => {
    const { token } = await gateway.token('view', 1000);
    const socket = await open({ Authorization: `Bearer ${token}` });
    expect(await socket.closed).toBe(4003);
    expect(socket.since()).toBeLessThan(2000);
  });

  test('a new admin token ends the logins of the old one', async () => {
    const old = await openGateway();
    const login = await old.login();
    const second = Catalogue.open(old.dir);
    const same = new Auth({ catalogue: second, adminToken: old.adminToken, hosts: new Hosts() });
    expect(same.list()).toHaveLength(1);
    const rotated = new Auth({ catalogue: second, adminToken: 'x'.repeat(40), hosts: new Hosts() });
    expect(rotated.list()).toHaveLength(0);
    expect((await old.ask('/v1/me', { headers: { ...login, Origin: old.url } })).status).toBe(401);
    for (const auth of [same, rotated]) auth.close();
    second.close();
    await old.close();
  });
});

describe('denied-by-default: every address (S11)', () => {
  test('that does not exist answers 404 or 405, over HTTP and as WebSocket', async () => {
    expect(await gateway.ask('/nowhere')).toMatchObject({ status: 404, code: 'not_found' });
    expect(await gateway.ask('/nowhere', { headers: upgradeHeaders })).toMatchObject({ status: 404 });
    expect(await gateway.ask('/v1/me', { headers: upgradeHeaders })).toMatchObject({ status: 404 });
    const wrong = await gateway.ask('/v1/tokens', { method: 'PUT' });
    expect(wrong).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(wrong.headers.allow).toBe('GET, HEAD, POST');
  });
});
