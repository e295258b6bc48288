// The gateway's end of the connection to one plugin process: frames in both directions, pending calls, and quotas.
// Trusts nothing that it reads: a violation of the protocol ends the process.

import type { Duplex } from 'node:stream';
import { BinnacleError } from '@binnacle/protocol';
import { FrameReader, WireFault } from '../../base/frame-reader.ts';
import { LruMap } from '../../base/lru-map.ts';
import { PendingCalls } from '../../base/pending-calls.ts';
import { RateLimit } from '../../base/rate-limit.ts';
import type { PluginLimits } from './limits.ts';
import { parseFromPlugin, type TooMany } from './messages.ts';
import { describeEnd, type StopReason } from './stop-reason.ts';
import { type Clock, Heartbeat } from './supervision.ts';
import {
  type CallFrame,
  encodeFrame,
  type FromPlugin,
  MAX_PLUGIN_FRAME_BYTES,
  PLUGIN_PROTOCOL,
  TooLarge,
  type ToPlugin,
  type WireFailure,
} from './wire.ts';

/** Executes a call of the plugin. Rejects with a BinnacleError; any other error appears only in the gateway's log. */
export type Call = (method: string, params: unknown, signal: AbortSignal) => Promise<unknown>;

/** Returns the time limit of a call that may take longer than others. `params` are unvalidated. */
export type DeadlineOf = (method: string, params: unknown) => number | undefined;

export interface LinkParts {
  readonly plugin: string;
  readonly socket: Duplex;
  readonly limits: PluginLimits;
  readonly clock: Clock;
  readonly call: Call;
  readonly deadlineOf?: DeadlineOf;
  /** Called on the first frame: the process runs and can be started. */
  readonly greeted: () => void;
  readonly ready: (methods: readonly string[], offers: unknown) => void;
  /** Called when the entry cannot be loaded. The process ends itself after this message. */
  readonly failed: (reason: StopReason) => void;
  /** Called once: the process must be ended. */
  readonly fault: (reason: StopReason) => void;
  /** Called with an internal error of the gateway while it served the plugin. */
  readonly broke: (error: unknown) => void;
  readonly tick: () => void;
}

/**
 * Calls charged in addition for a refusal: a plugin that repeats refused calls costs more than one that is served,
 * because each refusal makes an error.
 */
const REFUSED_CALLS = 9;
/** Number of values in a plugin's messages that are charged as one call. */
const VALUES_OF_A_CALL = 20;
/** Maximum remembered ids of calls that timed out. Their late answers are not a violation. */
const MAX_LATE = 1000;

export class PluginLink {
  readonly #parts: LinkParts;
  readonly #heartbeat: Heartbeat;
  readonly #calls: RateLimit;
  readonly #bytes: RateLimit;
  /** Calls of the plugin that wait for an answer: their sizes, and the functions that end the wait. */
  readonly #received = new Map<number, { readonly bytes: number; readonly end: () => void }>();
  #receivedBytes = 0;
  #lastReceived = 0;
  /** Calls to the plugin that wait for an answer. */
  readonly #invoked: PendingCalls<Buffer>;
  readonly #late = new LruMap<number, true>(MAX_LATE);
  #hasGreeted = false;
  #isReady = false;
  #isClosed = false;
  #unpause: (() => void) | undefined;
  /** Id of the last call of the plugin that was charged to its allowance. */
  #countedCalls = 0;
  /** Refusals not yet charged. */
  #refused = 0;
  /** Values not yet charged. */
  #values = 0;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    const { socket, limits, clock } = parts;
    this.#calls = new RateLimit(limits.callsPerSecond, () => clock.now());
    this.#bytes = new RateLimit(limits.bytesPerSecond, () => clock.now());
    this.#invoked = new PendingCalls({
      send: (frame) => this.#write(frame),
      limit: { max: limits.maxInFlight, refusal: () => this.#busy() },
      after: clock.after,
    });
    this.#heartbeat = new Heartbeat(clock, limits, {
      ping: (n) => this.#send({ t: 'ping', n }),
      tick: parts.tick,
      silent: () =>
        this.#fault('silent', `It gave no sign of life for ${limits.silentMs} ms: it is stuck, or reads nothing.`),
    });
    // Before the greeting, the deadline of the start applies instead.
    this.#heartbeat.suspend(true);
    const reader = new FrameReader(MAX_PLUGIN_FRAME_BYTES, (bytes, start, end) =>
      this.#hear(bytes.toString('utf8', start, end), end - start),
    );
    socket.on('data', (bytes: Buffer) => {
      if (this.#isClosed) return;
      try {
        reader.push(bytes);
      } catch (error) {
        if (error instanceof WireFault) this.#fault('protocol', error.message);
        else {
          parts.broke(error);
          this.#fault('protocol', 'A frame could not be read.');
        }
      }
      this.#slowDown(bytes.length);
    });
    // The end of the process explains a broken pipe.
    socket.on('error', () => undefined);
  }

  get inFlight(): { readonly received: number; readonly invoked: number } {
    return { received: this.#received.size, invoked: this.#invoked.inFlight };
  }

  start(frame: Extract<ToPlugin, { t: 'start' }>): void {
    this.#send(frame);
  }

  requestStop(): void {
    this.#send({ t: 'stop' });
  }

  /**
   * Calls a method of the plugin. Rejects with `plugin_timeout`, `plugin_busy`, `plugin_failed`, `plugin_stopped` or
   * `message_too_large`.
   */
  async invoke(method: string, params: unknown, deadlineMs: number): Promise<unknown> {
    const { plugin, limits, socket } = this.#parts;
    if (this.#isClosed) throw new BinnacleError('plugin_stopped', { details: { plugin } });
    if (socket.writableLength >= limits.maxUnreadBytes) throw this.#busy();
    const late = (id: number): BinnacleError => {
      this.#late.set(id, true);
      const message = `The plugin ${plugin} gave no answer to ${method} within ${deadlineMs} ms.`;
      return new BinnacleError('plugin_timeout', { message, details: { plugin, method, deadlineMs } });
    };
    const timeout = { ms: deadlineMs, late };
    return await this.#invoked.call((id) => this.#encoded({ t: 'call', id, method, params }), timeout);
  }

  #busy(): BinnacleError {
    const details = { plugin: this.#parts.plugin, inFlight: this.#invoked.inFlight };
    return new BinnacleError('plugin_busy', { details });
  }

  /** Closes the link when the process ends: stops reading, and rejects all pending calls. */
  close(reason: StopReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#heartbeat.stop();
    this.#unpause?.();
    for (const { end } of this.#received.values()) end();
    this.#received.clear();
    const { plugin } = this.#parts;
    const message = describeEnd(`The plugin ${plugin}`, reason);
    const details = { plugin, reason: reason.code };
    this.#invoked.rejectAll(() => new BinnacleError('plugin_stopped', { message, details }));
    this.#parts.socket.destroy();
  }

  #fault(code: StopReason['code'], message: string): void {
    if (this.#isClosed) return;
    this.#parts.fault({ code, message });
  }

  #hear(json: string, bytes: number): void {
    // Ignores frames after a violation in the same chunk.
    if (this.#isClosed) return;
    const { maxValues, maxKeys } = this.#parts.limits;
    const { frame, values } = parseFromPlugin(json, { values: maxValues, keys: maxKeys });
    this.#values += values;
    if (!this.#hasGreeted) {
      this.#greet(frame);
      return;
    }
    switch (frame.t) {
      case 'hello':
        throw new WireFault('It greeted twice.');
      case 'ready':
        if (this.#isReady) throw new WireFault('It was ready twice.');
        this.#isReady = true;
        this.#parts.ready(frame.methods, frame.offers);
        break;
      case 'failed':
        this.#parts.failed({
          code: 'load_failed',
          message: frame.message,
          ...(frame.isFinal === true ? { isFinal: true } : {}),
        });
        break;
      case 'pong':
        if (!this.#heartbeat.pong(frame.n)) throw new WireFault('It answered a ping that it was not sent.');
        break;
      case 'call':
        this.#serve(frame, bytes);
        break;
      case 'answer':
        this.#settle(frame);
        break;
      case 'too_many':
        if (frame.of === 'call') this.#refuse(frame.id);
        else this.#settle({ t: 'answer', id: frame.id, error: this.#tooMany('answer').toWire() });
        break;
    }
    this.#heartbeat.heard();
  }

  #greet(frame: FromPlugin | TooMany): void {
    if (frame.t !== 'hello') throw new WireFault('It did not greet first.');
    if (frame.protocol !== PLUGIN_PROTOCOL) throw new WireFault(`It speaks version ${frame.protocol}.`);
    this.#hasGreeted = true;
    this.#heartbeat.suspend(false);
    this.#parts.greeted();
  }

  /** Refuses a call with more values or keys than allowed. */
  #refuse(id: number): void {
    if (id <= this.#lastReceived) throw new WireFault('The id of a call was used before.');
    this.#lastReceived = id;
    this.#refused += 1;
    this.#send({ t: 'answer', id, error: this.#tooMany('call').toWire() });
  }

  #tooMany(what: 'call' | 'answer'): BinnacleError {
    const { maxValues, maxKeys } = this.#parts.limits;
    return new BinnacleError('message_too_large', {
      message: `There is too much in the ${what}: at most ${maxValues} values and ${maxKeys} keys, of whatever size.`,
      hint: 'Send less at once, or pack it into a text.',
      details: { maxValues, maxKeys },
    });
  }

  /**
   * Serves a call. The runtime in the plugin's process observes the limits: a call beyond them does not come from the
   * runtime.
   */
  #serve({ id, method, params }: CallFrame, bytes: number): void {
    const { limits, clock } = this.#parts;
    if (id !== this.#lastReceived + 1) throw new WireFault('The id of a call is not the next one.');
    this.#lastReceived = id;
    if (this.#received.size >= limits.maxInFlight)
      throw new WireFault(`More than ${limits.maxInFlight} calls at once.`);
    if (this.#received.size > 0 && this.#receivedBytes + bytes > limits.maxInFlightBytes) {
      throw new WireFault(`Calls of more than ${limits.maxInFlightBytes} bytes at once.`);
    }
    const abort = new AbortController();
    const deadlineMs = Math.min(this.#parts.deadlineOf?.(method, params) ?? limits.callMs, limits.longCallMs);
    const cancel = clock.after(deadlineMs, () => {
      const message = `${method} took longer than ${deadlineMs} ms.`;
      this.#answer(id, { error: new BinnacleError('plugin_timeout', { message }).toWire() });
      abort.abort();
    });
    const end = (): void => {
      cancel();
      abort.abort();
    };
    this.#received.set(id, { bytes, end });
    this.#receivedBytes += bytes;
    void this.#run(id, method, params, abort.signal).finally(cancel);
  }

  async #run(id: number, method: string, params: unknown, signal: AbortSignal): Promise<void> {
    try {
      this.#answer(id, { result: await this.#parts.call(method, params, signal) });
    } catch (error) {
      if (!(error instanceof BinnacleError)) this.#parts.broke(error);
      const known = BinnacleError.of(error);
      this.#answer(id, { error: known.toWire() });
    }
  }

  /** Answers each call once. Drops a result after the deadline. */
  #answer(id: number, outcome: { readonly result: unknown } | { readonly error: WireFailure }): void {
    const pending = this.#received.get(id);
    if (pending === undefined || this.#isClosed) return;
    this.#received.delete(id);
    this.#receivedBytes -= pending.bytes;
    if ('error' in outcome) this.#refused += 1;
    const { limits, socket } = this.#parts;
    let frame: Buffer;
    try {
      const isFull = socket.writableLength >= limits.maxUnreadBytes && 'result' in outcome;
      const content = isFull ? { error: new BinnacleError('plugin_busy').toWire() } : outcome;
      frame = this.#encoded({ t: 'answer', id, ...content });
    } catch (error) {
      const known = BinnacleError.of(error);
      if (known !== error) this.#parts.broke(error);
      frame = encodeFrame({ t: 'answer', id, error: known.toWire() });
    }
    this.#write(frame);
  }

  #settle(frame: Extract<FromPlugin, { t: 'answer' }>): void {
    const isKnown =
      'error' in frame && frame.error !== undefined
        ? this.#invoked.reject(frame.id, this.#failure(frame.error))
        : this.#invoked.resolve(frame.id, 'result' in frame ? frame.result : undefined);
    if (!isKnown && !this.#late.delete(frame.id)) throw new WireFault('It answered a call that nobody made.');
  }

  /** Marks the message as the plugin's own, so that it cannot pass for an error of the gateway. */
  #failure({ code, message }: WireFailure): BinnacleError {
    const { plugin } = this.#parts;
    return new BinnacleError('plugin_failed', {
      message: `${plugin}: ${message}`,
      hint: `binnacle plugin logs ${plugin} shows its output.`,
      details: { plugin, code },
    });
  }

  /** Encodes a frame. Throws `message_too_large`. */
  #encoded(frame: ToPlugin): Buffer {
    try {
      return encodeFrame(frame);
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error;
      throw new BinnacleError('message_too_large', { message: error.message, details: { bytes: error.bytes } });
    }
  }

  #send(frame: ToPlugin): void {
    if (!this.#isClosed) this.#write(this.#encoded(frame));
  }

  #write(frame: Buffer): void {
    const { socket, limits } = this.#parts;
    socket.write(frame);
    // Above the limit only short refusals are sent. If even they accumulate, the plugin sends calls without reading the
    // answers.
    if (socket.writableLength > limits.maxUnreadBytes + 2 * 1024 * 1024) {
      this.#fault('unread', `It has not read ${socket.writableLength} bytes.`);
    }
  }

  /** Applies back-pressure: excess data stays in the kernel, and the plugin's writes wait. */
  #slowDown(bytes: number): void {
    if (this.#isClosed || this.#unpause !== undefined) return;
    const newCalls = this.#lastReceived - this.#countedCalls;
    this.#countedCalls = this.#lastReceived;
    const charged = newCalls + this.#refused * REFUSED_CALLS + this.#values / VALUES_OF_A_CALL;
    this.#refused = 0;
    this.#values = 0;
    const waitMs = Math.max(this.#bytes.take(bytes), this.#calls.take(charged));
    if (waitMs <= 0) return;
    const { socket, clock } = this.#parts;
    socket.pause();
    this.#heartbeat.suspend(true);
    this.#unpause = clock.after(waitMs, () => {
      this.#unpause = undefined;
      this.#heartbeat.suspend(false);
      socket.resume();
    });
  }
}
