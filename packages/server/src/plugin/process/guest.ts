// The plugin's end: loads its entry in a process of its own and hands it an `api` whose calls go to the gateway.
// All of it is a convenience for plugins that behave. The gateway trusts none of it: see link.ts.

import { Socket } from 'node:net';
import { pathToFileURL } from 'node:url';
import type { Offer } from '../offers.ts';
import { type Line, makeApi } from './guest-api.ts';
import {
  badData,
  type CallFrame,
  encodeFrame,
  FrameReader,
  type FromPlugin,
  PLUGIN_PROTOCOL,
  RPC_FD,
  type ToPlugin,
  type WireFailure,
} from './wire.ts';

/** What a call of the plugin is refused with. `code` is what to branch on. */
class CallFailed extends Error {
  override readonly name = 'CallFailed';
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor({ code, message, hint, details }: WireFailure) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.details = details;
  }
}

type Handler = (params: unknown) => unknown;

interface Waiting {
  readonly bytes: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 4000);

class Guest {
  readonly #socket = new Socket({ fd: RPC_FD, readable: true, writable: true });
  readonly #handlers = new Map<string, Handler>();
  readonly #waiting = new Map<number, Waiting>();
  /** Calls that find too many on their way. */
  readonly #queue: { readonly frame: Buffer; readonly id: number; readonly waiting: Waiting }[] = [];
  #inFlightBytes = 0;
  #lastId = 0;
  #limits = { maxInFlight: 1, maxInFlightBytes: 0 };
  #isLoading = true;
  #onStop: () => unknown = () => undefined;

  run(): void {
    const reader = new FrameReader((json) => this.#hear(JSON.parse(json) as ToPlugin));
    this.#socket.on('data', (bytes: Buffer) => reader.push(bytes));
    // The gateway is gone, or has no more use for us.
    this.#socket.on('close', () => process.exit(0));
    this.#socket.on('error', () => process.exit(0));
    this.#send({ t: 'hello', protocol: PLUGIN_PROTOCOL });
  }

  #send(frame: FromPlugin): void {
    this.#socket.write(encodeFrame(frame));
  }

  #hear(frame: ToPlugin): void {
    switch (frame.t) {
      case 'ping':
        this.#send({ t: 'pong', n: frame.n });
        break;
      case 'start':
        void this.#load(frame);
        break;
      case 'call':
        void this.#answer(frame);
        break;
      case 'answer': {
        const waiting = this.#waiting.get(frame.id);
        this.#waiting.delete(frame.id);
        if (waiting === undefined) break;
        this.#inFlightBytes -= waiting.bytes;
        if ('error' in frame) waiting.reject(new CallFailed(frame.error));
        else waiting.resolve(frame.result);
        this.#sendQueued();
        break;
      }
      case 'stop':
        void this.#stop();
        break;
    }
  }

  async #load(start: Extract<ToPlugin, { t: 'start' }>): Promise<void> {
    this.#limits = start;
    const line: Line = {
      id: start.id,
      config: start.config,
      call: (method: string, params?: unknown) => this.#call(method, params),
      handle: (method: string, handler: Handler) => {
        if (!this.#isLoading)
          throw new Error(`"${method}" comes too late: handlers are set while the entry is loaded.`);
        if (typeof method !== 'string' || typeof handler !== 'function') throw new TypeError('handle(method, handler)');
        if (this.#handlers.has(method)) throw new Error(`"${method}" has a handler.`);
        this.#handlers.set(method, handler);
      },
      onStop: (handler: () => unknown) => {
        this.#onStop = handler;
      },
    };
    const offers: Offer[] = [];
    // With what it is made of: whoever tries the walls speaks the wire itself.
    const api = Object.freeze({ ...makeApi(line, offers), call: line.call, handle: line.handle });
    try {
      const entry = (await import(pathToFileURL(start.entry).href)) as { default?: unknown };
      if (typeof entry.default !== 'function') throw new Error('The entry has no default export that is a function.');
      await entry.default(api);
      // A rejection that nobody handles ends the process before it is called ready.
      await new Promise((done) => setImmediate(done));
      this.#isLoading = false;
      this.#send({ t: 'ready', methods: [...this.#handlers.keys()], offers });
    } catch (error) {
      console.error(error);
      this.#socket.write(encodeFrame({ t: 'failed', message: textOf(error) }), () => process.exit(1));
    }
  }

  #call(method: string, params: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const fault = badData(params);
      if (fault !== undefined) throw new TypeError(`The params of ${method} are no plain data. ${fault}`);
      this.#lastId += 1;
      const id = this.#lastId;
      const frame = encodeFrame({ t: 'call', id, method, params });
      this.#queue.push({ frame, id, waiting: { bytes: frame.length, resolve, reject } });
      this.#sendQueued();
    });
  }

  #sendQueued(): void {
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || this.#waiting.size >= this.#limits.maxInFlight) return;
      if (this.#waiting.size > 0 && this.#inFlightBytes + next.frame.length > this.#limits.maxInFlightBytes) return;
      this.#queue.shift();
      this.#waiting.set(next.id, next.waiting);
      this.#inFlightBytes += next.frame.length;
      this.#socket.write(next.frame);
    }
  }

  async #answer({ id, method, params }: CallFrame): Promise<void> {
    try {
      const handler = this.#handlers.get(method);
      if (handler === undefined) {
        const error = { code: 'not_found', message: `The plugin has no ${method}.` };
        this.#send({ t: 'answer', id, error });
        return;
      }
      const result = await handler(params);
      const fault = badData(result);
      if (fault !== undefined) throw new TypeError(`What ${method} answered is no plain data. ${fault}`);
      this.#send({ t: 'answer', id, result });
    } catch (error) {
      this.#send({ t: 'answer', id, error: { code: 'plugin_failed', message: textOf(error) } });
    }
  }

  async #stop(): Promise<void> {
    try {
      await this.#onStop();
    } finally {
      process.exit(0);
    }
  }
}

new Guest().run();
