// Presence in a session, and the handover of its lease: with real gateways, runners, programs and sockets.

import { Binnacle, type WatchersChange } from '@binnacle/client';
import { beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import type { Frame, Frames } from '../support/wire.ts';

let gateway: GatewayProcess;
let typing: string;
let viewing: string;
beforeAll(async () => {
  gateway = await openGatewayProcess();
  typing = (await gateway.tokenOf('input')).token;
  viewing = (await gateway.tokenOf('view')).token;
});

const recorder = () => gateway.create({ argv: ['/bin/cat'], mode: 'pipe' });
async function follower(session: string, token = gateway.token): Promise<Frames> {
  const frames = await gateway.frames('/v1/ws', token);
  expect((await frames.ask({ t: 'subscribe', session })).t).toBe('subscribed');
  expect((await frames.ask({ t: 'watch_watchers', session, on: true })).t).toBe('ok');
  return frames;
}
const counts = (frames: Frames, number: number): Promise<Frame> =>
  frames.next((frame) => frame.t === 'watchers' && frame.count === number);
async function guestOf(session: string, mode: string): Promise<string> {
  const { json: share } = await gateway.ask('/v1/shares', { body: { session, mode } });
  const { json } = await gateway.ask('/v1/shares/redeem', { token: null, body: { secret: share.secret } });
  return json.credential;
}
const codeOf = async (asked: Promise<Frame>): Promise<string> => (await asked).error?.code ?? 'ok';
const lease = (session: string, more: object) => ({ t: 'lease', session, ...more });

describe('who follows a session', () => {
  it('is known to those who follow it, by name and by what they may; guests know how many', async () => {
    const { id } = await recorder();
    const ada = await follower(id);
    const bob = await follower(id, typing);
    const cyd = await follower(id, viewing);
    const guest = await follower(id, await guestOf(id, 'view'));
    const compat = await gateway.frames(`/ws/session/${id}`, viewing);
    const told = await counts(ada, 5);
    expect(told.watchers.map(({ name, isGuest, maySteer }: Frame) => ({ name, isGuest, maySteer }))).toEqual([
      { name: 'admin', isGuest: false, maySteer: true },
      { name: 'a inputer', isGuest: false, maySteer: true },
      { name: 'a viewer', isGuest: false, maySteer: false },
      { name: 'guest 1', isGuest: true, maySteer: false },
      { name: 'a viewer', isGuest: false, maySteer: false },
    ]);
    expect(told.you).toBe(told.watchers[0].id);
    const seen = await counts(guest, 5);
    expect(seen.watchers.map(({ name }: Frame) => name)).toEqual(['guest 1']);
    expect(JSON.stringify(guest.all.filter((one) => one.t === 'watchers'))).not.toMatch(/admin|viewer|inputer/);
    compat.ws.close();
    await cyd.ask({ t: 'unsubscribe', session: id });
    guest.ws.close();
    expect((await counts(ada, 2)).watchers.map(({ name }: Frame) => name)).toEqual(['admin', 'a inputer']);
    expect(await codeOf(cyd.ask({ t: 'watch_watchers', session: id, on: true }))).toBe('not_subscribed');
    expect(await codeOf(cyd.ask({ t: 'watch_watchers', session: 'none', on: true }))).toBe('not_subscribed');
    // Followed again from elsewhere, it keeps its place, and its watch.
    const place = told.watchers[1].id;
    await bob.ask({ t: 'subscribe', session: id, from: 'now' });
    await cyd.ask({ t: 'subscribe', session: id });
    expect((await counts(bob, 3)).you).toBe(place);
    await ada.ask({ t: 'watch_watchers', session: id, on: false });
    const before = ada.all.length;
    bob.ws.close();
    await cyd.ask({ t: 'watch_watchers', session: id, on: true });
    await counts(cyd, 2);
    expect(ada.all.slice(before).filter((frame) => frame.t === 'watchers')).toEqual([]);
  });
});

describe('the lease is asked for', () => {
  it('which its holder alone is told, once in a while, and who may not steer cannot', async () => {
    const { id } = await recorder();
    const [ada, bob, cyd, dan] = [
      await follower(id),
      await follower(id, typing),
      await follower(id, viewing),
      await follower(id, await guestOf(id, 'type')),
    ];
    expect(await codeOf(bob.ask(lease(id, { action: 'ask' })))).toBe('helm_free');
    await ada.ask(lease(id, { action: 'acquire' }));
    expect(await codeOf(ada.ask(lease(id, { action: 'ask' })))).toBe('bad_request');
    expect(await codeOf(bob.ask(lease(id, { action: 'ask' })))).toBe('ok');
    const asked = await ada.next(({ t }) => t === 'lease_asked');
    expect(asked).toMatchObject({ session: id, by: { name: 'a inputer', isGuest: false, maySteer: true } });
    const again = await bob.ask(lease(id, { action: 'ask' }));
    expect(again.error).toMatchObject({ code: 'asked_lately', details: { retryAfterMs: expect.any(Number) } });
    expect(await codeOf(cyd.ask(lease(id, { action: 'ask' })))).toBe('forbidden');
    expect(await codeOf(dan.ask(lease(id, { action: 'ask' })))).toBe('ok');
    expect((await ada.next(({ t }) => t === 'lease_asked')).by).toMatchObject({ name: 'guest 1', isGuest: true });
    const stranger = await gateway.frames('/v1/ws', typing);
    expect(await codeOf(stranger.ask(lease(id, { action: 'ask' })))).toBe('not_subscribed');
    for (const other of [bob, cyd, dan]) expect(other.all.some(({ t }) => t === 'lease_asked')).toBe(false);
    // Nobody hears it at the other end of HTTP.
    await gateway.ask(`/v1/sessions/${id}/lease`, { body: { action: 'take', holder: 'a script' } });
    const far = await ada.ask(lease(id, { action: 'ask' }));
    expect(far.error).toMatchObject({ code: 'holder_unreachable', details: { holder: 'a script' } });
    // A guest who holds it is told by whom, too: who steers is named to all who may see.
    await dan.ask(lease(id, { action: 'take' }));
    expect(await codeOf(ada.ask(lease(id, { action: 'ask' })))).toBe('ok');
    expect((await dan.next(({ t }) => t === 'lease_asked')).by).toMatchObject({ name: 'admin', isGuest: false });
  });
});

describe('one-writer: the lease is handed over', () => {
  it('to one who follows and may steer: the fence rises, and who gave it cannot write any more', async () => {
    const { id } = await recorder();
    const [ada, bob, cyd] = [await follower(id), await follower(id, typing), await follower(id, viewing)];
    const { watchers } = await counts(ada, 3);
    const [me, toBob, toCyd] = watchers.map((one: Frame) => one.id);
    const { result } = await ada.ask(lease(id, { action: 'acquire', holder: 'Ada' }));
    const give = (to: string, secret = result.lease) =>
      codeOf(ada.ask(lease(id, { action: 'hand_over', lease: secret, to })));
    expect(await give(toCyd)).toBe('watcher_cannot_steer');
    expect(await give(me)).toBe('bad_request');
    expect(await give('nobody')).toBe('watcher_not_found');
    expect(await give(toBob, 'a wrong one')).toBe('lease_lost');
    expect((await ada.ask({ t: 'input', session: id, text: 'ada\n' })).t).toBe('ok');
    expect(await give(toBob)).toBe('ok');
    const given = await bob.next(({ t }) => t === 'lease_given');
    expect(given).toMatchObject({ session: id, by: 'Ada', lease: { holder: 'a inputer', fence: result.fence + 1 } });
    expect((await bob.ask({ t: 'input', session: id, text: 'bob\n', lease: given.lease.lease })).t).toBe('ok');
    expect((await bob.ask({ t: 'input', session: id, text: 'bob\n' })).t).toBe('ok');
    expect(await codeOf(ada.ask({ t: 'input', session: id, text: 'no\n', lease: result.lease }))).toBe('lease_lost');
    expect(await codeOf(ada.ask({ t: 'input', session: id, text: 'no\n' }))).toBe('lease_held');
    expect(await give(toBob)).toBe('lease_lost');
    expect(await gateway.seen(id, /bob\nbob\n/)).toBe('ada\nbob\nbob\n');
    // Everybody hears whose it is; its secret, only who has it.
    const told = await cyd.next((frame) => frame.t === 'lease' && frame.lease?.fence === result.fence + 1);
    expect(told).toMatchObject({ yours: false, lease: { holder: 'a inputer' } });
    for (const other of [ada, cyd])
      expect(JSON.stringify(other.all.filter((one) => !Buffer.isBuffer(one)))).not.toContain(given.lease.lease);
    expect(ada.all.filter((frame) => frame.t === 'lease' && frame.lost !== undefined)).toEqual([]);
    // Its connection breaks: as with any holder, the grace begins.
    bob.ws.terminate();
    await until('the grace has begun', async () => ((await gateway.info(id)).lease?.expiresInMs ?? 0) <= 15_000);
  });

  it('round and round by six who write all the time: never two at once, and the fence only rises', async () => {
    const { id } = await recorder();
    const hands = await Promise.all(Array.from({ length: 6 }, () => follower(id)));
    const ids: string[] = await Promise.all(hands.map(async (hand) => (await counts(hand, 6)).you));
    const taken: string[] = [];
    const [first] = hands as [Frames];
    let held = (await first.ask(lease(id, { action: 'acquire', holder: 'first' }))).result;
    let isOver = false;
    const leases = [held.lease];
    // Each writes with each lease that it ever had: only one of them may count.
    const writing = hands.map(async (hand, n) => {
      for (let line = 0; !isOver; line++) {
        const given = hand.all.filter(({ t }) => t === 'lease_given').map((frame) => frame.lease);
        for (const old of n === 0 ? [{ lease: leases[0], fence: 1 }, ...given] : given) {
          const text = `${old.fence} w${n} ${line}\n`;
          const answer = await hand.ask({ t: 'input', session: id, text, lease: old.lease });
          if (answer.t === 'ok') taken.push(text);
          else expect(answer.error.code).toBe('lease_lost');
        }
        await hand.ask({ t: 'ping', time: line });
      }
    });
    for (let turn = 0; turn < count({ quick: 12, all: 30 }); turn++) {
      const from = hands[turn % 6] as Frames;
      const to = hands[(turn + 1) % 6] as Frames;
      const heard = to.all.length;
      const asked = lease(id, { action: 'hand_over', lease: held.lease, to: ids[(turn + 1) % 6] });
      expect(await codeOf(from.ask(asked))).toBe('ok');
      await until('it is there', () => to.all.slice(heard).some(({ t }) => t === 'lease_given'));
      const next = to.all.slice(heard).find(({ t }) => t === 'lease_given').lease;
      expect(next.fence).toBe(held.fence + 1);
      held = next;
      leases.push(held.lease);
    }
    isOver = true;
    await Promise.all(writing);
    await until('all is echoed', async () => (await gateway.output(id)).length === taken.join('').length);
    const lines = (await gateway.output(id)).split('\n').filter(Boolean);
    expect([...lines].sort()).toEqual(taken.map((line) => line.trim()).sort());
    const fences = lines.map((line) => Number(line.split(' ')[0]));
    expect(fences).toEqual([...fences].sort((a, b) => a - b));
    expect(new Set(fences).size).toBeGreaterThan(1);
  });

  it('in the client: asked, given, and heard of again after a kill -9 of the gateway', async () => {
    const { id } = await recorder();
    const client = (token: string) =>
      new Binnacle({ url: gateway.url, token, WebSocket, backoff: { baseMs: 20, capMs: 100 } });
    const [one, other] = [client(gateway.token), client(typing)];
    const [ada, bob] = [one.session(id), other.session(id)];
    const seen: WatchersChange[] = [];
    const undo = ada.watchers.on('change', (now) => seen.push(now));
    const happened: string[] = [];
    ada.lease.on('requested', (by) => {
      happened.push(`asked by ${by.name}`);
      void ada.lease.transferTo(by.id);
    });
    ada.lease.on('lost', ({ code }) => happened.push(`lost: ${code}`));
    bob.lease.on('received', ({ by }) => happened.push(`given by ${by}`));
    ada.attach();
    bob.attach();
    await until('both are seen', () => ada.watchers.latest?.count === 2);
    await ada.lease.acquire();
    await bob.lease.request();
    await until('it is given', () => happened.length === 2);
    expect(happened).toEqual(['asked by a inputer', 'given by admin']);
    // The answer to ada comes over another socket than the lease to bob, in any order.
    await until('it is given away', () => ada.lease.current === null);
    expect(bob.lease.current).toMatchObject({ holder: 'a inputer', fence: 2 });
    await bob.write('with the lease\n');
    await expect(ada.write('without\n')).rejects.toMatchObject({ code: 'lease_held' });
    await gateway.kill();
    seen.length = 0;
    await gateway.start();
    await until('both are seen again', () => seen.at(-1)?.count === 2);
    await until('the lease is renewed', async () => ((await gateway.info(id)).lease?.expiresInMs ?? 0) > 60_000);
    await bob.write('still\n');
    undo();
    expect(ada.watchers.latest).toBeNull();
    expect(happened).toHaveLength(2);
    one.close();
    other.close();
  });
});
