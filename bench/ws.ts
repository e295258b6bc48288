// A WebSocket client that costs as little as possible: no allocation for a frame, nothing kept. For load, not for use.

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export interface FastWsOptions {
  readonly port: number;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Part of a binary message: `data[from, to)` stands at `at` of it. `data` is reused after the call. */
  readonly onBinary: (data: Buffer, from: number, to: number, at: number) => void;
  readonly onText: (text: string) => void;
  readonly onOpen?: () => void;
  readonly onClose: (why: string) => void;
}

/** Reading is synchronous, so all sockets of a process share it. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);

export class FastWs {
  readonly #options: FastWsOptions;
  readonly #socket: Socket;
  readonly #header = Buffer.alloc(14);
  #isOpen = false;
  #upgrade = '';
  #headerUsed = 0;
  #opcode = 0;
  #left = 0;
  #at = 0;
  #text: Buffer[] = [];
  #isStalled = false;

  constructor(options: FastWsOptions) {
    this.#options = options;
    this.#socket = connect({
      host: '127.0.0.1',
      port: options.port,
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (count: number) => {
          this.#take(READ_BUFFER, count);
          return !this.#isStalled;
        },
      },
    });
    this.#socket.on('connect', () => this.#askForUpgrade());
    this.#socket.on('error', (error) => this.#options.onClose(error.message));
    this.#socket.on('close', () => this.#options.onClose('closed'));
  }

  /** Reads no more until `resume`; what is in hand is still delivered. */
  stall(): void {
    this.#isStalled = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isStalled = false;
    this.#socket.resume();
  }

  send(frame: Buffer): void {
    this.#socket.write(frame);
  }

  close(): void {
    this.#socket.destroy();
  }

  #askForUpgrade(): void {
    const { path, port, headers = {} } = this.#options;
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  }

  #take(data: Buffer, count: number): void {
    let at = 0;
    if (!this.#isOpen) {
      this.#upgrade += data.toString('latin1', 0, count);
      const end = this.#upgrade.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!this.#upgrade.startsWith('HTTP/1.1 101')) {
        this.#options.onClose(this.#upgrade.slice(0, 200));
        this.close();
        return;
      }
      at = count - (this.#upgrade.length - end - 4);
      this.#isOpen = true;
      this.#options.onOpen?.();
    }
    while (at < count) {
      if (this.#left === 0) {
        at = this.#takeHeader(data, at, count);
        continue;
      }
      const to = Math.min(count, at + this.#left);
      this.#left -= to - at;
      if (this.#opcode === 2) this.#options.onBinary(data, at, to, this.#at);
      else if (this.#opcode === 1) this.#text.push(Buffer.from(data.subarray(at, to)));
      this.#at += to - at;
      at = to;
      if (this.#left === 0) this.#frameOnEnd();
    }
  }

  #takeHeader(data: Buffer, from: number, count: number): number {
    const header = this.#header;
    let at = from;
    while (at < count) {
      header[this.#headerUsed++] = data[at++] ?? 0;
      if (this.#headerUsed < 2) continue;
      const short = (header[1] ?? 0) & 127;
      const need = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (this.#headerUsed < need) continue;
      this.#headerUsed = 0;
      this.#left = short === 127 ? header.readUIntBE(4, 6) : short === 126 ? header.readUInt16BE(2) : short;
      const opcode = (header[0] ?? 0) & 15;
      // 0 goes on where the frame before it ended.
      if (opcode !== 0) {
        this.#opcode = opcode;
        this.#at = 0;
      }
      if (this.#left === 0) this.#frameOnEnd();
      return at;
    }
    return at;
  }

  #frameOnEnd(): void {
    if (this.#opcode === 1 && ((this.#header[0] ?? 0) & 128) !== 0) {
      const text = Buffer.concat(this.#text).toString();
      this.#text = [];
      this.#options.onText(text);
    } else if (this.#opcode === 8) {
      this.#options.onClose('closed by the server');
      this.close();
    } else if (this.#opcode === 9) this.send(clientFrame(10, Buffer.alloc(0)));
  }
}

/** A masked frame, as clients send them. The mask is 0: it is there for proxies, and there is none. */
export function clientFrame(opcode: 1 | 2 | 10, payload: Buffer): Buffer {
  const length =
    payload.length < 126
      ? Buffer.from([payload.length | 128])
      : Buffer.from([126 | 128, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([Buffer.from([opcode | 128]), length, Buffer.alloc(4), payload]);
}

export const jsonFrame = (value: unknown): Buffer => clientFrame(1, Buffer.from(JSON.stringify(value)));
