import type { PtyEvent } from '@binnacle/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { count, some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import type { Frames } from '../support/wire.ts';
import {
  bytesOf,
  ended,
  eventsOf,
  isFinal,
  openTraffic,
  rawOutput,
  readAll,
  startSession,
  textOf,
  write,
} from './traffic-socket.fixture.ts';

let gateway: GatewayProcess;
const opened: Frames[] = [];
const open = async (token?: string): Promise<Frames> => {
  const frames = await openTraffic(gateway, token);
  opened.push(frames);
  return frames;
};

beforeAll(async () => {
  gateway = await openGatewayProcess();
});
afterAll(() => gateway.close());
afterEach(() => {
  for (const frames of opened.splice(0)) frames.ws.terminate();
});

const node = (script: string): object => ({ argv: [process.execPath, '-e', script], mode: 'pipe' });

describe('one read', () => {
  it.each(['pipe', 'pty'])(
    'shows a %s session that was joined in the middle from its first byte, once',
    async (mode) => {
      const { id } = await startSession(gateway, { command: 'seq 1 5000; read x; seq 5001 9000; exit 3', mode });
      await until('half of it is there', async () => (await rawOutput(gateway, id)).includes('5000'));
      const frames = await open();
      frames.send({ type: 'subscribe', filter: { session_id: id } });
      expect(await frames.next()).toMatchObject({ type: 'subscribed', id: 'default', sessions: 1 });
      await frames.next(({ event }) => event?.response?.includes('5000'));
      await write(gateway, id, '\n');
      await frames.next((frame) => isFinal(frame));
      const events = eventsOf(frames);
      expect(events[0]).toMatchObject({ session_id: id, session: id, source: 'local', labels: {}, is_final: false });
      expect(events[0]?.command).toContain('seq 1 5000');
      expect(events[0]?.response).toBeUndefined();
      expect(textOf(events)).toBe((await rawOutput(gateway, id)).toString());
      expect(events.at(-1)).toMatchObject({ is_final: true, exit_code: 3, signal: null });
      expect(events.filter(({ is_final }) => is_final)).toHaveLength(1);
    },
  );

  it('gives both streams of a pipe, each in its order', async () => {
    const { id } = await startSession(gateway, { command: 'echo out; echo err >&2; sleep 0', mode: 'pipe' });
    const events = await readAll(gateway, { filter: { session_id: id } });
    expect(textOf(events.filter(({ stream }) => stream === 'stdout'))).toBe('out\n');
    expect(textOf(events.filter(({ stream }) => stream === 'stderr'))).toBe('err\n');
  });

  it('tells of an exit before the end, where children hold the output open', async () => {
    const { id } = await startSession(gateway, { command: 'sleep 30 & exit 5', mode: 'pipe' });
    const frames = await open();
    frames.send({ type: 'subscribe', filter: { session_id: id } });
    const { event } = await frames.next(({ event }) => event?.exit_code !== undefined);
    expect(event).toMatchObject({ exit_code: 5, is_final: false });
    await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
  });

  it('says the end again to who comes after it', async () => {
    const { id } = await startSession(gateway, { command: 'echo x; kill -9 $$', mode: 'pipe' });
    const first = await readAll(gateway, { filter: { session_id: id } });
    expect(first.at(-1)).toMatchObject({ is_final: true, exit_code: null, signal: 'SIGKILL' });
    const again = await readAll(gateway, { filter: { session_id: id }, from: first.at(-1)?.position });
    expect(again).toHaveLength(1);
    expect(again[0]).toMatchObject({ is_final: true, signal: 'SIGKILL' });
  });
});

describe('positions', () => {
  // Characters of 2, 3 and 4 bytes cut at every place, bytes that are none, a cut character before another stream's output.
  const script = `
    const fs = require('node:fs');
    const all = Buffer.from('aé€😀z\\u0000\\u001b[31m€'.repeat(20));
    let at = 0, n = 0;
    const step = () => {
      if (at >= all.length) { fs.writeSync(1, Buffer.from([0xe2, 0x82])); return; }
      const size = 1 + (n * 7) % 5;
      fs.writeSync(1, all.subarray(at, at + size));
      at += size;
      if (n % 6 === 0) fs.writeSync(2, Buffer.from([0xff, 0xc3, 0x28, 0xf0, 0x9f]));
      n += 1;
      setTimeout(step, 1);
    };
    step();`;

  it.each(['text', 'base64'])('resume exactly behind every message, as %s', async (encoding) => {
    const { id } = await startSession(gateway, node(script));
    await ended(gateway, id);
    const raw = await rawOutput(gateway, id);
    const whole = await readAll(gateway, { filter: { session_id: id }, encoding });
    const said = (events: readonly PtyEvent[], stream: string): string | Buffer => {
      const mine = events.filter((event) => event.stream === stream);
      return encoding === 'text' ? textOf(mine) : bytesOf(mine);
    };
    if (encoding === 'base64') expect(bytesOf(whole).equals(raw)).toBe(true);
    else expect(said(whole, 'stdout')).toBe(`${'aé€😀z\u0000\u001b[31m€'.repeat(20)}\ufffd`);
    const frames = await open();
    for (const [index, { position }] of some([...whole.entries()], 25)) {
      frames.send({ type: 'subscribe', id: String(index), filter: { session_id: id }, encoding, from: position });
      await frames.next((frame) => frame.id === String(index) && (isFinal(frame) || frame.type === 'error'));
      const rest = eventsOf(frames, String(index));
      for (const stream of ['stdout', 'stderr']) {
        const before = said(whole.slice(0, index + 1), stream);
        const all = said(whole, stream);
        const joined = Buffer.concat([Buffer.from(before), Buffer.from(said(rest, stream))]);
        expect(joined.equals(Buffer.from(all)), `${stream} from message ${index}`).toBe(true);
      }
      frames.send({ type: 'unsubscribe', id: String(index) });
    }
  });

  it('lose nothing when who read text goes on in base64', async () => {
    const { id } = await startSession(gateway, node(script));
    await ended(gateway, id);
    const whole = await readAll(gateway, { filter: { session_id: id } });
    const held = whole.find(({ position, stream }) => position.includes('~') && stream === 'stderr');
    expect(held).toBeDefined();
    const rest = await readAll(gateway, { filter: { session_id: id }, encoding: 'base64', from: held?.position });
    const raw = await rawOutput(gateway, id);
    // What text had told of stdout, and what came then, is all of it.
    const told = Buffer.from(
      textOf(whole.slice(0, whole.indexOf(held as PtyEvent) + 1).filter((e) => e.stream === 'stdout')),
    );
    const came = bytesOf(rest.filter(({ stream }) => stream === 'stdout'));
    const stdout = bytesOf(
      (await readAll(gateway, { filter: { session_id: id }, encoding: 'base64' })).filter((e) => e.stream === 'stdout'),
    );
    expect(Buffer.concat([told, came]).equals(stdout)).toBe(true);
    expect(raw.length).toBeGreaterThan(stdout.length);
  });

  it('inside of one large entry resume exactly, and no message has more than 65,536 characters', async () => {
    const big = `const b = Buffer.alloc(700001); for (let i = 0; i < b.length; i++) b[i] = (i * 7919) >> 3; process.stdout.write(b);
      process.stdout.write('€'.repeat(100000));`;
    const { id } = await startSession(gateway, node(big));
    await ended(gateway, id);
    const raw = await rawOutput(gateway, id);
    expect(raw.length).toBe(1_000_001);
    for (const encoding of ['text', 'base64']) {
      const whole = await readAll(gateway, { filter: { session_id: id }, encoding });
      const sizes = whole.map(({ response, response_base64 }) => (response ?? response_base64 ?? '').length);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536);
      if (encoding === 'base64') expect(bytesOf(whole).equals(raw)).toBe(true);
      else expect(textOf(whole) === new TextDecoder('utf-8', { ignoreBOM: true }).decode(raw)).toBe(true);
      const middle = whole[Math.floor(whole.length / 2)];
      const rest = await readAll(gateway, { filter: { session_id: id }, encoding, from: middle?.position });
      const joined = [...whole.slice(0, whole.indexOf(middle as PtyEvent) + 1), ...rest];
      expect(textOf(joined) === textOf(whole) && bytesOf(joined).equals(bytesOf(whole))).toBe(true);
    }
  });

  it('that are wrong are refused with their code', async () => {
    const { id } = await startSession(gateway, { command: 'echo x', mode: 'pipe' });
    await ended(gateway, id);
    const end = (await readAll(gateway, { filter: { session_id: id } })).at(-1)?.position ?? '';
    const frames = await open();
    const [epoch] = end.split('.');
    for (const [from, code, filter] of [
      ['nonsense', 'bad_position', { session_id: id }],
      [`${end}~2.0.41`, 'bad_position', { session_id: id }],
      [`${end}~2.zzzz.e2`, 'bad_position', { session_id: id }],
      ['zz.0.0', 'wrong_epoch', { session_id: id }],
      [`${epoch}.zzzzz.zzzzz`, 'offset_ahead', { session_id: id }],
      [end, 'bad_request', {}],
      [end, 'session_not_found', { session_id: '0199aaaa-0000-7000-8000-000000000000' }],
    ] as const) {
      frames.send({ type: 'subscribe', id: 'p', from, filter });
      expect(await frames.next(), from).toMatchObject({ type: 'error', id: 'p', error: { code } });
    }
  });
});

describe('what matches', () => {
  it('is chosen by command, source, exit code and running, and found when it begins to match later', async () => {
    const frames = await open();
    const subscribe = (id: string, filter: object, from = 'now') =>
      frames.send({ type: 'subscribe', id, filter, from });
    subscribe('command', { command: 'MARK-one' });
    subscribe('failed', { exit_code: 41 });
    subscribe('running', { running: true, command: 'mark-' });
    subscribe('elsewhere', { source: 'somewhere-else' });
    subscribe('local', { source: 'local', command: 'mark-' });
    subscribe('labelled', { label: 'team=a' });
    for (let n = 0; n < 6; n += 1) await frames.next(({ type }) => type === 'subscribed');
    const one = await startSession(gateway, { command: 'read; echo mark-one; exit 41', mode: 'pipe' });
    const two = await startSession(gateway, { command: 'read; echo mark-two; exit 0', mode: 'pipe' });
    // Not before both are known: one that has ended by then has never been running for whoever asks for that.
    for (const { id } of [one, two]) await write(gateway, id, '\n');
    const finals = () => frames.all.filter((frame) => isFinal(frame)).map(({ id, event }) => `${id} ${event.session}`);
    const all = [`command ${one.id}`, `failed ${one.id}`].concat(
      [one, two].flatMap(({ id }) => [`running ${id}`, `local ${id}`]),
    );
    await until('all have ended', () => all.every((one) => finals().includes(one)));
    expect(finals().sort()).toEqual(all.sort());
    expect(textOf(eventsOf(frames, 'failed'))).toBe('mark-one\n');
    expect(textOf(eventsOf(frames, 'running'), two.id)).toBe('mark-two\n');
    expect(
      eventsOf(frames, 'running')
        .filter(({ session }) => session === one.id)
        .at(-1),
    ).toMatchObject({ exit_code: 41 });
  });

  it('begins with all that is kept, where that is asked for', async () => {
    const { id } = await startSession(gateway, { command: 'echo kept-all', mode: 'pipe' });
    await ended(gateway, id);
    const frames = await open();
    frames.send({ type: 'subscribe', filter: { command: 'kept-all' }, from: 'start' });
    await frames.next((frame) => isFinal(frame, id));
    expect(textOf(eventsOf(frames))).toBe('kept-all\n');
    frames.send({ type: 'subscribe', filter: { command: 'kept-all' }, from: 'now', id: 'now' });
    expect(await frames.next()).toMatchObject({ type: 'subscribed', id: 'now', sessions: 1 });
    frames.send({ type: 'ping', timestamp: 1 });
    expect(await frames.next()).toMatchObject({ type: 'pong' });
  });

  it('is another when a subscription is made anew, and nothing any more when it is taken back', async () => {
    const { id } = await startSession(gateway, { command: 'while read x; do echo "got $x"; done', mode: 'pipe' });
    const frames = await open();
    frames.send({ type: 'subscribe', filter: { session_id: id } });
    await frames.next(({ event }) => event !== undefined);
    frames.send({ type: 'subscribe', filter: { command: 'no such command' } });
    expect(await frames.next()).toMatchObject({ type: 'subscribed', sessions: 0 });
    await write(gateway, id, 'a\n');
    frames.send({ type: 'subscribe', filter: { session_id: id }, id: 'b' });
    await frames.next(({ id, event }) => id === 'b' && event?.response === 'got a\n');
    expect(textOf(eventsOf(frames))).toBe('');
    frames.send({ type: 'unsubscribe', id: 'b' });
    await frames.next(({ type }) => type === 'unsubscribed');
    const seen = frames.all.length;
    await write(gateway, id, 'b\n');
    await until('it was written', async () => (await rawOutput(gateway, id)).includes('got b'));
    frames.send({ type: 'ping', timestamp: 5 });
    await frames.next(({ type }) => type === 'pong');
    expect(frames.all.slice(seen).map(({ type }) => type)).toEqual(['pong']);
  });

  it('and is deleted is told so', async () => {
    const { id } = await startSession(gateway, { command: 'sleep 60' });
    const frames = await open();
    frames.send({ type: 'subscribe', filter: { session_id: id } });
    await frames.next(({ event }) => event !== undefined);
    await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
    const last = await frames.next((frame) => frame.type === 'error' || isFinal(frame));
    // The end of its log or its deletion, whichever it had come to.
    if (last.type === 'error') expect(last).toMatchObject({ session: id, error: { code: 'session_gone' } });
    frames.send({ type: 'subscribe', filter: { session_id: id } });
    expect(await frames.next(({ type }) => type === 'error')).toMatchObject({
      id: 'default',
      error: { code: 'session_gone' },
    });
  });
});

describe('messages', () => {
  it('that are none are answered, and the connection lives', async () => {
    const frames = await open();
    const cases: [unknown, string, string?][] = [
      ['{', 'protocol_error'],
      ['[]', 'protocol_error'],
      ['null', 'protocol_error'],
      ['['.repeat(100_000), 'protocol_error'],
      [{ type: 'nothing' }, 'protocol_error'],
      [{ type: 'ping' }, 'protocol_error'],
      [{ type: 'subscribe', id: 7 }, 'protocol_error'],
      [{ type: 'subscribe', id: 'x', encoding: 'utf-16' }, 'protocol_error', 'x'],
      [{ type: 'subscribe', id: 'x', filter: { user: 'a' } }, 'bad_filter', 'x'],
      [{ type: 'subscribe', id: 'x', filter: { exit_code: '1' } }, 'bad_filter', 'x'],
      [{ type: 'subscribe', id: 'x', filter: { session_id: '../etc' } }, 'bad_filter', 'x'],
      [{ type: 'subscribe', id: 'x', filter: [] }, 'protocol_error', 'x'],
    ];
    for (const [message, code, id] of cases) {
      frames.send(message as object);
      const answer = await frames.next();
      expect(answer, JSON.stringify(message).slice(0, 100)).toMatchObject({ type: 'error', error: { code } });
      expect(answer.id).toBe(id);
    }
    frames.ws.send(Buffer.from([1, 2, 3]), { binary: true });
    expect(await frames.next()).toMatchObject({ error: { code: 'protocol_error' } });
    frames.send({ type: 'subscribe', filter: { user: 'a' } });
    const { error } = await frames.next();
    expect(error.message).toContain('"user"');
    expect(error.details).toEqual({ field: 'user' });
    frames.send({ type: 'ping', timestamp: 12.5 });
    expect(await frames.next()).toMatchObject({ type: 'pong', timestamp: 12.5, server_timestamp: expect.any(Number) });
  });

  it('over the limit of subscriptions are refused with it', async () => {
    const frames = await open();
    for (let n = 0; n < 16; n += 1) {
      frames.send({ type: 'subscribe', id: `s${n}`, filter: { command: 'none' } });
      expect(await frames.next()).toMatchObject({ type: 'subscribed', id: `s${n}` });
    }
    frames.send({ type: 'subscribe', id: 'more' });
    expect(await frames.next()).toMatchObject({
      type: 'error',
      id: 'more',
      error: { code: 'too_many_subscriptions', details: { limit: 16 } },
    });
    frames.send({ type: 'unsubscribe', id: 's3' });
    frames.send({ type: 'subscribe', id: 'more', filter: { command: 'none' } });
    expect(await frames.next()).toMatchObject({ type: 'unsubscribed', id: 's3' });
    expect(await frames.next()).toMatchObject({ type: 'subscribed', id: 'more' });
  });

  it('need a token that may view, an origin that is ours and a host that is served', async () => {
    const body = JSON.stringify({ name: 'emitter', scope: 'ingest' });
    const headers = { 'content-type': 'application/json' };
    const made = await gateway.fetch('/v1/tokens', { method: 'POST', headers, body });
    const { token } = (await made.json()) as { token: string };
    await expect(openTraffic(gateway, token)).rejects.toMatchObject({ status: 403, code: 'forbidden' });
    await expect(openTraffic(gateway, 'wrong')).rejects.toMatchObject({ status: 401 });
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', origin: 'http://evil.example' };
    const { status } = await import('node:http').then(
      ({ request }) =>
        new Promise<{ status: number | undefined }>((resolve) => {
          const asked = request(`${gateway.url}/ws/pty-traffic`, {
            headers: { ...upgrade, authorization: `Bearer ${gateway.token}` },
          });
          asked.on('response', ({ statusCode }) => resolve({ status: statusCode }));
          asked.end();
        }),
    );
    expect(status).toBe(403);
  });
});

describe('the client', () => {
  it('reads a session to its end, once, and is done', async () => {
    const { id } = await startSession(gateway, { command: 'seq 1 20000', mode: 'pipe' });
    const events: PtyEvent[] = [];
    for await (const event of gateway.client.watchTraffic({ session_id: id }, { bufferBytes: 4096 }))
      events.push(event);
    expect(textOf(events)).toBe((await rawOutput(gateway, id)).toString());
    expect(events.at(-1)?.is_final).toBe(true);
  });

  it('throws what the gateway refuses', async () => {
    const wrong = gateway.client.watchTraffic({ session_id: '../x' });
    await expect(wrong.next()).rejects.toMatchObject({ code: 'bad_filter' });
    const nobody = gateway.connect({ token: 'nobody' }).watchTraffic();
    await expect(nobody.next()).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it.each(some(['start', 'now'], 1))('goes on byte-exact over kills of the gateway, from %s', async (from) => {
    const flood = `i=0; while [ $i -lt ${count({ quick: 200, all: 300 })} ]; do echo "flood-${from} €$i"; i=$((i+1)); sleep 0.005; done`;
    const zero = await startSession(gateway, { command: `: flood-${from}; echo zero; cat`, mode: 'pipe' });
    await until('it has begun', async () => (await rawOutput(gateway, zero.id)).length > 0);
    const wide = gateway.client.watchTraffic({ command: `flood-${from}` }, { from, bufferBytes: 2000 });
    const texts = new Map<string, string>();
    const finals: string[] = [];
    const reading = (async () => {
      for await (const event of wide) {
        texts.set(event.session, (texts.get(event.session) ?? '') + (event.response ?? ''));
        if (event.is_final) finals.push(event.session);
        if (finals.length === 3) break;
      }
    })();
    await until('the subscription stands', () => texts.has(zero.id));
    const first = await startSession(gateway, { command: flood, mode: 'pipe' });
    const one = (async () => {
      const events: PtyEvent[] = [];
      for await (const event of gateway.client.watchTraffic({ session_id: first.id })) events.push(event);
      return events;
    })();
    const second = await startSession(gateway, { command: flood, mode: 'pipe' });
    await until('both are seen', () => texts.has(first.id) && texts.has(second.id));
    let late = first;
    for (let n = 0; n < count({ quick: 1, all: 2 }); n += 1) {
      const seen = texts.get(second.id)?.length ?? 0;
      await until('more has come', () => (texts.get(second.id)?.length ?? 0) > seen + 200);
      await gateway.kill();
      await gateway.restart();
      // Begins, and may end, before the client is back.
      if (n === 0) late = await startSession(gateway, { command: `echo late; : flood-${from}`, mode: 'pipe' });
    }
    await until('they have ended', () => [first, second, late].every(({ id }) => finals.includes(id)), 20_000);
    await reading;
    const all = [first, second, late];
    expect(textOf(await one)).toBe((await rawOutput(gateway, first.id)).toString());
    for (const { id } of all) expect(texts.get(id)).toBe((await rawOutput(gateway, id)).toString());
    expect(finals.sort()).toEqual(all.map(({ id }) => id).sort());
    expect(texts.get(zero.id)).toBe(from === 'start' ? 'zero\n' : '');
  });

  it('unsubscribes when it is left, and connects no more', async () => {
    const { id } = await startSession(gateway, { command: 'echo a; cat', mode: 'pipe' });
    const stream = gateway.client.watchTraffic({ session_id: id });
    for await (const event of stream) if (event.response !== undefined) break;
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it('tells of a session that is deleted, and throws where it is the one that was asked for', async () => {
    const { id } = await startSession(gateway, { command: ': to-be-deleted; cat', mode: 'pipe' });
    const narrow = gateway.client.watchTraffic({ session_id: id });
    await narrow.next();
    await gateway.client.sessions.delete(id);
    // The end of its log comes first where it is quick enough.
    const ending = await narrow.next().catch(({ code }: { code: string }) => code);
    expect(typeof ending === 'string' ? ending : ending.value?.is_final).toBe(
      typeof ending === 'string' ? 'session_gone' : true,
    );
    await expect(gateway.client.watchTraffic({ session_id: id }).next()).rejects.toMatchObject({
      code: 'session_gone',
    });
  });
});

describe('a viewer that takes nothing', () => {
  it('delays nobody, and has all of it when it reads on', async () => {
    const { id } = await startSession(gateway, { command: 'read x; seq 1 1500000', mode: 'pipe' });
    const slow = await open();
    slow.send({ type: 'subscribe', filter: { session_id: id } });
    await slow.next(({ event }) => event !== undefined);
    slow.ws.pause();
    const fast = await open();
    fast.send({ type: 'subscribe', filter: { session_id: id } });
    await write(gateway, id, '\n');
    await fast.next((frame) => isFinal(frame));
    const raw = (await rawOutput(gateway, id)).toString();
    expect(textOf(eventsOf(fast)) === raw).toBe(true);
    expect(textOf(eventsOf(slow)).length).toBeLessThan(raw.length);
    slow.ws.resume();
    await slow.next((frame) => isFinal(frame), 20_000);
    expect(textOf(eventsOf(slow)) === raw).toBe(true);
  });
});
