// T37: what is no WebSocket. Raw sockets, because a proper client cannot send it.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

let gateway: GatewayProcess;
let session: string;
beforeAll(async () => {
  gateway = await openGatewayProcess();
  session = (await gateway.create({ argv: ['/bin/cat'], mode: 'pipe' })).id;
});

interface Raw {
  readonly socket: Socket;
  /** Resolves with the close code that came, or undefined when the socket was closed without one. */
  readonly closeCode: Promise<number | undefined>;
}

async function open(path: string): Promise<Raw> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
      `Authorization: Bearer ${gateway.token}\r\n\r\n`,
  );
  let got = Buffer.alloc(0);
  const closeCode = new Promise<number | undefined>((resolve) => {
    const look = () => {
      let at = got.indexOf('\r\n\r\n') + 4;
      if (at < 4) return;
      while (at + 4 <= got.length) {
        const short = (got[at + 1] ?? 0) & 0x7f;
        const head = short === 126 ? 4 : short === 127 ? 10 : 2;
        const length = short === 126 ? got.readUInt16BE(at + 2) : short;
        if (got[at] === 0x88) {
          resolve(got.readUInt16BE(at + head));
          return;
        }
        at += head + length;
      }
    };
    socket.on('data', (bytes) => {
      got = Buffer.concat([got, bytes]);
      look();
    });
    socket.on('close', () => resolve(undefined));
  });
  await until('it is upgraded', () => got.includes('\r\n\r\n'));
  expect(got.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /);
  return { socket, closeCode };
}

/** A client's frame: first byte as it is, payload masked. */
function frame(
  first: number,
  payload: Buffer | string = '',
  { mask = true, length }: { mask?: boolean; length?: bigint } = {},
) {
  const bytes = Buffer.from(payload);
  const size = length ?? BigInt(bytes.length);
  const bit = mask ? 0x80 : 0;
  const head =
    size < 126n
      ? Buffer.of(first, bit | Number(size))
      : size < 65_536n
        ? Buffer.of(first, bit | 126, Number(size >> 8n), Number(size & 255n))
        : Buffer.concat([Buffer.of(first, bit | 127), bigEndian(size)]);
  if (!mask) return Buffer.concat([head, bytes]);
  const key = Buffer.of(1, 2, 3, 4);
  return Buffer.concat([head, key, bytes.map((byte, index) => byte ^ (key[index % 4] ?? 0))]);
}

function bigEndian(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

const FIN_TEXT = 0x81;
const PING = '{"t":"ping","time":1}';
const BAD_UTF8 = Buffer.from([0x22, 0xc3, 0x28, 0x22]);
const CASES: readonly (readonly [string, Buffer, number])[] = [
  ['an opcode that does not exist', frame(0x83, 'x'), 1002],
  ['a control opcode that does not exist', frame(0x8b), 1002],
  ['an unmasked frame', frame(FIN_TEXT, PING, { mask: false }), 1002],
  ['a reserved bit', frame(FIN_TEXT | 0x40, PING), 1002],
  ['all reserved bits', frame(0xf1, PING), 1002],
  ['a control frame in parts', frame(0x09, 'x'), 1002],
  ['a control frame of 126 bytes', frame(0x89, Buffer.alloc(126)), 1002],
  ['a continuation of nothing', frame(0x80, 'x'), 1002],
  ['a second beginning inside a message', Buffer.concat([frame(0x01, '{'), frame(FIN_TEXT, PING)]), 1002],
  ['a length of 2^63', frame(FIN_TEXT, '', { length: 2n ** 63n }), 1009],
  ['a length of 2^53', frame(FIN_TEXT, '', { length: 2n ** 53n }), 1009],
  ['a length of 2^64-1', frame(FIN_TEXT, '', { length: 2n ** 64n - 1n }), 1009],
  ['a frame beyond the limit', frame(FIN_TEXT, '', { length: 1_600_000n }), 1009],
  [
    'a message beyond the limit, in parts',
    Buffer.concat([frame(0x01, Buffer.alloc(900_000, 32)), frame(0x00, Buffer.alloc(900_000, 32))]),
    1009,
  ],
  ['text that is no UTF-8', frame(FIN_TEXT, BAD_UTF8), 1007],
  ['text that ends inside a character', frame(FIN_TEXT, Buffer.from([0x22, 0xe2, 0x82])), 1007],
  ['text that is no UTF-8, in parts', Buffer.concat([frame(0x01, Buffer.of(0xc3)), frame(0x80, '(')]), 1007],
  ['a close frame of one byte', frame(0x88, 'x'), 1002],
  ['a close code that must not be sent', frame(0x88, Buffer.of(0x03, 0xed)), 1002],
  ['a close code that does not exist', frame(0x88, Buffer.of(0, 0)), 1002],
  ['a close reason that is no UTF-8', frame(0x88, Buffer.concat([Buffer.of(0x03, 0xe8), BAD_UTF8])), 1007],
];

describe.each(['/v1/ws', '/ws/session/:id'])('a malformed frame on %s', (path) => {
  it.each(CASES)(
    '%s is answered with its close code, and the socket is gone soon after',
    async (_name, bytes, code) => {
      const { socket, closeCode } = await open(path.replace(':id', session));
      socket.write(bytes);
      expect(await closeCode).toBe(code);
      // This client never closes: the gateway does, and lets go of the lease.
      const begun = performance.now();
      if (!socket.destroyed) await once(socket, 'close');
      expect(performance.now() - begun).toBeLessThan(3_000);
      if (path !== '/v1/ws') await until('the lease is free', async () => (await gateway.info(session)).lease === null);
    },
  );
});

describe.each(['/v1/ws', '/ws/session/:id'])('a viewer on %s that says goodbye and does not go', (path) => {
  it('is let go of soon, with what it held', async () => {
    const { socket, closeCode } = await open(path.replace(':id', session));
    socket.write(frame(0x88, Buffer.of(0x03, 0xe8)));
    expect(await closeCode).toBe(1000);
    const begun = performance.now();
    if (!socket.destroyed) await once(socket, 'close');
    expect(performance.now() - begun).toBeLessThan(4_000);
    await until('the lease is free', async () => (await gateway.info(session)).lease === null);
  });
});

describe('the gateway', () => {
  it('answers, after all of that, and holds no socket of it', async () => {
    const frames = await gateway.frames();
    expect((await frames.ask({ t: 'ping', time: 1 })).t).toBe('pong');
    frames.ws.terminate();
    expect(gateway.stderr).toBe('');
    const count = () => readdirSync(`/proc/${gateway.pid}/fd`).length;
    const before = count();
    const many = await Promise.all(Array.from({ length: 20 }, () => open('/v1/ws')));
    for (const { socket } of many) socket.write(frame(0x83, 'x'));
    await Promise.all(many.map(({ closeCode }) => closeCode));
    await until('their descriptors are closed', () => count() <= before);
  });

  it('bears a client that breaks off in the middle of a frame, and one that writes rubbish after the handshake', async () => {
    const half = await open('/v1/ws');
    half.socket.write(frame(FIN_TEXT, PING).subarray(0, 7));
    half.socket.resetAndDestroy();
    const rubbish = await open('/v1/ws');
    rubbish.socket.write(randomBytes(64 * 1024));
    expect([1002, 1007, 1009, undefined]).toContain(await rubbish.closeCode);
    expect((await gateway.ask('/healthz')).status).toBe(200);
    expect(gateway.stderr).toBe('');
  });
});
