// What the tests of conversations share: a conversation over HTTP, and its events as they come, checked on the way.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConversationEvent, ConversationInfo, ConversationRun, EndEvent, SendReceipt } from '@binnacle/protocol';
import { isEndEvent } from '@binnacle/protocol';
import { WebSocket } from 'ws';
import type { GatewayAccess } from '../support/gateway-access.ts';

export async function asJson<T>(response: Promise<Response>, status = 200): Promise<T> {
  const answer = await response;
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`Expected ${status}, got ${answer.status}: ${text}`);
  return JSON.parse(text) as T;
}

export const pathOf = (key: string): string => `/v1/conversations/${encodeURIComponent(key)}`;

export const withJson = (body: object, token?: string): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
  body: JSON.stringify(body),
});

export const makeConversation = (gateway: GatewayAccess, asked: object = {}): Promise<ConversationInfo> =>
  asJson(gateway.fetch('/v1/conversations', withJson(asked)), 201);

export const sendTo = (gateway: GatewayAccess, key: string, body: object): Promise<SendReceipt> =>
  asJson(gateway.fetch(`${pathOf(key)}/messages`, withJson(body)), 202);

/** The run when it has ended. */
export async function endOf(gateway: GatewayAccess, key: string, run: string): Promise<ConversationRun> {
  for (;;) {
    const found = await asJson<ConversationRun>(gateway.fetch(`${pathOf(key)}/runs/${run}?wait=20000`));
    if (found.state !== 'running' && found.state !== 'queued') return found;
  }
}

/** Writes the config file of a gateway's data directory. */
export function writeConfig(dir: string, config: object): void {
  writeFileSync(join(dir, 'config.jsonc'), JSON.stringify(config, null, 2));
}

/** What deltas make of a text; the answer and the end must agree, or this throws. */
export class Transcript {
  readonly events: ConversationEvent[] = [];
  readonly #said = new Map<string, string>();
  readonly #ended = new Map<string, EndEvent>();
  /** Messages that were taken back before they began a run. */
  readonly #cancelled = new Set<string>();

  take(events: readonly ConversationEvent[]): void {
    for (const event of events) {
      this.events.push(event);
      if (
        'run' in event &&
        typeof event.run === 'string' &&
        this.#ended.has(event.run) &&
        event.type !== 'message_delivered'
      ) {
        throw new Error(`${event.type} came behind the end of ${event.run}.`);
      }
      if (event.type === 'delta' && event.stream === 'said') {
        const before = event.replace === true ? '' : (this.#said.get(event.run) ?? '');
        this.#said.set(event.run, before + event.text);
      }
      if (event.type === 'message_cancelled') this.#cancelled.add(event.id);
      if (isEndEvent(event)) {
        const said = this.#said.get(event.run) ?? '';
        if (said !== event.text)
          throw new Error(`Deltas said ${JSON.stringify(said)}, the end ${JSON.stringify(event.text)}.`);
        this.#ended.set(event.run, event);
      }
    }
  }

  /** A connection came back at the position where another one broke off. */
  goOnFrom(earlier: Transcript): void {
    for (const [run, said] of earlier.#said) this.#said.set(run, said);
    for (const [run, end] of earlier.#ended) this.#ended.set(run, end);
    for (const message of earlier.#cancelled) this.#cancelled.add(message);
  }

  end(run: string): EndEvent | undefined {
    return this.#ended.get(run);
  }

  /** Nothing more will come of a message: its run has ended, or it never began one. */
  isOver(message: string): boolean {
    return this.#ended.has(message) || this.#cancelled.has(message);
  }

  said(run: string): string {
    return this.#said.get(run) ?? '';
  }

  get types(): string[] {
    return this.events.map(({ type }) => type);
  }
}

interface Frame {
  readonly seq: number;
  readonly t: string;
  readonly [field: string]: unknown;
}

/** A raw connection to /v1/ws that checks `seq` and keeps what it got. */
export class Wire {
  readonly frames: Frame[] = [];
  readonly transcripts = new Map<string, Transcript>();
  readonly positions = new Map<string, string>();
  readonly failures: Error[] = [];
  readonly #socket: WebSocket;
  #waiting: (() => void)[] = [];
  #ref = 0;
  closeCode: number | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#take(JSON.parse(String(data)) as Frame));
    socket.on('close', (code) => {
      this.closeCode = code;
      this.#wake();
    });
    socket.on('error', () => undefined);
  }

  static async open(url: string, token: string): Promise<Wire> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const wire = new Wire(socket);
    await wire.until((frame) => frame.t === 'hello');
    return wire;
  }

  /** Sends a frame and gives its answer. */
  async ask(frame: object): Promise<Frame> {
    this.#ref += 1;
    const ref = this.#ref;
    this.#socket.send(JSON.stringify({ ...frame, ref }));
    return await this.until((one) => one.ref === ref);
  }

  of(key: string): Transcript {
    const known = this.transcripts.get(key) ?? new Transcript();
    this.transcripts.set(key, known);
    return known;
  }

  async until(wanted: (frame: Frame) => boolean, withinMs = 15_000): Promise<Frame> {
    return await this.untilSo(() => this.frames.find(wanted), withinMs);
  }

  async untilSo<T>(look: () => T | undefined | false, withinMs = 15_000): Promise<T> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const [failure] = this.failures;
      if (failure !== undefined) throw failure;
      const found = look();
      if (found !== undefined && found !== false) return found;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`Waited in vain; last frames: ${JSON.stringify(this.frames.slice(-5))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  close(): void {
    this.#socket.close();
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #take(frame: Frame): void {
    if (frame.seq !== this.frames.length + 1)
      this.failures.push(new Error(`seq ${frame.seq} at ${this.frames.length + 1}`));
    this.frames.push(frame);
    if (frame.t === 'ping') this.#socket.send(JSON.stringify({ t: 'pong', time: frame.time }));
    if (frame.t === 'events') {
      const key = String(frame.conversation);
      this.positions.set(key, String(frame.position));
      try {
        this.of(key).take(frame.events as ConversationEvent[]);
      } catch (error) {
        this.failures.push(error as Error);
      }
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
