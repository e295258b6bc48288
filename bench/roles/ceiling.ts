// Role: the most that a WebSocket server in Node can send. One frame, made once, written to everybody who has room.

import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { onBenchMessage, sendToBench } from '../role.ts';

/** A frame of 64 KiB: larger ones are not faster. */
const PAYLOAD = 64 * 1024;
const TURN_BYTES = 1024 * 1024;

export function main({ bytes }: { bytes: number }): void {
  const frame = Buffer.alloc(10 + PAYLOAD, 'x');
  frame.writeUInt16BE(0x82_7f, 0);
  frame.writeBigUInt64BE(BigInt(PAYLOAD), 2);
  let isOpen = false;
  const pumps: (() => void)[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (request) => {
      const key = /Sec-WebSocket-Key: (\S+)/i.exec(request.toString('latin1'))?.[1] ?? '';
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      socket.on('data', () => undefined);
      const pump = feed(socket, frame, bytes);
      pumps.push(pump);
      if (isOpen) pump();
    });
  });
  server.listen(0, '127.0.0.1', () => sendToBench('ready', (server.address() as { port: number }).port));
  onBenchMessage({
    go: () => {
      isOpen = true;
      for (const pump of pumps) pump();
    },
  });
}

function feed(socket: Socket, frame: Buffer, bytes: number): () => void {
  let left = bytes;
  const pump = () => {
    let turn = 0;
    while (left > 0 && !socket.writableNeedDrain && turn < TURN_BYTES) {
      socket.write(frame);
      left -= PAYLOAD;
      turn += PAYLOAD;
    }
    if (left > 0 && !socket.writableNeedDrain) setImmediate(pump);
  };
  socket.on('drain', () => setImmediate(pump));
  return pump;
}
