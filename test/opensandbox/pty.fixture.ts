// A client of the sandbox daemon's /pty, as people write one by hand: no SDK speaks it.

import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test knows which frame it waits for.
type Frame = any;

export interface Replayed {
  readonly offset: number;
  readonly bytes: Buffer;
  /** What was said of it, on pipes. */
  readonly stream: string | undefined;
}

export class Pty {
  readonly ws: WebSocket;
  /** JSON frames, in order. */
  readonly frames: Frame[] = [];
  readonly replayed: Replayed[] = [];
  /** Binary frames of live output, by channel. */
  readonly live: { readonly channel: number; readonly bytes: Buffer }[] = [];
  /** Every frame, JSON as its type and binary as its channel, in order. */
  readonly order: (string | number)[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) {
        const frame = JSON.parse(data.toString());
        this.frames.push(frame);
        this.order.push(frame.type);
        return;
      }
      const channel = data[0] ?? -1;
      this.order.push(channel);
      if (channel === 3) {
        const said = this.frames.at(-1);
        const stream = said?.type === 'replay' ? said.stream : undefined;
        this.replayed.push({ offset: Number(data.readBigUInt64BE(1)), bytes: data.subarray(9), stream });
      } else this.live.push({ channel, bytes: data.subarray(1) });
    });
    ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
    ws.on('error', () => undefined);
  }

  /** All output, replayed and live. */
  get text(): string {
    return Buffer.concat([...this.replayed, ...this.live].map(({ bytes }) => bytes)).toString();
  }

  output(channel: 1 | 2): string {
    const bytes = this.live.filter((frame) => frame.channel === channel).map((frame) => frame.bytes);
    return Buffer.concat(bytes).toString();
  }

  type(text: string | Uint8Array): void {
    this.ws.send(Buffer.concat([Buffer.of(0), Buffer.from(text as string)]));
  }

  send(frame: object): void {
    this.ws.send(JSON.stringify(frame));
  }

  async seen(wanted: string | RegExp): Promise<void> {
    await until(`${wanted} is in the output`, () => {
      const isThere = typeof wanted === 'string' ? this.text.includes(wanted) : wanted.test(this.text);
      if (!isThere && this.closed !== undefined) throw new Error(`Closed before ${wanted}: ${this.text.slice(-500)}`);
      return isThere;
    });
  }

  async frame(type: string): Promise<Frame> {
    await until(`a frame ${type} has come`, () => this.frames.some((frame) => frame.type === type));
    return this.frames.find((frame) => frame.type === type);
  }

  async closing(): Promise<{ readonly code: number; readonly reason: string }> {
    await until('it is closed', () => this.closed !== undefined);
    return this.closed ?? { code: 0, reason: '' };
  }
}

type Gateway = Pick<GatewayAccess, 'url' | 'token' | 'ask'>;

/** Asks for one; nothing is started. */
export async function createPty(gateway: Gateway, body: object = {}): Promise<string> {
  const { status, json, text } = await gateway.ask('/pty', { body });
  if (status !== 201) throw new Error(`It was refused: ${text}`);
  return json.session_id;
}

/** Resolves when it is open. Rejects with `status` and `body` of a refusal. */
export async function attachPty(gateway: Gateway, id: string, query = '', token = gateway.token): Promise<Pty> {
  const url = `${gateway.url.replace(/^http/, 'ws')}/pty/${id}/ws${query}`;
  const ws = new WebSocket(url, { headers: { 'X-EXECD-ACCESS-TOKEN': token } });
  const pty = new Pty(ws);
  const refused = new Promise<never>((_, reject) => {
    ws.once('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = [];
      response.on('data', (bytes: Buffer) => chunks.push(bytes));
      response.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString());
        reject(Object.assign(new Error(body.message), { status: response.statusCode, body }));
      });
    });
    ws.once('error', reject);
  });
  refused.catch(() => undefined);
  await Promise.race([once(ws, 'open'), refused]);
  return pty;
}

/** Status and code of a refusal; 101 when it was let in. */
export const refusedPty = (gateway: Gateway, id: string, query = '', token = gateway.token) =>
  attachPty(gateway, id, query, token).then(
    (pty) => {
      pty.ws.terminate();
      return { status: 101, code: undefined };
    },
    ({ status, body }) => ({ status, code: body?.code }),
  );
