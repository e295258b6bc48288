// Cases 59 to 71 of docs/sessions.md, as far as no other test crosses them: who watches, who writes, and how it travels.

import { readFileSync } from 'node:fs';
import { decodeOutput } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import type { Frame } from '../support/wire.ts';
import { openEvents } from './events.fixture.ts';

const HEARTBEAT_MS = 200;
let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ livenessTimes: { heartbeatMs: HEARTBEAT_MS } });
});
afterAll(() => gateway.close());

const bash = (command: string, mode = 'pipe') => gateway.create({ command, mode, env: { SHELL: '/bin/bash' } });
const resize = (id: string, cols: number, rows: number) =>
  gateway.ask(`/v1/sessions/${id}/resize`, { body: { cols, rows } });
const outputOf = (all: readonly Frame[], session: string): string =>
  Buffer.concat(
    all
      .filter((frame) => Buffer.isBuffer(frame))
      .map((frame) => decodeOutput(frame))
      .filter((frame) => frame.session === session)
      .map(({ bytes }) => bytes),
  ).toString();

describe('a session that nobody watches (no. 60)', () => {
  it.each(['pty', 'pipe'])(
    'runs on and is recorded on a %s, though it writes more than any buffer holds',
    async (mode) => {
      const { id } = await bash('seq 200000; exit 5', mode);
      // Asked for its state alone: nobody reads its output before its end.
      await until('it has ended', async () => (await gateway.info(id)).state === 'closed');
      expect((await gateway.info(id)).exitCode).toBe(5);
      const lines = (await gateway.output(id)).replaceAll('\r', '').trim().split('\n');
      expect([lines.length, lines[0], lines.at(-1)]).toEqual([200_000, '1', '200000']);
    },
  );
});

describe('what was taken from a holder (no. 61)', () => {
  it('goes in before what the next one writes; what comes later from the old one never does', async () => {
    const { id, pid } = await bash('stty raw -echo; echo ready; kill -STOP $$; exec head -c 300010', 'pty');
    await gateway.seen(id, 'ready');
    await until('it is stopped', () => readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') T '));
    const [old, next] = [await gateway.frames(), await gateway.frames()];
    await old.ask({ t: 'lease', session: id, action: 'acquire', holder: 'old' });
    // More than the terminal holds: most of it waits in the queue.
    const taken = await old.ask({ t: 'input', session: id, text: 'o'.repeat(300_000) });
    expect(taken.result.queued).toBeGreaterThan(200_000);
    await next.ask({ t: 'lease', session: id, action: 'take', holder: 'next' });
    expect((await old.ask({ t: 'input', session: id, text: 'late' })).error.code).toBe('lease_held');
    expect(await old.next(({ t, lost }) => t === 'lease' && lost !== undefined)).toMatchObject({
      lost: { code: 'taken_over', details: { holder: 'next' } },
    });
    expect((await next.ask({ t: 'input', session: id, text: 'n'.repeat(10) })).t).toBe('ok');
    await next.ask({ t: 'signal', session: id, signal: 'SIGCONT' });
    const text = await gateway.seen(id, 'n'.repeat(10), 20_000);
    expect(text).toBe(`ready\n${'o'.repeat(300_000)}${'n'.repeat(10)}`);
  }, 40_000);
});

describe('a size (no. 64, 65)', () => {
  const CHANGES = count({ quick: 250, all: 1000 });
  it(`that changes ${CHANGES} times is told to the program as the last one, and recorded in order`, async () => {
    const script = `process.on('SIGWINCH', () => setImmediate(() => console.log(process.stdout.columns + 'x' + process.stdout.rows)));
      process.stdin.once('data', () => process.exit(0)); console.log('ready');`;
    const { id } = await gateway.create({ argv: [process.execPath, '-e', script] });
    await gateway.seen(id, 'ready');
    const frames = await gateway.frames();
    const answers = await Promise.all(
      Array.from({ length: CHANGES }, (_, n) =>
        frames.ask({ t: 'resize', session: id, cols: 100 + (n % 50), rows: 20 + n }),
      ),
    );
    expect(new Set(answers.map(({ t }) => t))).toEqual(new Set(['ok']));
    await gateway.seen(id, `149x${CHANGES + 19}`);
    expect(await gateway.info(id)).toMatchObject({ cols: 149, rows: CHANGES + 19 });
    // The kernel joins signals that come faster than they are heard: the program was not told each time.
    await gateway.input(id, '\n');
    const { outputOffset } = await gateway.closed(id);
    expect(outputOffset).toBeLessThan(CHANGES * '100x1000\r\n'.length);
    await frames.ask({ t: 'subscribe', session: id });
    await frames.next(({ t }) => t === 'end');
    const rows = frames.all.filter(({ kind }) => kind === 'resize').map(({ data }) => data.rows);
    expect(rows).toEqual([24, ...Array.from({ length: CHANGES }, (_, n) => 20 + n)]);
  }, 30_000);

  it('is nothing that an ended program has: quietly while its output is open, by its code when all is over', async () => {
    const { id } = await bash("trap '' HUP; sleep 600 & exit 0", 'pty');
    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: id });
    await frames.next(({ kind }) => kind === 'exit');
    const size = { cols: 90, rows: 20 };
    expect((await resize(id, size.cols, size.rows)).status).toBe(204);
    expect((await frames.ask({ t: 'resize', session: id, ...size })).t).toBe('ok');
    expect(await gateway.info(id)).toMatchObject({ state: 'exited', cols: 80, rows: 24 });
    await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    const other = await bash('true', 'pty');
    await gateway.closed(other.id);
    expect(await resize(other.id, size.cols, size.rows)).toMatchObject({ status: 409, code: 'session_exited' });
  });
});

describe('the close of a connection (no. 62)', () => {
  it('says what to do: over, taken over, gone', async () => {
    const { id } = await bash('exec cat');
    const first = await gateway.frames(`/ws/session/${id}`);
    const second = await gateway.frames(`/ws/session/${id}?takeover=1`);
    expect(await first.closing()).toEqual({ code: 4001, reason: 'taken_over' });
    await gateway.ask(`/v1/sessions/${id}/close-stdin`, {
      method: 'POST',
      headers: { 'binnacle-lease': 'not ours' },
    });
    expect(second.closed).toBeUndefined();
    const { token } = await gateway.tokenOf('view');
    const viewer = await gateway.frames(`/ws/session/${id}`, token);
    await viewer.next(({ type }) => type === 'connected');
    await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    for (const one of [second, viewer]) expect([1000, 4004]).toContain((await one.closing()).code);
    const refused = await gateway.frames(`/ws/session/${id}`).catch(({ status, code }) => ({ status, code }));
    expect(refused).toEqual({ status: 410, code: 'session_gone' });
  });
});

describe('server-sent events (no. 68)', () => {
  it('are not kept back by proxies, and say now and then that they are alive', async () => {
    const { id } = await bash('printf hello; exec sleep 600');
    const events = await openEvents(gateway, id);
    expect(Object.fromEntries(events.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    await events.seen('the output and three comments', (all) => all.text() === 'hello' && all.comments >= 3);
    await events.close();
  });

  it('are resumed alike by Last-Event-ID, by position and by since, and only within their session', async () => {
    const { id } = await bash('for i in $(seq 100); do echo $i; done');
    const other = await bash('for i in $(seq 100); do echo $i; done');
    for (const one of [id, other.id]) await gateway.closed(one);
    const all = await openEvents(gateway, id, '&since=100');
    await all.ended;
    const whole = (await gateway.output(id)).slice(100);
    expect(all.text()).toBe(whole);
    const { id: at = '' } = all.all[0] ?? {};
    for (const [query, headers] of [
      [`&position=${at}`, {}],
      ['', { 'last-event-id': at }],
      // What came last counts: a browser that comes back asks its first address again.
      ['&since=0', { 'last-event-id': at }],
    ] as const) {
      const again = await openEvents(gateway, id, query, headers);
      await again.ended;
      expect(again.text()).toBe(whole);
    }
    const foreign = await openEvents(gateway, other.id, '', { 'last-event-id': at }).catch(({ status, code }) => ({
      status,
      code,
    }));
    expect(foreign).toEqual({ status: 409, code: 'wrong_epoch' });
  });
});

describe('one connection (no. 69)', () => {
  it('carries more sessions than a browser has connections, each with its own output and input', async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, async () => (await bash('exec cat')).id));
    const frames = await gateway.frames();
    frames.ws.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary && data.includes('"t":"ping"')) frames.send({ t: 'pong', time: 1 });
    });
    await Promise.all(ids.map((session) => frames.ask({ t: 'subscribe', session })));
    for (let round = 0; round < 5; round += 1) {
      for (const session of ids) frames.send({ t: 'input', session, text: `${session} ${round}\n` });
    }
    const expected = (session: string) => [0, 1, 2, 3, 4].map((round) => `${session} ${round}\n`).join('');
    for (const session of ids) {
      await until('its echo is there', () => outputOf(frames.all, session).length >= expected(session).length);
      expect(outputOf(frames.all, session)).toBe(expected(session));
    }
  });

  it('ends a subscription that is given up before it has begun: what is asked for last counts', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, async () => (await bash('exec cat')).id));
    const frames = await gateway.frames();
    frames.ws.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary && data.includes('"t":"ping"')) frames.send({ t: 'pong', time: 1 });
    });
    const answers = await Promise.all(
      ids.flatMap((session, n) => [
        frames.ask({ t: 'subscribe', session }),
        frames.ask({ t: 'unsubscribe', session }),
        // Every other one is wanted after all.
        ...(n % 2 === 0 ? [frames.ask({ t: 'subscribe', session })] : []),
      ]),
    );
    expect(new Set(answers.map(({ t }) => t))).toEqual(new Set(['subscribed', 'ok']));
    for (const id of ids) await gateway.input(id, 'news\n');
    for (const [n, id] of ids.entries()) {
      if (n % 2 === 0) await until('it is told', () => outputOf(frames.all, id) === 'news\n');
    }
    await Promise.all(ids.map((id) => gateway.seen(id, 'news\n')));
    await frames.ask({ t: 'ping', time: 1 });
    expect(ids.map((id) => outputOf(frames.all, id))).toEqual(ids.map((_, n) => (n % 2 === 0 ? 'news\n' : '')));
  });
});

describe('the maximum number of viewers', () => {
  it('is over all WebSocket addresses, and one that leaves makes room', async () => {
    const small = await openGateway({ maxViewers: 1 });
    const first = await small.frames();
    for (const path of ['/v1/ws', '/ws/pty-traffic', '/ws/session/any']) {
      const refusal = { status: 429, code: 'too_many_viewers', error: { details: { limit: 1 } } };
      await expect(small.frames(path)).rejects.toMatchObject(refusal);
    }
    first.ws.close();
    await until('there is room', () =>
      small.frames('/ws/pty-traffic').then(
        () => true,
        () => false,
      ),
    );
    await expect(small.frames()).rejects.toMatchObject({ code: 'too_many_viewers' });
  });
});
