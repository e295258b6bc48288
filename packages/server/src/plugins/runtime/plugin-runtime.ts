// The runtime in the plugin's process: loads the entry and passes it an `api` whose calls go to the gateway. Only a
// convenience for plugins that behave; the gateway trusts none of it: see plugins/host/link.ts.

import { Socket } from 'node:net';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { FrameReader } from '../../base/frame-reader.ts';
import { PendingCalls } from '../../base/pending-calls.ts';
import {
  badData,
  type CallFrame,
  encodeFrame,
  type FromPlugin,
  MAX_PLUGIN_FRAME_BYTES,
  PLUGIN_PROTOCOL,
  RPC_FD,
  type ToPlugin,
  type WireFailure,
} from '../host/wire.ts';
import type { Offer } from '../offers/offers.ts';
import { describeError, ErrorLog, explainFetch, framesOf, locationOf } from './error-format.ts';
import { type GatewayConnection, makeApi, OfferFault } from './plugin-api.ts';

/** The error of a refused call. Branch on `code`. */
class CallFailed extends Error {
  override readonly name = 'CallFailed';
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  /** `stack`: where the plugin made the call, because the answer arrives elsewhere. */
  constructor({ code, message, hint, details }: WireFailure, stack: string | undefined) {
    super(message);
    this.stack = [`CallFailed: ${message}`, ...framesOf(stack)].join('\n');
    this.code = code;
    this.hint = hint;
    this.details = details;
  }
}

type Handler = (params: unknown) => unknown;

class PluginRuntime {
  readonly #socket = new Socket({ fd: RPC_FD, readable: true, writable: true });
  readonly #handlers = new Map<string, Handler>();
  readonly #calls = new PendingCalls<Buffer>({
    send: (frame) => {
      this.#queue.push(frame);
      this.#sendQueued();
    },
  });
  /** Calls that wait because too many are in flight. */
  readonly #queue: Buffer[] = [];
  readonly #errorLog = new ErrorLog();
  #inFlight = 0;
  #inFlightBytes = 0;
  #limits = { maxInFlight: 1, maxInFlightBytes: 0 };
  #isLoading = true;
  #onStop: () => unknown = () => undefined;

  run(): void {
    const reader = new FrameReader(MAX_PLUGIN_FRAME_BYTES, (bytes, start, end) =>
      this.#hear(JSON.parse(bytes.toString('utf8', start, end)) as ToPlugin),
    );
    this.#socket.on('data', (bytes: Buffer) => reader.push(bytes));
    // The gateway is gone, or does not need this process any more.
    this.#socket.on('close', () => process.exit(0));
    this.#socket.on('error', () => process.exit(0));
    explainFetch();
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
      case 'answer':
        if ('error' in frame) this.#calls.reject(frame.id, frame.error);
        else this.#calls.resolve(frame.id, frame.result);
        break;
      case 'stop':
        void this.#stop();
        break;
    }
  }

  async #load(start: Extract<ToPlugin, { t: 'start' }>): Promise<void> {
    this.#limits = start;
    const line: GatewayConnection = {
      id: start.id,
      config: start.config,
      call: (method: string, params?: unknown) => this.#call(method, params),
      handle: (method: string, handler: Handler) => {
        if (!this.#isLoading)
          throw new Error(`"${method}" comes too late: handlers are set while the entry is loaded.`);
        if (typeof method !== 'string' || typeof handler !== 'function')
          throw new OfferFault(`${method} has no function that handles it.`);
        if (this.#handlers.has(method)) throw new OfferFault(`There are two handlers for ${method}.`);
        this.#handlers.set(method, handler);
      },
      onStop: (handler: () => unknown) => {
        this.#onStop = handler;
      },
    };
    const offers: Offer[] = [];
    // Includes the raw calls: tests of the sandbox use the wire directly.
    const api = Object.freeze({ ...makeApi(line, offers), call: line.call, handle: line.handle });
    try {
      const entry = await imported(start.entry);
      await entry(api);
      // An unhandled rejection ends the process before it is reported as ready.
      await yieldToEventLoop();
      this.#isLoading = false;
      this.#send({ t: 'ready', methods: [...this.#handlers.keys()], offers });
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const place = locationOf(error);
    const message = `${describeError(error)}${place === undefined ? '' : ` (${place})`}`.slice(0, 4000);
    const isFinal = error instanceof EntryLoadError || error instanceof OfferFault || isNoSuchCall(error);
    const cause = error instanceof EntryLoadError ? (error.cause ?? error) : error;
    this.#socket.write(encodeFrame({ t: 'failed', message, isFinal }), () => {
      // Node prints the location of a syntax error only if the error is not caught.
      if (cause instanceof SyntaxError) setImmediate(() => raise(cause));
      else {
        if (place !== undefined) this.#errorLog.log('The entry', cause);
        process.exit(1);
      }
    });
  }

  async #call(method: string, params: unknown): Promise<unknown> {
    const fault = badData(params);
    if (fault !== undefined) throw new TypeError(`The params of ${method} are no plain data. ${fault}`);
    const callSite: { stack?: string } = {};
    Error.captureStackTrace(callSite, this.#call);
    let bytes = 0;
    // A call that is too large throws here, and gets no id: the gateway counts the ids, too.
    const answer = this.#calls.call<unknown>((id) => {
      const frame = encodeFrame({ t: 'call', id, method, params });
      bytes = frame.length;
      return frame;
    });
    try {
      return await answer;
    } catch (failure) {
      throw new CallFailed(failure as WireFailure, callSite.stack);
    } finally {
      this.#inFlight -= 1;
      this.#inFlightBytes -= bytes;
      this.#sendQueued();
    }
  }

  #sendQueued(): void {
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || this.#inFlight >= this.#limits.maxInFlight) return;
      if (this.#inFlight > 0 && this.#inFlightBytes + next.length > this.#limits.maxInFlightBytes) return;
      this.#queue.shift();
      this.#inFlight += 1;
      this.#inFlightBytes += next.length;
      this.#socket.write(next);
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
      this.#errorLog.log(method, error);
      this.#send({ t: 'answer', id, error: { code: 'plugin_failed', message: describeError(error) } });
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

/** An entry that another attempt would not load either. */
class EntryLoadError extends Error {}

async function imported(path: string): Promise<(api: unknown) => unknown> {
  let entry: { default?: unknown };
  try {
    entry = (await import(pathToFileURL(path).href)) as { default?: unknown };
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (error instanceof SyntaxError || code === 'ERR_MODULE_NOT_FOUND') {
      throw new EntryLoadError(error instanceof Error ? error.message : '', { cause: error });
    }
    throw error;
  }
  const { default: load } = entry;
  if (typeof load === 'function') return load as (api: unknown) => unknown;
  throw new EntryLoadError('The entry has no default export that is a function: export default (api) => { … }.');
}

const isNoSuchCall = (error: unknown): boolean =>
  error instanceof TypeError && /^api\.[\w.]+ is not a function$/.test(error.message);

function raise(error: Error): never {
  throw error;
}

new PluginRuntime().run();
