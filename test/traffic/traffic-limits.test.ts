import type { TrafficEvent } from '@binnacle/protocol';
import { beforeAll, expect, it } from 'vitest';
import { count, inAll, isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { eventsOf, isFinal, textOf } from './traffic-socket.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ livenessTimes: { heartbeatMs: 300, stallMs: 300 }, maxSubscriptions: 1 });
});

const viewers = async (): Promise<number> =>
  Number(/^binnacle_viewers (\d+)$/m.exec((await gateway.ask('/metrics')).text)?.[1]);

it('the gateway pings with its clock', async () => {
  const frames = await gateway.frames('/ws/pty-traffic');
  const { timestamp } = await frames.next(({ type }) => type === 'ping');
  expect(Math.abs(Date.now() - timestamp)).toBeLessThan(60_000);
});

it('a viewer without a sign of life is cut with 4009, one that answers stays', async () => {
  const silent = await gateway.frames('/ws/pty-traffic');
  // Else the WebSocket's own pings would be answered for it.
  silent.ws.pong = () => undefined;
  silent.ws.removeAllListeners('ping');
  (silent.ws as unknown as { _autoPong: boolean })._autoPong = false;
  const alive = await gateway.frames('/ws/pty-traffic');
  expect(await silent.closing()).toMatchObject({ code: 4009, reason: 'no_pong' });
  expect(silent.all.filter(({ type }) => type === 'ping').length).toBeGreaterThan(1);
  expect(alive.closed).toBeUndefined();
});

it('a viewer that takes nothing is cut', async () => {
  const { id } = await gateway.create({ command: 'yes', mode: 'pipe' });
  const stalled = await gateway.frames('/ws/pty-traffic');
  stalled.send({ type: 'subscribe', filter: { session_id: id } });
  await stalled.next(({ event }) => event?.response !== undefined);
  const before = await viewers();
  stalled.ws.pause();
  await until('the gateway cuts it', async () => {
    // It lives: that is not what it is cut for.
    stalled.send({ type: 'pong', timestamp: 1 });
    return (await viewers()) < before;
  });
  stalled.ws.resume();
  // By force, where the word of it did not get through in time.
  expect([4008, 1006]).toContain((await stalled.closing()).code);
  await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
});

inAll('a viewer that asks and asks and takes no answer is cut before it costs memory', async () => {
  // A process of its own: a flood from its own process would not let it read.
  const patient = await openGatewayProcess();
  const frames = await patient.frames('/ws/pty-traffic');
  frames.ws.pause();
  // 20 MB, and about as much in answers: the kernel's buffers and the limit are passed by far.
  for (let sent = 0; sent < 100; sent += 1) {
    for (let n = 0; n < 1000; n += 1) frames.ws.send('no message'.padEnd(200));
    await until('it was taken', () => frames.ws.bufferedAmount === 0);
  }
  frames.ws.resume();
  // By force, where the word of it did not get through in time.
  expect([4008, 1006]).toContain((await frames.closing()).code);
  expect(frames.all.length).toBeLessThan(90_000);
});

it('a session that waits in line begins when another has no more to say, also where subscriptions share the room', async () => {
  const spec = (name: string) => ({
    command: `echo ${name}; while read x; do echo "$x of ${name}"; done`,
    mode: 'pipe',
  });
  const one = await gateway.create(spec('one'));
  const two = await gateway.create(spec('two'));
  const frames = await gateway.frames('/ws/pty-traffic');
  frames.send({ type: 'subscribe', id: 'a', filter: { session_id: one.id } });
  await frames.next(({ event }) => event?.response === 'one\n');
  frames.send({ type: 'subscribe', id: 'b', filter: { session_id: two.id } });
  await frames.next(({ event }) => event?.response === 'two\n');
  const rounds = count({ quick: 8, all: 20 });
  for (let n = 0; n < rounds; n += 1) {
    // Both at once, and then the one that was quiet.
    await Promise.all([gateway.input(one.id, `${n}\n`), gateway.input(two.id, `${n}\n`)]);
    for (const name of ['one', 'two']) {
      const said = `${n} of ${name}\n`;
      await until(`${said} came`, () => textOf(eventsOf(frames, name === 'one' ? 'a' : 'b')).endsWith(said));
    }
  }
  const numbers = (name: string): string => Array.from({ length: rounds }, (_, n) => `${n} of ${name}\n`).join('');
  for (const { id } of [two, one]) {
    await gateway.ask(`/v1/sessions/${id}/close-stdin`, { method: 'POST' });
    await frames.next((frame) => isFinal(frame, id));
  }
  expect(textOf(eventsOf(frames, 'a'))).toBe(`one\n${numbers('one')}`);
  expect(textOf(eventsOf(frames, 'b'))).toBe(`two\n${numbers('two')}`);
  expect(frames.all.filter(({ type }) => type === 'error')).toEqual([]);
});

inAll(
  'a line that stays is told once, and what waits in it comes when the viewer takes what is there',
  async () => {
    const patient = await openGateway({ maxSubscriptions: 1 });
    const spec = { command: 'read x; head -c 30000000 /dev/zero | tr "\\0" y; echo; echo end', mode: 'pipe' };
    const ids = [(await patient.create(spec)).id, (await patient.create(spec)).id];
    const frames = await patient.frames('/ws/pty-traffic');
    frames.send({ type: 'subscribe', id: 'all' });
    await frames.next(({ type }) => type === 'subscribed');
    frames.ws.pause();
    for (const id of ids) await patient.input(id, '\n');
    const begun = performance.now();
    // More than the second that a line may stay without a word.
    await until('the line has been there', () => performance.now() - begun > count({ quick: 1300, all: 2500 }));
    frames.ws.resume();
    const { error } = await frames.next(({ type }) => type === 'error');
    expect(error).toMatchObject({ code: 'too_many_subscriptions', details: { limit: 1, waiting: 1 } });
    expect(ids).toContain(error.details.sessions[0]);
    for (const _ of ids) await frames.next((frame) => isFinal(frame), 30_000);
    for (const id of ids) {
      const told = eventsOf(frames, 'all').filter(({ session }) => session === id);
      expect(told.reduce((sum, { response }) => sum + (response?.length ?? 0), 0)).toBe(30_000_005);
    }
    expect(frames.all.filter(({ type }) => type === 'error')).toHaveLength(1);
  },
  60_000,
);

/** More than there are places. */
const IDLE = count({ quick: 40, all: 300 });

it(`among ${IDLE} idle sessions a new one is shown at once, and an old one that speaks again`, async () => {
  const many = await openGateway({ newForeignPerSecond: 1000, ...(isAll ? {} : { maxSubscriptions: 34 }) });
  const emit = async (...events: TrafficEvent[]): Promise<void> => {
    const { json, text } = await many.ask('/v1/pty-traffic/emit', { body: { events } });
    if (json.stored !== events.length) throw new Error(text.slice(0, 500));
  };
  const names = Array.from({ length: IDLE }, (_, n) => `idle-${n}`);
  for (let at = 0; at < names.length; at += 100)
    await emit(...names.slice(at, at + 100).map((session_id) => ({ session_id, response: 'old,' })));
  const frames = await many.frames('/ws/pty-traffic');
  frames.send({ type: 'subscribe', id: 'all', from: 'start' });
  const got = (name: string): string => textOf(eventsOf(frames, 'all').filter(({ session_id }) => session_id === name));
  await frames.next(({ event }) => event?.session_id === 'idle-0' && event.response !== undefined);
  await emit({ session_id: 'important', response: 'the build failed', is_final: true, exit_code: 1 });
  await frames.next(({ event }) => event?.session_id === 'important' && event.is_final);
  expect(got('important')).toBe('the build failed');
  for (const [name, expected] of [
    ['idle-0', 'old,new,'],
    [`idle-${IDLE / 2}`, 'old,new,'],
    [`idle-${IDLE - 1}`, 'old,new,'],
    ['idle-0', 'old,new,new,'],
  ] as const) {
    await emit({ session_id: name, response: 'new,' });
    await until(`${name} is shown`, () => got(name) === expected);
  }
  // All of them at once: more than there are places.
  for (let at = 0; at < names.length; at += 100)
    await emit(...names.slice(at, at + 100).map((session_id) => ({ session_id, response: 'end', is_final: true })));
  await until('all are over', () => frames.all.filter((frame) => isFinal(frame)).length === IDLE + 1);
  for (const name of names) expect(got(name)).toMatch(/^old,(new,)*end$/);
  expect(frames.all.filter(({ type }) => type === 'error')).toEqual([]);
}, 60_000);
