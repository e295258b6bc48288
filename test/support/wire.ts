// Raw peers of a gateway: a WebSocket that keeps every frame in order and waits for the ones that a test names, and bytes
// over a bare connection.

import { once } from 'node:events';
import { connect } from 'node:net';
import { WebSocket } from 'ws';

// biome-ignore lint/suspicious/noExplicitAny: a test knows which frame it waits for.
export type Frame = any;

export class Frames {
  readonly ws: WebSocket;
  /** JSON frames as objects, binary frames as Buffers. */
  readonly all: Frame[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  #at = 0;
  #ref = 0;
  readonly #waiting = new Set<() => void>();

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data: Buffer, isBinary) => {
      this.all.push(isBinary ? data : JSON.parse(data.toString()));
      for (const wake of this.#waiting) wake();
    });
    ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      for (const wake of this.#waiting) wake();
    });
    ws.on('error', () => undefined);
  }

  send(frame: object | string): void {
    this.ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The next frame after those that were waited for which fits; those before it are passed over. */
  async next(fits: (frame: Frame) => boolean = () => true, withinMs = 10_000): Promise<Frame> {
    const deadline = performance.now() + withinMs;
    while (true) {
      while (this.#at < this.all.length) {
        const frame = this.all[this.#at++];
        if (fits(frame)) return frame;
      }
      if (this.closed !== undefined)
        throw new Error(`Closed (${this.closed.code} ${this.closed.reason}) before it came.`);
      await this.#more(deadline);
    }
  }

  /** Sends a request of /v1/ws and returns its `ok` or `error`. */
  async ask(frame: object): Promise<Frame> {
    const ref = ++this.#ref;
    const from = this.all.length;
    this.send({ ...frame, ref });
    const deadline = performance.now() + 10_000;
    while (true) {
      const found = this.all.slice(from).find((one) => one.ref === ref);
      if (found !== undefined) return found;
      if (this.closed !== undefined) throw new Error(`Closed (${this.closed.code}) before the answer came.`);
      await this.#more(deadline);
    }
  }

  async closing(withinMs = 10_000): Promise<{ readonly code: number; readonly reason: string }> {
    const deadline = performance.now() + withinMs;
    while (this.closed === undefined) await this.#more(deadline);
    return this.closed;
  }

  /** The text of all frames of these types, one after the other. */
  text(...types: string[]): string {
    return this.all
      .filter((frame) => types.includes(frame.type))
      .map((frame) => frame.data)
      .join('');
  }

  #more(deadline: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          const last = this.all.slice(-5).map((frame) => JSON.stringify(frame).slice(0, 300));
          reject(new Error(`It did not come. The last ${last.length} of ${this.all.length} frames: ${last.join(' ')}`));
        },
        Math.max(0, deadline - performance.now()),
      );
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }
}

/** Resolves when it is open. Rejects with the status and the body of a refusal. */
export async function openFrames(url: string, token: string): Promise<Frames> {
  const ws = new WebSocket(url.replace(/^http/, 'ws'), { headers: { authorization: `Bearer ${token}` } });
  const frames = new Frames(ws);
  const refused = new Promise<never>((_, reject) => {
    ws.once('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (bytes) => {
        text += String(bytes);
      });
      response.on('end', () => {
        const error = text.startsWith('{') ? JSON.parse(text).error : undefined;
        reject(Object.assign(new Error(text), { status: response.statusCode, code: error?.code, error }));
      });
    });
    ws.once('error', reject);
  });
  refused.catch(() => undefined);
  await Promise.race([once(ws, 'open'), refused]);
  return frames;
}

/** Sends `text` over a bare connection and returns everything that comes back until the gateway closes it. */
export function exchange(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}
