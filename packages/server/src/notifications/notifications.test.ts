// The parts of a notification, each by itself: what is news, what is sent when, where to, and with which text.

import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NotifyShape } from '../config/notification-settings.ts';
import { Catalogue } from '../store/store.ts';
import { Deliveries } from './deliveries.ts';
import { LOOKUP_MS, resolveWithTimeout, SubscriptionLookups } from './dns-lookup.ts';
import { readEndpoint, resolveEndpoint } from './endpoint.ts';
import { notificationText } from './format.ts';
import { Notifications } from './notifications.ts';
import type { DeliveryVerdict } from './post.ts';
import { FakeService, readVapid } from './push-service.fixture.ts';
import { ntfyMessage, webhookMessage } from './targets.ts';
import { Vapid } from './vapid.ts';
import { type UserWait, Waits } from './waits.ts';

const waiting = (change: Partial<UserWait> = {}): UserWait => ({
  ...{ kind: 'session', id: 's', key: 's', state: 'waiting_input', mark: '1', title: 'build', text: null, for: null },
  since: Date.now(),
  ...change,
});

describe('what waits', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const open = () => {
    const notified: string[] = [];
    const waits = new Waits(({ id, mark }) => void notified.push(`${id} ${mark}`), { settleMs: 100, restMs: 1000 });
    return { notified, waits };
  };

  test('causes one notification, however often its screen is drawn, and another one for its next wait', () => {
    const { notified, waits } = open();
    const wait = waiting();
    for (let n = 0; n < 10; n += 1) {
      waits.set('s', { ...wait, text: `${n}` });
      vi.advanceTimersByTime(50);
    }
    expect(notified).toEqual(['s 1']);
    expect(waits.current(wait)?.text).toBe('9');
    waits.set('s', undefined);
    expect(waits.current(wait)).toBeUndefined();
    vi.advanceTimersByTime(5000);
    waits.set('s', waiting({ mark: '2' }));
    vi.advanceTimersByTime(100);
    expect(notified).toEqual(['s 1', 's 2']);
  });

  test('is notified of with its newest question, however often another question takes the place of the first', () => {
    const { notified, waits } = open();
    for (let n = 0; n < 10; n += 1) {
      waits.set('s', waiting({ mark: `${n}` }));
      vi.advanceTimersByTime(40);
    }
    expect(notified).toEqual(['s 2']);
    waits.stop();
  });

  test('is nobody’s news when it is answered at once, or has begun before this gateway', () => {
    const { notified, waits } = open();
    waits.set('s', waiting());
    vi.advanceTimersByTime(99);
    waits.set('s', undefined);
    waits.set('old', waiting({ id: 'old', isOld: true }));
    vi.advanceTimersByTime(5000);
    expect(notified).toEqual([]);
  });

  test('does not ring all the time: the next wait is notified of after the rest time, if it still waits then', () => {
    const { notified, waits } = open();
    waits.set('s', waiting());
    vi.advanceTimersByTime(100);
    for (const mark of ['2', '3', '4']) {
      waits.set('s', undefined);
      vi.advanceTimersByTime(100);
      waits.set('s', waiting({ mark, others: ['3', '4'] }));
      vi.advanceTimersByTime(100);
    }
    expect(notified).toEqual(['s 1']);
    vi.advanceTimersByTime(1000);
    expect(notified).toEqual(['s 1', 's 4']);
    // Of several that waited together the second is no news when the first is answered.
    waits.set('s', waiting({ mark: '3' }));
    vi.advanceTimersByTime(5000);
    expect(notified).toEqual(['s 1', 's 4']);
    waits.stop();
  });

  test('is notified of as early as ever when the clock was set back or ahead', () => {
    const { notified, waits } = open();
    waits.set('s', waiting());
    vi.advanceTimersByTime(100);
    for (const [mark, byMs] of [
      ['2', -3600_000],
      ['3', 86_400_000],
      ['4', -86_400_000 * 400],
    ] as const) {
      vi.setSystemTime(Date.now() + byMs);
      waits.set('s', undefined);
      waits.set('s', waiting({ mark }));
      vi.advanceTimersByTime(999);
      expect(notified.at(-1)).not.toBe(`s ${mark}`);
      vi.advanceTimersByTime(1);
      expect(notified.at(-1)).toBe(`s ${mark}`);
    }
    waits.stop();
  });

  test('of one user stands for itself: it is notified of beside that of all users, until it is over, deleted, or old', () => {
    const notified: string[] = [];
    const waits = new Waits(({ state, for: user }) => void notified.push(`${state} ${user}`), {
      ...{ settleMs: 100, restMs: 1000, newsMs: 5000 },
    });
    const done = (user: string): UserWait => waiting({ state: 'done', for: user, mark: user });
    const [ann, ben] = [done('ann'), done('ben')];
    waits.set('s', waiting());
    waits.set('s ann', ann);
    waits.set('s ben', ben);
    waits.set('s ben', undefined);
    vi.advanceTimersByTime(100);
    expect(notified).toEqual(['waiting_input null', 'done ann']);
    expect(waits.current(ann)).toBe(ann);
    expect(waits.current(ben)).toBeUndefined();
    vi.advanceTimersByTime(5000);
    expect(waits.current(ann)).toBeUndefined();
    expect(waits.current(waiting())?.state).toBe('waiting_input');
    waits.set('s ann', done('ann'));
    waits.set('s2', waiting({ id: 's2' }));
    waits.forget('s');
    vi.advanceTimersByTime(5000);
    expect(notified).toEqual(['waiting_input null', 'done ann', 'waiting_input null']);
    expect(waits.current(waiting())).toBeUndefined();
    expect(waits.current(waiting({ id: 's2' }))?.id).toBe('s2');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('leaves nothing behind', () => {
    const { waits } = open();
    for (let n = 0; n < 1000; n += 1) {
      waits.set(`s${n}`, waiting({ id: `s${n}` }));
      if (n % 2 === 0) vi.advanceTimersByTime(100);
      waits.set(`s${n}`, undefined);
    }
    vi.advanceTimersByTime(10_000);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('deliveries', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const LATER: DeliveryVerdict = { kind: 'later', afterMs: undefined, status: 503 };

  test('are retried at growing intervals, up to a maximum number, and as late as the receiver requests', async () => {
    const over: unknown[] = [];
    const deliveries = new Deliveries({ maxTries: 4, firstRetryMs: 1000 });
    const times: number[] = [];
    const began = Date.now();
    const verdicts = [LATER, { ...LATER, afterMs: 60_000 }, LATER, LATER, LATER];
    const send = async () => {
      times.push(Date.now() - began);
      return verdicts[times.length - 1] ?? LATER;
    };
    deliveries.add({ ...{ name: 'a', host: 'h', user: null, send }, over: (verdict) => over.push(verdict) });
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(times).toHaveLength(4);
    expect(times[1]).toBeGreaterThanOrEqual(500);
    expect(times[1]).toBeLessThanOrEqual(1001);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(60_000);
    expect(over).toEqual([LATER]);
    expect(deliveries.count).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('are tried again as soon as ever when the clock was set back meanwhile', async () => {
    const deliveries = new Deliveries({ firstRetryMs: 1000 });
    let tries = 0;
    const send = async () => {
      tries += 1;
      return LATER;
    };
    deliveries.add({ name: 'a', host: 'h', user: null, send });
    await vi.advanceTimersByTimeAsync(0);
    vi.setSystemTime(Date.now() - 3600_000);
    await vi.advanceTimersByTimeAsync(1001);
    expect(tries).toBe(2);
    vi.setSystemTime(Date.now() - 3600_000);
    await vi.advanceTimersByTimeAsync(2001);
    expect(tries).toBe(3);
    deliveries.stop();
  });

  test('wait in a queue that does not grow: what has failed makes room, and else there is none', async () => {
    const over: string[] = [];
    const limits = { maxWaiting: 3, maxSending: 2, firstRetryMs: 60_000 };
    const deliveries = new Deliveries(limits);
    const add = (name: string, send: () => Promise<DeliveryVerdict>): void =>
      deliveries.add({ ...{ name, host: 'h', user: null, send }, over: (verdict) => over.push(`${name} ${verdict}`) });
    const never = () => new Promise<DeliveryVerdict>(() => undefined);
    for (const name of ['f1', 'f2']) add(name, async () => LATER);
    await vi.advanceTimersByTimeAsync(0);
    expect(deliveries.count).toBe(2);
    for (const name of ['a', 'b', 'c']) add(name, never);
    expect(deliveries.count).toBe(5);
    // Two wait for another try: they go before what was never tried.
    for (const name of ['d', 'e']) {
      await deliveries.room();
      add(name, never);
    }
    expect(over).toEqual(['f1 dropped', 'f2 dropped']);
    let isRoom = false;
    void deliveries.room().then(() => {
      isRoom = true;
    });
    await vi.advanceTimersByTimeAsync(1000);
    expect(isRoom).toBe(false);
    expect(deliveries.count).toBe(5);
    deliveries.stop();
    await vi.advanceTimersByTimeAsync(0);
    expect(isRoom).toBe(true);
  });

  test('of a slow host keep no other host waiting, and a later one of a name takes the place of the earlier', async () => {
    const sent: string[] = [];
    const deliveries = new Deliveries({ maxSending: 8, maxSendingToHost: 2 });
    let free = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      free = resolve;
    });
    const of = (name: string, host: string, what: string) => ({
      ...{ name, host, user: null },
      send: async (): Promise<DeliveryVerdict> => {
        sent.push(what);
        if (host === 'slow') await slow;
        return { kind: 'taken' };
      },
    });
    for (const name of ['1', '2', '3']) deliveries.add(of(name, 'slow', `slow ${name}`));
    deliveries.add(of('3', 'slow', 'slow 3 again'));
    deliveries.add(of('4', 'fast', 'fast'));
    await vi.advanceTimersByTimeAsync(0);
    expect(sent).toEqual(['slow 1', 'slow 2', 'fast']);
    free();
    await vi.advanceTimersByTimeAsync(0);
    expect(sent).toEqual(['slow 1', 'slow 2', 'fast', 'slow 3 again']);
  });
});

describe('names that lead nowhere', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const never = () => new Promise<never>(() => undefined);

  test('of one user keep nobody else waiting: so many of theirs are sent to at once, and no more', async () => {
    const sent: string[] = [];
    const deliveries = new Deliveries();
    for (const user of ['eve', 'mal', 'zoe'])
      for (let n = 0; n < 20; n += 1) {
        const name = `${user} ${n}`;
        const send = () => {
          sent.push(name);
          return never();
        };
        deliveries.add({ name, host: `${n}.${user}.example`, user, send });
      }
    for (const user of ['ann', null]) {
      const send = async (): Promise<DeliveryVerdict> => {
        sent.push(`${user}`);
        return { kind: 'taken' };
      };
      deliveries.add({ name: `${user}`, host: 'push.example.org', user, send });
    }
    await vi.advanceTimersByTimeAsync(0);
    expect(sent.filter((name) => name.startsWith('eve'))).toHaveLength(4);
    expect(sent).toEqual(expect.arrayContaining(['ann', 'null']));
    deliveries.stop();
  });

  test('are looked up two at a time for a user and sixteen in all, and who comes then is not looked up', async () => {
    const lookups = new SubscriptionLookups();
    let free = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      free = resolve;
    });
    const under: Promise<void>[] = [];
    for (let n = 0; n < 16; n += 1) under.push(lookups.of(`u${n >> 1}`, () => slow));
    await expect(lookups.of('u0', never)).rejects.toMatchObject({ code: 'rate_limited', details: { limit: 2 } });
    await lookups.of('ann', never);
    free();
    await Promise.all(under);
    let isLookedUp = false;
    await lookups.of('u0', async () => {
      isLookedUp = true;
    });
    expect(isLookedUp).toBe(true);
  });
});

test('a name whose server never answers is waited for so long and no longer, or until nobody waits', async () => {
  const signals: AbortSignal[] = [];
  const never = (_host: string, signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<never>(() => undefined);
  };
  vi.useFakeTimers();
  try {
    const timedOut = expect(resolveWithTimeout(never, 'x.example')).rejects.toThrow(`${LOOKUP_MS} ms`);
    await vi.advanceTimersByTimeAsync(LOOKUP_MS);
    await timedOut;
    const stop = new AbortController();
    const left = expect(resolveWithTimeout(never, 'x.example', stop.signal)).rejects.toThrow('gone');
    stop.abort(new Error('gone'));
    await left;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

describe('an endpoint', () => {
  const code = expect.objectContaining({ code: 'bad_push_endpoint' });

  test('is https, a name, without a port; or of an origin that the operator named', () => {
    for (const url of [
      'https://fcm.googleapis.com/fcm/send/x:y',
      'https://updates.push.services.mozilla.com/wpush/v2/g',
    ]) {
      expect(readEndpoint(url, []).href).toBe(url);
    }
    const refused = [
      ...['http://fcm.googleapis.com/x', 'https://push.example.org:8443/x', 'https://user:pw@push.example.org/x'],
      ...[
        'https://10.0.0.1/x',
        'https://[::1]/x',
        'https://0x7f.1/x',
        'https://push.example.org/x#y',
        'file:///etc',
        '',
      ],
      ...['localhost', 'push', 'x.localhost', 'x.local', 'metadata.google.internal', 'x.home.arpa', 'x.INTERNAL.'].map(
        (name) => `https://${name}/x`,
      ),
      `https://push.example.org/${'x'.repeat(1024)}`,
    ];
    for (const url of refused) expect(() => readEndpoint(url, []), url).toThrow(code);
    expect(readEndpoint('https://push.lan:8443/x', ['https://push.lan:8443']).port).toBe('8443');
    expect(() => readEndpoint('https://push.lan:8444/x', ['https://push.lan:8443'])).toThrow(code);
  });

  test('leads to no address of this machine, also where that is a public one', async () => {
    const own = new Set(['142.250.1.9', '2a00:1450:4001::9']);
    const at = (...addresses: string[]) =>
      resolveEndpoint(new URL('https://push.example.org/x'), [], {
        own,
        resolve: async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      });
    expect(await at('142.250.1.1', '2a00:1450:4001::1')).toHaveLength(2);
    for (const address of [...own, '::ffff:142.250.1.9', '2a00:1450:4001:0:0:0:0:9', '64:ff9b::8efa:109']) {
      await expect(at(address), address).rejects.toThrow(code);
      await expect(at('142.250.1.1', address), address).rejects.toThrow(code);
    }
  });

  test('leads to the internet by all of its addresses, whatever its name is', async () => {
    const at = (...addresses: string[]) =>
      resolveEndpoint(new URL('https://push.example.org/x'), [], {
        resolve: async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      });
    expect(await at('142.250.1.1', '2a00:1450:4001::1')).toHaveLength(2);
    const inside = [
      '127.0.0.1',
      '10.1.2.3',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
      '::1',
      'fe80::1',
    ];
    for (const address of [...inside, '::ffff:127.0.0.1', 'fd00::1']) {
      await expect(at(address), address).rejects.toThrow(code);
      await expect(at('142.250.1.1', address), address).rejects.toThrow(code);
    }
    await expect(at()).rejects.toThrow(code);
  });
});

describe('the key pair', () => {
  const dir = mkdtempSync(join(tmpdir(), 'binnacle-vapid-'));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('is made once, is ours alone, and signs what push services can check', () => {
    const vapid = Vapid.open(dir);
    expect(statSync(join(dir, 'push.key')).mode & 0o777).toBe(0o600);
    expect(Vapid.open(dir).publicKey).toBe(vapid.publicKey);
    const now = Date.now();
    const header = vapid.authorization('https://push.example.org', 'mailto:a@b.org', now);
    const { key, claims } = readVapid(header);
    expect(key).toBe(vapid.publicKey);
    expect(claims).toEqual({
      aud: 'https://push.example.org',
      sub: 'mailto:a@b.org',
      exp: Math.floor((now + 12 * 3600_000) / 1000),
    });
    expect(vapid.authorization('https://push.example.org', 'mailto:a@b.org', now + 1000)).toBe(header);
    const later = readVapid(vapid.authorization('https://push.example.org', 'mailto:a@b.org', now + 11.5 * 3600_000));
    expect(later.claims.exp).toBeGreaterThan(Number(claims.exp));
    writeFileSync(join(dir, 'push.key'), 'not a key');
    expect(() => Vapid.open(dir)).toThrow(expect.objectContaining({ code: 'bad_data_dir' }));
  });
});

describe('the words', () => {
  test('hide nothing, act on nothing, and are short', () => {
    const wait = waiting({ title: 'a\u001b]0;x\u0007\u202eb\u200bc\n', text: `run\nrm ${'x'.repeat(500)}` });
    const { title, body } = notificationText(wait, true);
    expect(title).toBe('a ]0;x b c');
    expect(body).toMatch(/^Waits for your input: run rm x+…$/);
    expect(body.length).toBeLessThan(200);
    expect(notificationText(wait, false).body).toBe('Waits for your input');
    expect(notificationText(waiting({ state: 'waiting_approval', title: '\u200b' }), true)).toEqual({
      title: 'Binnacle',
      body: 'Waits for your approval',
    });
  });
});

test('a wait whose notification fails stops no other notification', async () => {
  const [service, dir] = [await FakeService.open(), mkdtempSync(join(tmpdir(), 'binnacle-notifications-'))];
  const catalogue = Catalogue.open(dir);
  const faults: string[] = [];
  let isBroken = true;
  const notifications = new Notifications({
    ...{ subscriptions: catalogue.pushSubscriptions, mutes: catalogue.mutes, wishes: catalogue.notificationSettings },
    vapid: Vapid.open(dir),
    settings: () => {
      if (!isBroken) return { push: false, webhooks: [{ url: `${service.origin}/hook` }] };
      isBroken = false;
      throw new Error('the disk is broken');
    },
    ...{ holderOf: () => undefined, hasEnded: () => false, maySee: () => true, isFocused: () => false },
    log: pino({}, { write: (line: string) => void faults.push(JSON.parse(line).err.message) }),
  });
  vi.useFakeTimers();
  // One notification is under way while the other waits behind it.
  for (const id of ['a', 'b']) notifications.waits.set(id, waiting({ id, key: id }));
  vi.advanceTimersByTime(10_000);
  vi.useRealTimers();
  await expect.poll(() => service.at('/hook').map(({ body }) => JSON.parse(String(body)).data.session)).toEqual(['b']);
  expect(faults).toEqual(['the disk is broken']);
  notifications.stop();
  await service.close();
  catalogue.close();
  rmSync(dir, { recursive: true });
});

describe('what the operator names', () => {
  const wait = waiting({ state: 'waiting_approval', title: 'Bäume\nfällen', text: 'rm -rf', since: 1_700_000_000_000 });
  const json = (body: Buffer): unknown => JSON.parse(body.toString());

  test('is sent over ntfy, without the program’s text unless the target requests it', () => {
    const target = { url: 'https://ntfy.example.org/base/my-topic', tokenEnv: 'NTFY' };
    const { url, headers, body } = ntfyMessage(target, wait, 'https://box.example.org/', { NTFY: 'tk_1' });
    expect(url.href).toBe('https://ntfy.example.org/base');
    expect(headers.authorization).toBe('Bearer tk_1');
    expect(json(body)).toEqual({
      ...{ topic: 'my-topic', title: 'Bäume fällen', message: 'Waits for your approval', priority: 4, tags: ['bell'] },
      click: 'https://box.example.org/#/s',
    });
    const more = ntfyMessage({ ...target, details: true }, wait, undefined, { NTFY: 'tk_1' });
    expect(json(more.body)).toMatchObject({ message: 'Waits for your approval: rm -rf' });
    expect(json(more.body)).not.toHaveProperty('click');
    expect(() => ntfyMessage(target, wait, undefined, {})).toThrow('NTFY');
  });

  test('is sent by a webhook that the receiver can check', () => {
    const target = { url: 'https://hooks.example.org/x', secretEnv: 'HOOK' };
    const secret = Buffer.from('a secret');
    const make = (now: number) =>
      webhookMessage(target, wait, undefined, { HOOK: `whsec_${secret.toString('base64')}` }, now);
    const { headers, body } = make(1_700_000_001_000);
    expect(json(body)).toEqual({
      type: 'waiting',
      timestamp: '2023-11-14T22:13:20.000Z',
      data: {
        ...{ session: 's', state: 'waiting_approval', since: wait.since },
        ...{ title: 'Bäume fällen', text: 'Waits for your approval' },
      },
    });
    const text = `${headers['webhook-id']}.1700000001.${body}`;
    const signed = createHmac('sha256', secret).update(text).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${signed}`);
    expect(make(1_700_000_900_000).headers['webhook-id']).toBe(headers['webhook-id']);
    const ended = webhookMessage(target, { ...wait, state: 'failed', for: 'ann' }, undefined, { HOOK: 'x' });
    expect(json(ended.body)).toMatchObject({ type: 'turn_ended', data: { state: 'failed', text: 'Has failed' } });
    expect(ended.headers['webhook-id']).not.toBe(headers['webhook-id']);
    expect(webhookMessage({ url: target.url }, wait, undefined, {}).headers).not.toHaveProperty('webhook-signature');
  });

  test('is checked when the config file is read', () => {
    const isGood = (notify: unknown): boolean => NotifyShape.safeParse(notify).success;
    expect(isGood({ push: false, contact: 'mailto:a@b.org', ntfy: [{ url: 'https://ntfy.sh/x' }] })).toBe(true);
    const refused = [
      { ntfy: [{ url: 'file:///etc/passwd' }] },
      { webhooks: [{ url: 'https://x.org', secret: 'in the file' }] },
      { webhooks: [{ url: 'https://x.org', secretEnv: 'not a name' }] },
      { webhooks: Array.from({ length: 21 }, () => ({ url: 'https://x.org' })) },
      { contact: 'somebody' },
    ];
    for (const notify of refused) expect(isGood(notify), JSON.stringify(notify)).toBe(false);
  });
});
