import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type GatewayProcess, openGatewayProcess, until } from '../steering/gateway-process.fixture.ts';
import { eventsOf, isFinal, textOf } from './traffic-socket.fixture.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess({ livenessTimes: { heartbeatMs: 300, stallMs: 300 }, maxSubscriptions: 1 });
});
afterAll(() => gateway.close());

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
  stalled.ws.pause();
  const begun = performance.now();
  await until('its time is over', () => {
    // It lives: that is not what it is cut for.
    stalled.send({ type: 'pong', timestamp: 1 });
    return performance.now() - begun > 2500;
  });
  stalled.ws.resume();
  // By force, where the word of it did not get through in time.
  expect([4008, 1006]).toContain((await stalled.closing()).code);
  await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
});

it('a viewer that asks and asks and takes no answer is cut before it costs memory', async () => {
  const patient = await openGatewayProcess();
  onTestFinished(() => patient.close());
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

it('a session that waits in line begins when another ends, also where subscriptions share the room', async () => {
  const spec = (name: string) => ({ command: `: line; echo ${name}; read x`, mode: 'pipe' });
  const one = await gateway.create(spec('one'));
  const two = await gateway.create(spec('two'));
  const frames = await gateway.frames('/ws/pty-traffic');
  frames.send({ type: 'subscribe', id: 'a', filter: { session_id: one.id } });
  await frames.next(({ event }) => event?.response === 'one\n');
  frames.send({ type: 'subscribe', id: 'b', filter: { session_id: two.id } });
  expect(await frames.next(({ type }) => type === 'error')).toMatchObject({
    id: 'b',
    error: { code: 'too_many_subscriptions', details: { limit: 1, waiting: 1, sessions: [two.id] } },
  });
  frames.send({ type: 'unsubscribe', id: 'a' });
  await frames.next(({ event }) => event?.response === 'two\n');
  await gateway.input(two.id, '\n');
  await frames.next((frame) => isFinal(frame, two.id));
  expect(textOf(eventsOf(frames, 'b'))).toBe('two\n');
});
