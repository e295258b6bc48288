// Viewers that are gone without a word, and viewers that take nothing: cut, told why, and back where they were.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { decodeOutput } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { count, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import type { Frames } from '../support/wire.ts';

const TIMES = { heartbeatMs: 300, stallMs: 600 };
let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ livenessTimes: TIMES });
});

/** Answers pings, as a client must. */
function alive(frames: Frames): Frames {
  frames.ws.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) return;
    const frame = JSON.parse(data.toString());
    if (frame.t === 'ping') frames.send({ t: 'pong', time: frame.time, clientTime: Date.now() });
  });
  return frames;
}

const viewersOf = async (gateway: Gateway): Promise<number> =>
  Number(/^binnacle_viewers (\d+)$/m.exec((await gateway.ask('/metrics')).text)?.[1]);

const bytesOf = (frames: Frames): Buffer =>
  Buffer.concat(frames.all.filter((frame) => Buffer.isBuffer(frame)).map((frame) => decodeOutput(frame).bytes));

describe('a viewer', () => {
  it('that answers pings stays, for as long as it likes', async () => {
    const frames = alive(await gateway.frames());
    const begun = performance.now();
    await until('ten heartbeats are over', () => performance.now() - begun > TIMES.heartbeatMs * 6);
    expect(frames.closed).toBeUndefined();
    expect((await frames.ask({ t: 'ping', time: 1 })).t).toBe('pong');
  });

  it('that answers no ping is cut with no_pong after three of them', async () => {
    const frames = await gateway.frames();
    const begun = performance.now();
    expect(await frames.closing()).toEqual({ code: 4009, reason: 'no_pong' });
    const took = performance.now() - begun;
    expect(took).toBeGreaterThan(TIMES.heartbeatMs * 3 - 50);
    expect(took).toBeLessThan(TIMES.heartbeatMs * 10);
    expect(frames.all.filter(({ t }) => t === 'ping').length).toBeGreaterThanOrEqual(2);
  });

  it('whose process is stopped, so that its socket stays open, is cut, and its lease is let go of', async () => {
    const { id } = await gateway.create({ argv: ['/bin/cat'], mode: 'pipe' });
    const script = `
      const { WebSocket } = await import(${JSON.stringify(import.meta.resolve('ws'))});
      const [url, token, session] = process.argv.slice(1);
      const ws = new WebSocket(url, { headers: { authorization: 'Bearer ' + token } });
      ws.on('open', () => ws.send(JSON.stringify({ t: 'lease', session, action: 'acquire', holder: 'asleep' })));
      ws.on('message', (text) => {
        const frame = JSON.parse(text);
        if (frame.t === 'ping') ws.send(JSON.stringify({ t: 'pong', time: frame.time }));
        if (frame.t === 'ok') console.log('ready');
      });
    `;
    const args = ['--input-type=module', '-e', script, `${gateway.url}/v1/ws`, gateway.token, id];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const watcher = alive(await gateway.frames());
    await watcher.ask({ t: 'subscribe', session: id });
    // Longer than its heartbeats: as long as it is awake it is left alone.
    const begun = performance.now();
    await until('five heartbeats are over', () => performance.now() - begun > TIMES.heartbeatMs * 5);
    const holding = (await gateway.info(id)).lease;
    expect(holding).toMatchObject({ holder: 'asleep' });
    expect(holding?.expiresInMs).toBeGreaterThan(200_000);
    child.kill('SIGSTOP');
    await until('its grace has begun', async () => ((await gateway.info(id)).lease?.expiresInMs ?? 0) <= 15_000);
    expect((await gateway.info(id)).lease).toMatchObject({ holder: 'asleep' });
    child.kill('SIGKILL');
  });

  it.each(
    some(
      [
        ['/v1/ws', '{"t":"ping","time":1}'],
        ['/ws/session/ID', 'no frame'],
      ] as const,
      1,
    ),
  )(
    'on %s that asks and asks and takes no answer is cut before it costs memory',
    async (path, text) => {
      // With its real times: a stall is not what cuts this one.
      const patient = await openGateway();
      const { id } = await patient.create({ argv: ['/bin/cat'], mode: 'pipe' });
      const { port } = new URL(patient.url);
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(
        `GET ${path.replace('ID', id)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${'A'.repeat(22)}==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer ${patient.token}\r\n\r\n`,
      );
      await once(socket, 'readable'); // the handshake; nothing is read from here on
      const frame = Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
      const many = Buffer.concat(new Array<Buffer>(1000).fill(frame));
      let sent = 0;
      // Some 100 bytes of answer to each: the kernel's buffers and the limit are passed by far.
      while (!socket.destroyed && sent < 600_000) {
        sent += 1000;
        if (!socket.write(many))
          await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined); // reset
      }
      // Only who reads or writes hears of the end.
      for (let i = 0; i < 60 && !socket.destroyed; i++) {
        socket.write(frame);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(socket.destroyed).toBe(true);
      expect((await patient.ask('/healthz')).status).toBe(200);
    },
    30_000,
  );

  it('slow-alone: that takes nothing is cut with too_slow, delays nobody, and resumes exactly', {
    timeout: 25_000,
  }, async () => {
    // It answers no ping while it takes nothing: that must not be what cuts it, however slow the machine.
    const gateway = await openGateway({ livenessTimes: { ...TIMES, heartbeatMs: 10_000 } });
    // More than sockets hold.
    const size = count({ quick: 16, all: 24 }) * 1024 * 1024;
    const script = `read -r; head -c ${size} /dev/zero | openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000`;
    const { id } = await gateway.create({ command: script, mode: 'pipe' });
    const [stalled, healthy] = [alive(await gateway.frames()), alive(await gateway.frames())];
    const { from } = await stalled.ask({ t: 'subscribe', session: id });
    await healthy.ask({ t: 'subscribe', session: id });
    stalled.ws.pause();
    const begun = performance.now();
    await gateway.input(id, '\n');
    await healthy.next(({ t }) => t === 'end', 20_000);
    const took = performance.now() - begun;
    const whole = bytesOf(healthy);
    expect(whole).toHaveLength(size);
    // Not after a fixed time: a pause of this process, which hosts the gateway, begins the time of the stall anew.
    await until('it is cut', async () => (await viewersOf(gateway)) === 1, 5 * TIMES.stallMs);
    stalled.ws.resume();
    const { code } = await stalled.closing();
    expect([4008, 1006]).toContain(code);
    const part = bytesOf(stalled);
    expect(part.length).toBeGreaterThan(0);
    expect(part.length).toBeLessThan(size);
    // Resume where it was: the last whole frame.
    const last = stalled.all
      .filter((frame) => Buffer.isBuffer(frame))
      .map((frame) => decodeOutput(frame))
      .at(-1);
    const epoch = String(from).split('.')[0];
    const place = (last?.place ?? 0).toString(36);
    const again = alive(await gateway.frames());
    const position = `${epoch}.${place}.${part.length.toString(36)}`;
    expect((await again.ask({ t: 'subscribe', session: id, from: position })).t).toBe('subscribed');
    await again.next(({ t }) => t === 'end', 20_000);
    const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(sha256(Buffer.concat([part, bytesOf(again)]))).toBe(sha256(whole));
    expect(took).toBeLessThan(15_000);
  });
});
