import type { EmitAnswer, PtyEvent, TrafficEvent } from '@binnacle/protocol';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { inAll, isAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import type { Frames } from '../support/wire.ts';
import { bytesOf, eventsOf, isFinal, openTraffic, rawOutput, readAll, textOf } from './traffic-socket.fixture.ts';

let gateway: Gateway | GatewayProcess;
const opened: Frames[] = [];
const open = async (): Promise<Frames> => {
  const frames = await openTraffic(gateway);
  opened.push(frames);
  return frames;
};

beforeAll(async () => {
  gateway = await (isAll ? openGatewayProcess({ flags: [] }) : openGateway());
});
afterAll(() => gateway.close());
afterEach(() => {
  for (const frames of opened.splice(0)) frames.ws.terminate();
});

async function emit(...events: TrafficEvent[]): Promise<EmitAnswer> {
  const headers = { 'content-type': 'application/json' };
  const answer = await gateway.fetch('/v1/pty-traffic/emit', {
    method: 'POST',
    headers,
    body: JSON.stringify({ events }),
  });
  if (answer.status !== 200) throw new Error(await answer.text());
  return (await answer.json()) as EmitAnswer;
}

it('a viewer that came before the first event sees what is emitted, by the name that its emitter gave it', async () => {
  const frames = await open();
  frames.send({ type: 'subscribe', filter: { session_id: 'build-1' } });
  expect(await frames.next()).toMatchObject({ type: 'subscribed', sessions: 0 });
  const names = { session_id: 'build-1', source: 'ci', labels: { team: 'a', url: 'x=y' } };
  const { results } = await emit({ ...names, command: 'make all', response: 'cc one.c\n' });
  const [first] = results;
  const session = first?.status === 'stored' ? first.session : '';
  await emit({ session_id: 'build-1', response: 'failed\n', stream: 'stderr', exit_code: 2 });
  await emit({ session_id: 'build-1', command: 'make clean', lost_bytes: 7, response: 'clean\n' });
  await emit({ session_id: 'build-1', exit_code: 4, is_final: true });
  await frames.next((frame) => isFinal(frame));
  const events = eventsOf(frames);
  for (const event of events) expect(event).toMatchObject({ ...names, session });
  expect(textOf(events)).toBe('cc one.c\nfailed\nclean\n');
  expect(events.map(({ command }) => command).filter((one) => one !== undefined)).toEqual(['make all', 'make clean']);
  expect(events.find(({ exit_code }) => exit_code === 2)).toMatchObject({ is_final: false, offset: 9 });
  expect(events.find(({ lost_bytes }) => lost_bytes !== undefined)).toMatchObject({ lost_bytes: 7, offset: 16 });
  expect(events.at(-1)).toMatchObject({ is_final: true, exit_code: 4 });
  expect(events.filter(({ is_final }) => is_final)).toHaveLength(1);
});

it('events carry previews: those of their emitter, else made of the command and of the output as plain text', async () => {
  const long = `${'e'.repeat(499)}\u{1f600}`;
  await emit({ session_id: 'p-1', command: 'make all', response: '\u001b[31mred\u001b[0m\r\n' });
  await emit({
    session_id: 'p-1',
    command: 'secret',
    command_preview: 'hidden',
    response: 'x',
    response_preview: 'one x',
  });
  await emit({ session_id: 'p-1', response: long });
  await emit({ session_id: 'p-1', response_preview: 'nothing said' });
  // Larger than a page: its first piece is told before its mark is read.
  const { results } = await emit({ session_id: 'p-1', response: 'y'.repeat(200_000), response_preview: 'many y' });
  await emit({ session_id: 'p-1', is_final: true });
  const told = async (encoding: string): Promise<unknown[]> =>
    (await readAll(gateway, { filter: { session_id: 'p-1' }, from: 'start', encoding })).map((event) => [
      ...[event.command, event.command_preview, event.response?.length ?? event.response_base64 !== undefined],
      event.response_preview,
    ]);
  const pieces = await told('text');
  expect(pieces.slice(0, 6)).toEqual([
    ['make all', 'make all', false, undefined],
    [undefined, undefined, 14, 'red\n'],
    [undefined, undefined, 1, 'one x'],
    ['secret', 'hidden', false, undefined],
    [undefined, undefined, 501, 'e'.repeat(499)],
    [undefined, undefined, false, 'nothing said'],
  ]);
  expect(pieces.filter((piece) => (piece as unknown[])[3] === 'many y')).toHaveLength(1);
  expect((await told('base64')).map((piece) => (piece as unknown[])[3]).slice(0, 6)).toEqual(
    pieces.map((piece) => (piece as unknown[])[3]).slice(0, 6),
  );
  const [first] = results;
  const session = first?.status === 'stored' ? first.session : '';
  const stored = async () =>
    ((await (await gateway.fetch(`/v1/pty-traffic?session_id=${session}`)).json()) as { events: object[] }).events;
  await until('the table has them', async () => (await stored()).length === 6);
  expect((await stored()).reverse().slice(0, 2)).toMatchObject([
    { command_preview: 'make all', response_preview: 'red\n' },
    { command_preview: 'hidden', response_preview: 'one x' },
  ]);
});

it('source and labels choose among foreign sessions', async () => {
  const frames = await open();
  const filters = {
    source: { source: 'night' },
    key: { label: 'job' },
    pair: { label: 'job=7=8' },
    other: { label: 'job=9' },
    running: { running: true, source: 'night' },
  };
  for (const [id, filter] of Object.entries(filters)) {
    frames.send({ type: 'subscribe', id, filter, from: 'now' });
    await frames.next(({ type }) => type === 'subscribed');
  }
  await emit({ session_id: 'n-1', source: 'night', labels: { job: '7=8' }, response: 'one', is_final: true });
  await emit({ session_id: 'n-2', source: 'day', labels: { job: '9' }, response: 'two', is_final: true, exit_code: 0 });
  const got = (id: string): string => textOf(eventsOf(frames, id));
  await until('all are there', () => got('other') === 'two' && got('key').length === 6 && got('source') === 'one');
  expect(Object.keys(filters).map(got)).toEqual(['one', 'onetwo', 'one', 'two', 'one'].slice(0, 5));
  expect(eventsOf(frames, 'pair').at(-1)).toMatchObject({ is_final: true, exit_code: null, signal: null });
});

it('an event of 1 MiB comes in pieces, each of which can be resumed at', async () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 1024 * 1024 }, (_, at) => (at * 7919) >> 4));
  await emit({ session_id: 'big', response_base64: bytes.toString('base64'), is_final: true, exit_code: 0 });
  const filter = { session_id: 'big' };
  const whole = await readAll(gateway, { filter, encoding: 'base64' });
  expect(bytesOf(whole).equals(bytes)).toBe(true);
  expect(Math.max(...whole.map(({ response_base64 }) => response_base64?.length ?? 0))).toBe(65_536);
  for (const at of [1, 7, whole.length - 3]) {
    const rest = await readAll(gateway, { filter, encoding: 'base64', from: whole[at]?.position });
    expect(Buffer.concat([bytesOf(whole.slice(0, at + 1)), bytesOf(rest)]).equals(bytes)).toBe(true);
  }
});

it('characters that were split over events are whole again, and positions within them lose nothing', async () => {
  const bytes = Buffer.from('aé€😀'.repeat(30));
  const events: TrafficEvent[] = [];
  for (let at = 0; at < bytes.length; at += 3) {
    const response_base64 = bytes.subarray(at, at + 3).toString('base64');
    events.push({ session_id: 'split', response_base64, timestamp: 1000 + at });
  }
  await emit(...events, { session_id: 'split', is_final: true });
  const whole = await readAll(gateway, { filter: { session_id: 'split' } });
  expect(textOf(whole)).toBe(bytes.toString());
  for (const [index, { position }] of some([...whole.entries()], 15)) {
    const rest = await readAll(gateway, { filter: { session_id: 'split' }, from: position });
    expect(textOf([...whole.slice(0, index + 1), ...rest]), `from ${index}`).toBe(bytes.toString());
  }
});

inAll('the client goes on byte-exact while the gateway is killed and its emitter tries again', async () => {
  const told: PtyEvent[] = [];
  const reading = (async () => {
    for await (const event of gateway.client.watchTraffic({ session_id: 'killed' })) told.push(event);
  })();
  const producer = { id: 'emitter-1', epoch: 0 };
  const send = async (seq: number, event: Partial<TrafficEvent>): Promise<void> => {
    const body = JSON.stringify({ producer, events: [{ session_id: 'killed', seq, ...event }] });
    const headers = { 'content-type': 'application/json' };
    await until('it is taken', async () => {
      try {
        return (await gateway.fetch('/v1/pty-traffic/emit', { method: 'POST', headers, body })).ok;
      } catch {
        return false; // It is being killed.
      }
    });
  };
  if (!(gateway instanceof GatewayProcess)) throw new Error('The gateway has no process to kill.');
  const killed = gateway;
  let isBack = false;
  const restarting = (async () => {
    for (let n = 1; n <= 2; n += 1) {
      await until('more is there', () => told.length > n * 20);
      await killed.kill();
      await killed.restart();
    }
    isBack = true;
  })();
  let seq = 0;
  for (; !isBack || seq < 120; seq += 1) await send(seq, { response: `line €${seq}\n` });
  await restarting;
  await send(seq, { is_final: true, exit_code: 0 });
  await reading;
  const lines = Array.from({ length: seq }, (_, n) => `line €${n}\n`).join('');
  expect(textOf(told)).toBe(lines);
  expect((await rawOutput(gateway, told[0]?.session ?? '')).toString()).toBe(lines);
  expect(told.at(-1)).toMatchObject({ is_final: true, exit_code: 0 });
});
