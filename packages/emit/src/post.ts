// One request to the gateway. Keeps its connection open, but not the process alive.

import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Settings } from './options.ts';

export interface HttpReply {
  readonly status: number;
  readonly text: string;
  /** From Retry-After, ms; null without. */
  readonly retryAfterMs: number | null;
}

const PATH = '/v1/pty-traffic/emit';
/** Maximum bytes of an answer, which has a line per event: more is not from a gateway. */
const ANSWER_BYTES = 8 * 1024 * 1024;
const RETRY_AFTER_MOST_MS = 300_000;

export class Post {
  private readonly settings: Settings;
  private readonly plain: HttpAgent;
  private readonly secure: HttpsAgent;
  private isClosed: boolean;

  constructor(settings: Settings) {
    this.settings = settings;
    this.isClosed = false;
    this.plain = new HttpAgent({ keepAlive: true, maxSockets: 1 });
    this.secure = new HttpsAgent({ keepAlive: true, maxSockets: 1 });
  }

  /** Throws if no whole answer came: the effect of the request is then unknown. */
  async send(body: string): Promise<HttpReply> {
    const state = { wasReused: false };
    try {
      return await this.once(body, state);
    } catch (error) {
      // The gateway closes idle connections, perhaps just when a request begins: that is no failure.
      if (this.isClosed || !state.wasReused || (error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
      return await this.once(body, state);
    }
  }

  private async once(body: string, state: { wasReused: boolean }): Promise<HttpReply> {
    const base = this.settings.url();
    const token = this.settings.token();
    if (base === undefined || token === undefined) throw new Error('The address of the gateway is not known.');
    const url = new URL(base.replace(/\/+$/, '') + PATH);
    const bytes = Buffer.from(body);
    const isSecure = url.protocol === 'https:';
    return await new Promise<HttpReply>((resolve, reject) => {
      const request = (isSecure ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        agent: isSecure ? this.secure : this.plain,
        headers: {
          Authorization: `Bearer ${token}`,
          'Content-Type': 'application/json',
          'Content-Length': bytes.length,
        },
      });
      // Limit of the whole exchange: a peer may send a byte now and then.
      const timer = setTimeout(
        () => request.destroy(new Error(`No answer within ${this.settings.requestTimeoutMs} ms.`)),
        this.settings.requestTimeoutMs,
      ).unref();
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        act();
      };
      request.on('socket', (socket) => socket.unref());
      request.on('error', (error) => {
        state.wasReused = request.reusedSocket;
        settle(() => reject(error));
      });
      request.on('response', (response) => {
        read(response).then(
          (text) =>
            settle(() => resolve({ status: response.statusCode ?? 0, text, retryAfterMs: retryAfter(response) })),
          (error: unknown) => settle(() => reject(error)),
        );
      });
      request.end(bytes);
    });
  }

  close(): void {
    this.isClosed = true;
    this.plain.destroy();
    this.secure.destroy();
  }
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > ANSWER_BYTES) {
      response.destroy();
      throw new Error('The answer is too long.');
    }
    chunks.push(chunk);
  }
  // A connection that is cut ends the iteration without an error where the length was not announced.
  if (!response.complete) throw new Error('The connection was closed during the answer.');
  return Buffer.concat(chunks).toString('utf8');
}

function retryAfter(response: IncomingMessage): number | null {
  const text = response.headers['retry-after'];
  if (text === undefined) return null;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, Math.min(RETRY_AFTER_MOST_MS, ms)) : null;
}
