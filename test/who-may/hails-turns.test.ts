// Who is told that an agent's turn has ended, and who is not; and the limits of what is kept for telling people.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Browser, FakeService } from '../../packages/server/src/notifications/push-service.fixture.ts';
import { pathOf } from '../conversations/conversation.fixture.ts';
import { AGENTS, type Core, openCoreHere } from '../conversations/core.fixture.ts';
import { count } from '../support/count.ts';
import type { Gateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

const LONG_MS = count({ quick: 800, all: 1500 });
/** The agent says a word each 100 ms. */
const WORDS = 'word '.repeat(LONG_MS / 100 + 2);
const FOR_EVER = 'word '.repeat(3000);

let core: Core<Gateway>;
let service: FakeService;
beforeAll(async () => {
  service = await FakeService.open();
  const { origin } = service;
  core = await openCoreHere(
    {
      waitTimes: { settleMs: 50, restMs: 50, longTurnMs: LONG_MS },
      deliveryLimits: { firstRetryMs: 200 },
      catalogueLimits: { maxPushSubscriptions: 5, maxMutesOfUser: 2 },
    },
    {
      agents: { entries: AGENTS },
      notify: {
        pushOrigins: [origin],
        ntfy: [{ url: `${origin}/of-all/deck` }, { url: `${origin}/of-ben/deck`, user: 'ben' }],
        webhooks: [{ url: `${origin}/hook`, done: false }],
      },
    },
  );
});
afterAll(async () => {
  await core.close();
  await service.close();
});

const subscribe = (browser: Browser, token: string) =>
  core.ask('/v1/push/subscription', { method: 'PUT', body: { ...browser, expirationTime: null }, token });

async function subscribed(name: string, token: string): Promise<() => string[]> {
  const browser = service.browser(name);
  expect((await subscribe(browser, token)).status).toBe(204);
  return () =>
    service.at(`/${name}`).map(({ body }) => {
      const { title, body: text, path } = browser.read(body);
      expect(path).toMatch(/^#\/c\//);
      return `${title}: ${text}`;
    });
}

test('whoever began a turn that took long is told how it ended, once: not who did it, looks at it, or wants none of it', async () => {
  const [ann, ben, cat] = [await core.tokenOf('ann'), await core.tokenOf('ben'), await core.tokenOf('cat')];
  const toAnn = await subscribed('ann', ann);
  const toBen = await subscribed('ben', ben);
  const toCat = await subscribed('cat', cat);
  const toAdmin = await subscribed('admin', core.gateway.token);
  const make = (title: string, { agent = 'main', token = ann, with: others = [] as string[] } = {}) =>
    core.make(agent, { title, visibility: { kind: 'shared', with: others } }, token);

  expect((await core.ask('/v1/push', { token: cat })).json.done).toBe(true);
  expect((await core.ask('/v1/push', { method: 'PATCH', body: { done: false }, token: cat })).status).toBe(204);
  expect((await core.ask('/v1/push', { token: cat })).json.done).toBe(false);
  expect((await core.ask('/v1/push', { token: ann })).json.done).toBe(true);

  const keys = {
    long: await make('long'),
    short: await make('short'),
    failing: await make('failing', { agent: 'shell' }),
    queued: await make('queued'),
    endless: await make('endless'),
    limited: await make('limited'),
    own: await make('own'),
    muted: await make('muted'),
    looked: await make('looked'),
    bens: await make('begun by ben', { with: ['ben'] }),
    cats: await make('of cat', { token: cat }),
  };
  await core.ask(`${pathOf(keys.muted)}/mute`, { method: 'PUT', token: ann });
  await (await core.wire(ann)).ask({ t: 'look', conversation: keys.looked });
  const slow = `/slow ${WORDS}\n\nAll is well.`;
  await core.send(keys.long, 'm', slow, {}, ann);
  await core.send(keys.short, 'm', 'hello', {}, ann);
  await core.send(keys.failing, 'm', `sleep ${LONG_MS / 1000 + 0.1}; exit 3`, {}, ann);
  await core.send(keys.queued, 'm', slow, {}, ann);
  await core.send(keys.queued, 'n', 'And this.', {}, ann);
  await core.send(keys.endless, 'm', `/slow ${FOR_EVER}`, {}, ann);
  await core.send(keys.limited, 'm', `/slow ${FOR_EVER}`, { timeoutMs: LONG_MS + 100 }, ann);
  await core.send(keys.own, 'm', `/slow ${FOR_EVER}`, {}, ann);
  await core.send(keys.muted, 'm', slow, {}, ann);
  await core.send(keys.looked, 'm', slow, {}, ann);
  await core.send(keys.bens, 'm', slow, {}, ben);
  await core.send(keys.cats, 'm', slow, {}, cat);
  for (const key of [keys.long, keys.failing, keys.limited, keys.muted, keys.looked, keys.bens, keys.cats]) {
    await core.end(key, 'm');
  }
  await core.end(keys.queued, 'n');
  await core.ask(`${pathOf(keys.own)}/runs/m`, { method: 'DELETE', token: ann });
  await core.abort(keys.endless, 'm');

  // Told behind all of them, if it is told at all.
  const probe = await make('last', { token: cat });
  await core.send(probe, 'm', '/ask something', {}, cat);
  await until('the last one is told', () => toAdmin().includes('last: Waits for your approval: something'));
  await until('ann is told', () => toAnn().length >= 5);
  expect(toAnn().sort()).toEqual([
    'endless: Was stopped: by admin',
    expect.stringMatching(/^failing: Has failed: .*code 3/),
    'limited: Was stopped: it took too long',
    'long: Is done: All is well.',
    'queued: Is done: And this.',
  ]);
  expect(toBen()).toEqual(['begun by ben: Is done: All is well.']);
  expect(toCat()).toEqual(['last: Waits for your approval: something']);
  expect(toAdmin()).toEqual(['last: Waits for your approval: something']);
  const titles = (path: string): string[] =>
    service
      .at(path)
      .map(({ body }) => JSON.parse(String(body)) as { title: string; message: string })
      .map(({ title, message }) => `${title}: ${message}`);
  await until('ntfy is told', () => titles('/of-all').includes('last: Waits for your approval'));
  expect(titles('/of-all')).toHaveLength(10);
  expect(titles('/of-all')).toContain('failing: Has failed');
  expect(titles('/of-ben')).toEqual(['begun by ben: Is done']);
  expect(service.at('/hook').map(({ body }) => JSON.parse(String(body)).type)).toEqual(['waiting']);

  // Counted by way and outcome, with nothing that says where to.
  const count = (way: string, result: string) =>
    core.metric(`binnacle_notifications_total{way="${way}",result="${result}"}`);
  await until('all are counted', async () => (await count('push', 'taken')) + (await count('ntfy', 'taken')) >= 19);
  expect([await count('push', 'taken'), await count('ntfy', 'taken')]).toEqual([8, 11]);
  expect(await count('webhook', 'refused')).toBe(0);
  expect((await core.ask('/metrics')).text).not.toContain(service.origin);
  await core.abort(probe, 'm');
});

test('another message takes the news back before it is told again', async () => {
  const dan = await core.tokenOf('dan');
  const toDan = await subscribed('dan', dan);
  service.answer = (path) => (path === '/dan' ? 503 : 201);
  const key = await core.make('main', { title: 'retried' }, dan);
  await core.send(key, 'm', `/slow ${WORDS}`, {}, dan);
  await until('it was tried', () => toDan().length > 0);
  await core.send(key, 'n', 'never mind', {}, dan);
  await core.end(key, 'n');
  const tries = toDan().length;
  service.answer = () => 201;
  const probe = await core.make('main', { title: 'probe' }, dan);
  await core.send(probe, 'm', `/slow ${WORDS}`, {}, dan);
  await until('the next one is told', () => toDan().some((one) => one.startsWith('probe')));
  expect(toDan().filter((one) => one.startsWith('retried'))).toHaveLength(tries);
});

test('more browsers than there may be in all, and more that is muted, are refused', async () => {
  const eve = await core.tokenOf('eve');
  expect((await subscribe(service.browser('one too many'), eve)).json).toMatchObject({
    error: { code: 'too_many_push_subscriptions', details: { limit: 5 } },
  });
  const keys: string[] = [];
  for (const title of ['one', 'two', 'three']) keys.push(await core.make('main', { title }, eve));
  const mute = async (at: number, method = 'PUT') =>
    (await core.ask(`${pathOf(keys[at] ?? '')}/mute`, { method, token: eve })).code;
  expect([await mute(0), await mute(1)]).toEqual([undefined, undefined]);
  expect(await mute(2)).toBe('too_many_mutes');
  // One that is muted already is no other one; one that is not any more, or is gone, makes room.
  expect(await mute(1)).toBeUndefined();
  await mute(1, 'DELETE');
  expect([await mute(2), await mute(1)]).toEqual([undefined, 'too_many_mutes']);
  await core.ask(pathOf(keys[0] ?? ''), { method: 'DELETE', token: eve });
  expect(await mute(1)).toBeUndefined();
});
