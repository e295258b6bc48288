// GET /ws/session/:id, frame by frame as clients of the sandbox daemon know it.

import { request } from 'node:http';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

const LIVENESS = { heartbeatMs: 200, stallMs: 2_000 };
let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ livenessTimes: LIVENESS, leaseTimes: { autoReleaseAfterMs: 2_500 } });
});

const pipe = (command: string) => gateway.create({ command, mode: 'pipe', env: { SHELL: '/bin/bash' } });
const attach = (id: string, query = '', token = gateway.token) => gateway.frames(`/ws/session/${id}${query}`, token);
const refusal = (id: string, query = '', token = gateway.token) =>
  attach(id, query, token).then(
    () => ({ status: 101, code: undefined }),
    ({ status, code }) => ({ status, code }),
  );
/** The frames that do not depend on time. */
const lasting = (frames: readonly { type: string }[]) =>
  frames.filter(({ type }) => type !== 'ping' && type !== 'pong');
/** Output may be cut anywhere into frames: those of one kind in a row are one. */
function joined(frames: readonly { type: string; data?: string; offset?: number }[]) {
  const all: { type: string; data?: string; offset?: number }[] = [];
  for (const frame of lasting(frames) as typeof all) {
    const last = all.at(-1);
    if (last?.data === undefined || last.type !== frame.type) all.push({ ...frame });
    else Object.assign(last, frame, { data: last.data + (frame.data ?? '') });
  }
  return all;
}

describe('/ws/session/:id', () => {
  it('says connected, then stdout and stderr, then exit behind the last byte, and closes with 1000', async () => {
    const { id } = await pipe(
      'read -r line; echo "out $line"; echo err >&2; head -c 100000 /dev/zero | tr "\\0" x; exit 7',
    );
    const frames = await attach(id);
    expect(await frames.next()).toEqual({ type: 'connected', session_id: id, mode: 'pipe', offset: 0 });
    frames.send({ type: 'stdin', data: 'hé\n' });
    expect(await frames.closing()).toEqual({ code: 1000, reason: 'exit' });
    expect(lasting(frames.all).at(-1)).toEqual({ type: 'exit', exit_code: 7 });
    expect(frames.text('stdout')).toBe(`out hé\n${'x'.repeat(100_000)}`);
    expect(frames.text('stderr')).toBe('err\n');
  });

  it('knows the mode of the session, whatever pty=1 says', async () => {
    const tty = await gateway.create({ command: 'stty size; exit 0', cols: 91, rows: 17 });
    const frames = await attach(tty.id, '?pty=0');
    await frames.closing();
    expect(lasting(frames.all)[0]).toEqual({ type: 'connected', session_id: tty.id, mode: 'pty', offset: 0 });
    expect(frames.text('stdout')).toBe('17 91\r\n');
    const piped = await pipe('true');
    expect(await (await attach(piped.id, '?pty=1')).next()).toMatchObject({ type: 'connected', mode: 'pipe' });
  });

  it('replays from an offset and goes on live: each byte once', async () => {
    const { id } = await pipe('echo first; read -r; echo second; read -r');
    await gateway.seen(id, 'first\n');
    const frames = await attach(id, '?since=2');
    expect(await frames.next()).toEqual({ type: 'replay', offset: 6, data: 'rst\n' });
    expect(await frames.next()).toEqual({ type: 'connected', session_id: id, mode: 'pipe', offset: 6 });
    frames.send({ type: 'stdin', data: '\n' });
    expect(await frames.next(({ type }) => type !== 'ping')).toEqual({ type: 'stdout', offset: 13, data: 'second\n' });
    frames.ws.close();
    await frames.closing();
    const again = await attach(id, '?since=13');
    expect(await again.next()).toEqual({ type: 'connected', session_id: id, mode: 'pipe', offset: 13 });
    again.send({ type: 'stdin', data: '\n' });
    await again.closing();
    expect(lasting(again.all).map(({ type }) => type)).toEqual(['connected', 'exit']);
  });

  it('replays a session that has ended, with its exit, and never starts a shell', async () => {
    const { id } = await pipe('echo done; exit 3');
    await gateway.closed(id);
    for (const [query, expected] of [
      [
        '',
        [
          { type: 'connected', session_id: id, mode: 'pipe', offset: 0 },
          { type: 'stdout', offset: 5, data: 'done\n' },
        ],
      ],
      [
        '?since=0',
        [
          { type: 'replay', offset: 5, data: 'done\n' },
          { type: 'connected', session_id: id, mode: 'pipe', offset: 5 },
        ],
      ],
      ['?since=5', [{ type: 'connected', session_id: id, mode: 'pipe', offset: 5 }]],
    ] as const) {
      const frames = await attach(id, query);
      expect(await frames.closing()).toEqual({ code: 1000, reason: 'exit' });
      expect(lasting(frames.all)).toEqual([...expected, { type: 'exit', exit_code: 3 }]);
    }
    expect(await gateway.info(id)).toMatchObject({ state: 'closed', running: false });
  });

  it('says 128 and the signal for a program that a signal ended', async () => {
    const { id } = await pipe('kill -TERM $$');
    const frames = await attach(id);
    await frames.closing();
    expect(lasting(frames.all).at(-1)).toEqual({ type: 'exit', exit_code: 143 });
  });

  it('sends signals and sizes, and says what is wrong with them', async () => {
    const { id } = await gateway.create({
      command: "trap 'stty size' WINCH; trap 'echo got-int' INT; echo ready; while :; do sleep 0.05; done",
    });
    const frames = await attach(id);
    await until('it is ready', () => frames.text('stdout').includes('ready'));
    frames.send({ type: 'resize', cols: 123, rows: 45 });
    await until('it has the size', () => frames.text('stdout').includes('45 123'));
    frames.send({ type: 'signal', signal: 'SIGINT' });
    await until('it has the signal', () => frames.text('stdout').includes('got-int'));
    frames.send({ type: 'signal', signal: 'SIGFOO' });
    expect(await frames.next(({ type }) => type === 'error')).toMatchObject({ code: 'UNKNOWN_SIGNAL' });
    frames.send({ type: 'ping' });
    expect(await frames.next(({ type }) => type === 'pong')).toEqual({ type: 'pong' });
    const piped = await pipe('sleep 30');
    const other = await attach(piped.id);
    other.send({ type: 'resize', cols: 80, rows: 24 });
    expect(await other.next(({ type }) => type === 'error')).toMatchObject({ code: 'NOT_A_TTY' });
  });

  it('answers what is no frame with an error, and goes on', async () => {
    const { id } = await pipe('cat');
    const frames = await attach(id);
    frames.ws.send(Buffer.from('{"type":"stdin","data":"x"}'));
    expect(await frames.next(({ type }) => type === 'error')).toMatchObject({ code: 'INVALID_FRAME' });
    frames.send({ type: 'stdin', data: 'alive\n', more: 'fields are ignored' });
    await until('it is echoed', () => frames.text('stdout') === 'alive\n');
  });

  it('refuses before the upgrade, in JSON', async () => {
    const { id } = await pipe('sleep 30');
    expect(await refusal('01890000-0000-7000-8000-000000000000')).toEqual({ status: 404, code: 'session_not_found' });
    expect(await refusal('nonsense')).toEqual({ status: 404, code: 'session_not_found' });
    for (const since of ['-1', '12abc', '1e9', 'NaN', '', '+1', ' 1', '0x1', '1.0', '9007199254740992', '1&since=2']) {
      expect({ since, ...(await refusal(id, `?since=${since}`)) }).toEqual({ since, status: 400, code: 'bad_offset' });
    }
    expect(await refusal(id, '?since=1')).toEqual({ status: 416, code: 'offset_ahead' });
    expect(await refusal(id, '', 'bn_wrong')).toEqual({ status: 401, code: 'unauthorized' });
    expect((await gateway.ask(`/ws/session/${id}`)).status).toBe(426);
    const holder = await attach(id);
    expect(await refusal(id)).toEqual({ status: 409, code: 'already_connected' });
    expect(holder.closed).toBeUndefined();
    const deleted = await pipe('true');
    await gateway.ask(`/v1/sessions/${deleted.id}`, { method: 'DELETE' });
    expect([404, 410]).toContain((await refusal(deleted.id)).status);
  });

  it('holds no lease for a handshake that failed', async () => {
    const { id } = await pipe('sleep 30');
    const bad = [
      { 'sec-websocket-key': 'short', 'sec-websocket-version': '13' },
      { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '7' },
    ];
    for (const headers of bad) {
      const status = await new Promise<number>((resolve, reject) => {
        const outgoing = request(`${gateway.url}/ws/session/${id}`, {
          headers: {
            ...headers,
            connection: 'upgrade',
            upgrade: 'websocket',
            authorization: `Bearer ${gateway.token}`,
          },
        });
        outgoing.on('response', ({ statusCode }) => resolve(statusCode ?? 0));
        outgoing.on('error', reject).end();
      });
      expect([400, 405, 426]).toContain(status);
    }
    expect((await gateway.info(id)).lease).toBeNull();
    await attach(id);
  });

  it('lets takeover=1 in: the loser is closed with 4001 and cannot write; its end leaves the new one in control', async () => {
    const { id } = await pipe('cat');
    const old = await attach(id);
    await old.next();
    const next = await attach(id, '?takeover=1');
    expect(await old.closing()).toEqual({ code: 4001, reason: 'taken_over' });
    await next.next();
    expect(await refusal(id)).toEqual({ status: 409, code: 'already_connected' });
    next.send({ type: 'stdin', data: 'mine\n' });
    await until('it is echoed', () => next.text('stdout') === 'mine\n');
    next.ws.close();
    await next.closing();
    await until('the lease is free', async () => (await gateway.info(id)).lease === null);
    await (await attach(id)).next();
  });

  it('is read-only for a token that may only view, which takes the lease from nobody', async () => {
    const { token } = await gateway.tokenOf('view');
    const { id } = await pipe('cat');
    const viewer = await attach(id, '?takeover=1', token);
    await viewer.next();
    expect((await gateway.info(id)).lease).toBeNull();
    const writer = await attach(id);
    for (const frame of [
      { type: 'stdin', data: 'no\n' },
      { type: 'signal', signal: 'SIGINT' },
      { type: 'resize', cols: 1, rows: 1 },
    ]) {
      viewer.send(frame);
      expect(await viewer.next(({ type }) => type === 'error')).toMatchObject({ code: 'FORBIDDEN' });
    }
    writer.send({ type: 'stdin', data: 'yes\n' });
    await until('the viewer sees it', () => viewer.text('stdout') === 'yes\n');
    expect((await gateway.info(id)).lease).not.toBeNull();
  });

  it('keeps a client that answers only the ping of WebSocket itself, and one that types again after a long pause', async () => {
    const { id } = await pipe('cat');
    const frames = await attach(id);
    // `ws` answers protocol pings by itself and this client never sends a frame: longer than three heartbeats.
    const begun = performance.now();
    await until('the lease has expired', async () => (await gateway.info(id)).lease === null);
    await until('four heartbeats are over', () => performance.now() - begun > LIVENESS.heartbeatMs * 5);
    expect(frames.closed).toBeUndefined();
    expect(frames.all.filter(({ type }) => type === 'ping').length).toBeGreaterThanOrEqual(3);
    // Nobody has taken the lease since, so its own writes go through again.
    frames.send({ type: 'stdin', data: 'back\n' });
    await until('it is echoed', () => frames.text('stdout') === 'back\n');
  });

  it('says so when the session is deleted under it', async () => {
    const { id } = await pipe('echo hello; sleep 30');
    const frames = await attach(id);
    await until('it sees output', () => frames.text('stdout') === 'hello\n');
    await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    const { code } = await frames.closing();
    expect([1000, 4004]).toContain(code);
    expect(lasting(frames.all).at(-1)).toMatchObject(code === 1000 ? { type: 'exit' } : { type: 'error' });
  });
});

describe('/ws/session/:id and UTF-8 (T36)', () => {
  const TEXT = 'aé€😀ß\u{10ffff}\ufeff.';

  it('never breaks a character, though each byte is a write of its own, on two streams at once', {
    timeout: 20_000,
  }, async () => {
    // stdout and stderr take turns byte by byte, so that each holds back a part of a character while the other speaks.
    const script = `
      const bytes = Buffer.from(${JSON.stringify(TEXT)});
      const { writeSync } = require('fs');
      const step = (n) => {
        if (n === bytes.length) return;
        writeSync(1, bytes, n, 1);
        setTimeout(() => { writeSync(2, bytes, n, 1); setTimeout(() => step(n + 1), 4); }, 4);
      };
      process.stdin.once('data', () => { step(0); process.stdin.destroy(); });
    `;
    const { id } = await gateway.create({ argv: [process.execPath, '-e', script], mode: 'pipe' });
    const frames = await attach(id);
    await frames.next();
    frames.send({ type: 'stdin', data: 'go\n' });
    await frames.closing();
    expect(frames.text('stdout')).toBe(TEXT);
    expect(frames.text('stderr')).toBe(TEXT);
    for (const { data } of frames.all) if (data !== undefined) expect(data).not.toContain('�');
    // In a replay each frame ends at a character, and `offset` is what to come back with.
    const total = Buffer.byteLength(TEXT) * 2;
    const replayed = await attach(id, '?since=0');
    await replayed.closing();
    expect(joined(replayed.all).map(({ type, offset }) => [type, offset])).toEqual([
      ['replay', total],
      ['connected', total],
      ['exit', undefined],
    ]);
  });

  it('replays from the middle of a character and says U+FFFD for the part that is there', async () => {
    const { id } = await gateway.create({ argv: ['/usr/bin/printf', '€x'], mode: 'pipe' });
    await gateway.closed(id);
    const frames = await attach(id, '?since=1');
    await frames.closing();
    expect(lasting(frames.all)[0]).toEqual({ type: 'replay', offset: 4, data: '��x' });
  });

  it('is continued exactly by the offset of a replay that ended inside a character', async () => {
    const { id } = await gateway.create({ command: "printf 'a\\342\\202'; read -r; printf '\\254b'", mode: 'pipe' });
    await until('the first part is there', async () => (await gateway.info(id)).outputOffset === 3);
    const first = await attach(id, '?since=0');
    expect(await first.next()).toEqual({ type: 'replay', offset: 1, data: 'a' });
    expect((await first.next()).type).toBe('connected');
    first.ws.close();
    await first.closing();
    const second = await attach(id, '?since=1');
    await second.next(({ type }) => type === 'connected');
    second.send({ type: 'stdin', data: '\n' });
    await second.closing();
    expect(second.text('replay', 'stdout')).toBe('€b');
  });

  it('is the same as server-sent events: the last id is in front of what was not sent, the end shows what is left', async () => {
    const { id } = await gateway.create({
      command: "printf 'a\\342\\202'; read -r; printf '\\254b\\360'",
      mode: 'pipe',
    });
    await until('the first part is there', async () => (await gateway.info(id)).outputOffset === 3);
    const events = async (lastEventId: string) => {
      const headers = { accept: 'text/event-stream', 'last-event-id': lastEventId };
      const { text } = await gateway.ask(`/v1/sessions/${id}/output?follow=0`, { headers });
      const texts = [...text.matchAll(/event: output\ndata: (.*)/g)].map(([, json]) => JSON.parse(json ?? '').text);
      return { last: [...text.matchAll(/id: (\S+)/g)].at(-1)?.[1] ?? '', text: texts.join('') };
    };
    const first = await events('');
    expect(first.text).toBe('a');
    await gateway.input(id, '\n');
    await gateway.closed(id);
    expect((await events(first.last)).text).toBe('€b�');
    expect((await events('')).text).toBe('a€b�');
  });

  it('shows bytes that are no UTF-8 as U+FFFD and keeps them as they are', async () => {
    const bytes = Buffer.from([0x61, 0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf5, 0x62, 0xe2, 0x82]);
    const octal = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
    const { id } = await gateway.create({ argv: ['/usr/bin/printf', octal], mode: 'pipe' });
    const frames = await attach(id);
    await frames.closing();
    expect(frames.text('stdout')).toBe(bytes.toString());
    const response = await fetch(`${gateway.url}/v1/sessions/${id}/output`, {
      headers: { authorization: `Bearer ${gateway.token}` },
    });
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
  });
});
