// Notifications over a real gateway: who is told that an agent waits, in which browser, how often, and who is not.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, FakeService, readVapid } from '../../packages/server/src/notifications/push-service.fixture.ts';
import { pathOf } from '../conversations/conversation.fixture.ts';
import { AGENTS, type Core, openCoreHere } from '../conversations/core.fixture.ts';
import type { Gateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let core: Core<Gateway>;
let service: FakeService;
beforeAll(async () => {
  service = await FakeService.open();
  const { origin } = service;
  core = await openCoreHere(
    { logLevel: 'fatal', waitTimes: { settleMs: 50, restMs: 50 }, deliveryLimits: { maxTries: 3, firstRetryMs: 20 } },
    {
      agents: { entries: AGENTS },
      notify: {
        contact: 'mailto:deck@example.org',
        pushOrigins: [origin],
        link: 'https://box.example.org',
        ntfy: [{ url: `${origin}/ntfy/deck` }, { url: `${origin}/ben/deck`, user: 'ben' }],
        webhooks: [{ url: `${origin}/hook`, details: true }],
      },
    },
  );
});
afterAll(async () => {
  await core.close();
  await service.close();
});

const subscribe = (browser: Pick<Browser, 'endpoint' | 'keys'>, token: string) =>
  core.ask('/v1/push/subscription', { method: 'PUT', body: { ...browser, expirationTime: null }, token });
const browsers = async (token: string): Promise<number> => (await core.ask('/v1/push', { token })).json.browsers;
const pathIn = (browser: Browser): string => new URL(browser.endpoint).pathname;

async function subscribed(name: string, token: string): Promise<Browser> {
  const browser = service.browser(name);
  expect((await subscribe(browser, token)).status).toBe(204);
  return browser;
}

/** Has an agent ask in a conversation of whoever the token is for. */
async function asking(token: string, asked: object = {}): Promise<string> {
  const key = await core.make('main', { name: `n${Math.random()}`, title: 'The hold', ...asked }, token);
  await core.send(key, 'm1', '/ask rm -rf', {}, token);
  return key;
}

/** All that is told of a conversation is told: the webhook's turn is before the browsers', and this one is the last of them. */
async function told(key: string): Promise<void> {
  const admin = await core.tokenOf('last', 'admin');
  const last = await subscribed(`last-${Math.random()}`, admin);
  const probe = await asking(admin);
  await until('the last browser is told', () =>
    Promise.resolve(
      service.at(pathIn(last)).some(({ body }) => last.read(body).path === `#/c/${encodeURIComponent(probe)}`),
    ),
  );
  await core.ask('/v1/push/subscription', { method: 'DELETE', body: { endpoint: last.endpoint }, token: admin });
  await core.abort(probe, 'm1');
  await core.abort(key, 'm1');
}

describe('a browser', () => {
  test('is told once that an agent waits, in words that its push service cannot read, signed by us', async () => {
    const ann = await core.tokenOf('ann');
    const browser = await subscribed('ann', ann);
    const key = await asking(ann);
    await until('it is told', () => Promise.resolve(service.at('/ann').length > 0));
    await told(key);
    const [message, ...more] = service.at('/ann');
    expect(more).toEqual([]);
    if (message === undefined) throw new Error('Nothing came.');
    const { headers, body } = message;
    expect(browser.read(body)).toMatchObject({
      title: 'The hold',
      body: 'Waits for your approval: rm -rf',
      path: `#/c/${encodeURIComponent(key)}`,
    });
    expect(body.includes('hold')).toBe(false);
    expect(headers).toMatchObject({ 'content-encoding': 'aes128gcm', urgency: 'high', ttl: '3600' });
    expect(headers.topic).toMatch(/^[\w-]{32}$/);
    const vapid = readVapid(headers.authorization ?? '');
    expect(vapid.claims).toMatchObject({ aud: service.origin, sub: 'mailto:deck@example.org' });
    expect(vapid.key).toBe((await core.ask('/v1/push', { token: ann })).json.publicKey);
  });

  test('of somebody else hears nothing of it (only-yours), and neither does their topic; what they are shared, they hear', async () => {
    const [ann, ben] = [await core.tokenOf('ann'), await core.tokenOf('ben')];
    const browser = await subscribed('ben', ben);
    const [ofBen, ntfy] = [() => service.at('/ben').length, () => service.at('/ntfy').length];
    const before = ntfy();
    await told(await asking(ann));
    expect(ntfy()).toBeGreaterThan(before);
    expect(service.received.filter(({ path }) => path.startsWith('/ben'))).toEqual([]);
    const shared = await asking(ann, { visibility: { kind: 'shared', with: ['ben'] } });
    await until('ben is told', () => Promise.resolve(ofBen() === 2));
    await told(shared);
    const bodies = service
      .at('/ben')
      .map(({ headers, body }) =>
        headers['content-encoding'] === 'aes128gcm' ? browser.read(body).path : JSON.parse(String(body)).click,
      );
    const path = `#/c/${encodeURIComponent(shared)}`;
    expect(bodies.sort()).toEqual([path, `https://box.example.org/${path}`].sort());
  });

  test('is not told of what its user has muted, or looks at in any browser; of the rest it is', async () => {
    const cat = await core.tokenOf('cat');
    const browser = await subscribed('cat', cat);
    const seen = () => service.at('/cat').map(({ body }) => browser.read(body).path);
    const key = await core.make('main', { title: 'muted' }, cat);
    const mute = (method: string) => core.ask(`${pathOf(key)}/mute`, { method, token: cat });
    expect((await mute('PUT')).status).toBe(204);
    expect((await core.ask('/v1/mutes', { token: cat })).json).toEqual({ sessions: [], conversations: [key] });
    expect((await core.ask('/v1/mutes', { token: await core.tokenOf('ann') })).json.conversations).toEqual([]);
    await core.send(key, 'm1', '/ask one', {}, cat);
    await told(key);
    expect(seen()).toEqual([]);

    expect((await mute('DELETE')).status).toBe(204);
    const wire = await core.wire(cat);
    await wire.ask({ t: 'look', conversation: key });
    await core.send(key, 'm2', '/ask two', {}, cat);
    await told(await asking(await core.tokenOf('ann')));
    expect(seen()).toEqual([]);
    await core.abort(key, 'm2');

    await wire.ask({ t: 'look' });
    await core.send(key, 'm3', '/ask three', {}, cat);
    await until('cat is told', () => Promise.resolve(seen().length === 1));
    await core.abort(key, 'm3');
  });

  test('is told when a program in a terminal asks for somebody, with its words, and not where that is muted', async () => {
    const ida = await core.tokenOf('ida');
    const browser = await subscribed('ida', ida);
    const script = `read line; printf '\\033]9;Shall I go on?\\007'; sleep 600`;
    const start = async (name: string) => {
      const body = { argv: ['/bin/sh', '-c', script], name };
      return (await core.must<{ id: string }>(201, '/v1/sessions', { body })).id;
    };
    const [muted, loud] = [await start('quiet one'), await start('loud one')];
    expect((await core.ask(`/v1/sessions/${muted}/mute`, { method: 'PUT', token: ida })).status).toBe(204);
    for (const id of [muted, loud]) await core.ask(`/v1/sessions/${id}/input`, { body: 'go\n' });
    await until('it is told', () => Promise.resolve(service.at('/ida').length > 0));
    await told(await asking(await core.tokenOf('ann')));
    const all = service.at('/ida').map(({ body }) => browser.read(body));
    expect(all).toHaveLength(1);
    expect(all[0]).toMatchObject({ title: 'loud one', path: `#/${loud}`, tag: loud });
    expect(all[0]?.body).toMatch(/^Waits for your input: Shall I go on/);
    for (const id of [muted, loud]) await core.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    expect((await core.ask('/v1/mutes', { token: ida })).json.sessions).toEqual([]);
  });

  test('that is gone is forgotten; one whose service fails is tried so often and no more', async () => {
    const dan = await core.tokenOf('dan');
    await subscribed('gone', dan);
    await subscribed('failing', dan);
    expect(await browsers(dan)).toBe(2);
    service.answer = (path) => (path === '/gone' ? 410 : path === '/failing' ? 503 : 201);
    const key = await asking(dan);
    await until('it has been tried three times', () => Promise.resolve(service.at('/failing').length === 3));
    await told(key);
    expect(service.at('/gone')).toHaveLength(1);
    expect(service.at('/failing')).toHaveLength(3);
    expect(await browsers(dan)).toBe(1);
    service.answer = () => 201;
  });

  test('is forgotten when its token is revoked, and a login’s when it is left', async () => {
    const made = await core.must<{ id: string; token: string }>(201, '/v1/tokens', {
      body: { name: 'eve', scope: 'input', user: 'eve' },
    });
    const eve = await core.tokenOf('eve');
    await subscribed('eve', made.token);
    const { ticket } = await core.must<{ ticket: string }>(201, '/v1/tickets', { body: {}, token: eve });
    const headers = { origin: core.gateway.url };
    const login = await core.ask('/v1/login', { body: { ticket }, token: null, headers });
    const cookie = (login.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
    const ours = { ...headers, cookie, 'binnacle-key': login.json.key };
    const asked = { ...service.browser('eve-login'), expirationTime: null };
    const put = { method: 'PUT', body: asked, token: null, headers: ours };
    expect((await core.ask('/v1/push/subscription', put)).status).toBe(204);
    expect(await browsers(eve)).toBe(2);
    await core.ask(`/v1/tokens/${made.id}`, { method: 'DELETE' });
    expect(await browsers(eve)).toBe(1);
    await core.ask('/v1/logout', { method: 'POST', body: {}, token: null, headers: ours });
    expect(await browsers(eve)).toBe(0);
    const key = await asking(eve);
    await told(key);
    expect(service.received.filter(({ path }) => path.startsWith('/eve'))).toEqual([]);
  });
});

describe('what cannot be', () => {
  test('subscriptions to other places, with other keys, and more than there may be', async () => {
    const fay = await core.tokenOf('fay');
    const { keys } = service.browser('x');
    const refused = [
      'http://127.0.0.1:1/x',
      'https://127.0.0.1/x',
      'https://localhost/x',
      'https://[::1]/x',
      'gopher://x',
    ];
    for (const endpoint of refused) {
      expect({ endpoint, ...(await subscribe({ endpoint, keys }, fay)) }).toMatchObject({ code: 'bad_push_endpoint' });
    }
    const short = { endpoint: `${service.origin}/fay`, keys: { ...keys, p256dh: keys.auth } };
    expect((await subscribe(short, fay)).code).toBe('bad_push_endpoint');
    expect((await subscribe({ ...short, keys: { p256dh: '*', auth: '' } }, fay)).code).toBe('bad_request');
    expect((await core.ask('/v1/push/test', { body: {}, token: fay })).code).toBe('push_not_subscribed');
    for (let n = 0; n < 20; n += 1) await subscribed(`fay-${n}`, fay);
    // The same browser again is no other one.
    await subscribed('fay-0', fay);
    expect((await subscribe(service.browser('fay-20'), fay)).code).toBe('too_many_push_subscriptions');
    expect(await browsers(fay)).toBe(20);
  });

  test('a test tells whether it arrives, and is not sent all the time', async () => {
    const gus = await core.tokenOf('gus');
    const browser = await subscribed('gus', gus);
    expect(await core.must(200, '/v1/push/test', { body: { endpoint: browser.endpoint }, token: gus })).toEqual({
      taken: 1,
    });
    expect(browser.read(service.at('/gus')[0]?.body ?? Buffer.alloc(0)).title).toBe('Binnacle');
    expect((await core.ask('/v1/push/test', { body: {}, token: gus })).code).toBe('rate_limited');
    service.answer = () => 403;
    await until('it may be sent again', async () => {
      const { code, json } = await core.ask('/v1/push/test', { body: {}, token: gus });
      if (code === 'push_failed') expect(json.error.details).toEqual({ status: 403 });
      return code === 'push_failed';
    });
    service.answer = () => 201;
  });

  test('a guest of a share link is notified of nothing', async () => {
    const hal = await core.tokenOf('hal');
    const key = await core.make('main', { title: 'shared' }, hal);
    const { secret } = await core.must<{ secret: string }>(201, '/v1/shares', {
      body: { conversation: key },
      token: hal,
    });
    const { credential } = await core.must<{ credential: string }>(201, '/v1/shares/redeem', {
      body: { secret, name: 'guest' },
      token: null,
    });
    for (const [method, path] of [
      ['GET', '/v1/push'],
      ['PUT', '/v1/push/subscription'],
      ['POST', '/v1/push/test'],
      ['GET', '/v1/mutes'],
      ['PUT', `${pathOf(key)}/mute`],
    ] as const) {
      const body = method === 'GET' ? {} : { body: {} };
      expect({ path, ...(await core.ask(path, { method, token: credential, ...body })) }).toMatchObject({
        status: 404,
      });
    }
  });
});
