// The wire of an HTTP response that streams. The only writer to its response.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { LiveConnection, Liveness } from './liveness.ts';
import type { Frame, Wire } from './wire.ts';

/**
 * `complete`: all frames were sent. `left`: the viewer disconnected or stalled. `cut`: the gateway ended the stream.
 */
export type StreamEnd = 'complete' | 'left' | 'cut';

/** Keeps nginx from buffering a stream. */
export const UNBUFFERED = { 'X-Accel-Buffering': 'no' };

/**
 * Maximum time for the rest of an ended response, in stall limits: 10 minutes by default. No event reports how the last
 * buffer is read, which has some pages, so a slow reader gets longer than for a page.
 */
const REST_STALLS = 20;

export interface BodyOptions {
  /** Returns the headers. `length`: bytes of the body, if all of them are known before the first is sent. */
  head(length?: number): OutgoingHttpHeaders;
  /**
   * Maximum bytes to collect so that the headers can have the length of the body. A longer body streams. Default 0: the
   * headers go out at once.
   */
  readonly collectBytes?: number;
  /** Time that a reader may stall beyond the limit of `Liveness`, in ms. Default 0. */
  readonly patienceMs?: number;
  /** Text that keeps proxies from cutting an idle stream. Default: none. */
  readonly ping?: string;
}

export class ResponseBody implements Wire, LiveConnection {
  /** Resolves when the response is complete, or the viewer has disconnected. */
  readonly closed: Promise<StreamEnd>;
  /** Undefined: a plain HTTP client sends nothing back. TCP keep-alive detects dead clients. */
  readonly heardAt = undefined;
  readonly #response: ServerResponse;
  readonly #options: BodyOptions;
  readonly #unwatch: () => void;
  #collected: Frame[] = [];
  #collectedBytes = 0;
  #fullSince: number | undefined;
  readonly #restMs: number;
  #isOpen = true;
  #end: StreamEnd = 'left';
  #resume = (): void => undefined;

  constructor(response: ServerResponse, liveness: Liveness, options: BodyOptions) {
    this.#response = response;
    this.#options = options;
    this.#restMs = liveness.times.stallMs * REST_STALLS;
    this.#unwatch = liveness.watch(this);
    this.closed = new Promise((resolve) => {
      const close = (): void => {
        this.#isOpen = false;
        this.#unwatch();
        resolve(this.#end);
      };
      response.on('close', close);
      // The client disconnected before the response began; `close` will not fire again.
      if (response.destroyed) close();
    });
    response.on('drain', () => {
      this.#fullSince = undefined;
      this.#resume();
    });
    if (options.collectBytes === undefined && this.#isOpen) this.#writeHead();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isFull(): boolean {
    return this.#fullSince !== undefined;
  }

  get fullSince(): number | undefined {
    return this.#fullSince === undefined ? undefined : this.#fullSince + (this.#options.patienceMs ?? 0);
  }

  /** True once the client may have got a part of the response. */
  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  /** Sets the function that is called when the response has room again. */
  onRoom(resume: () => void): void {
    this.#resume = resume;
  }

  /** Sends a stream that writes here. Resolves when the response is closed, for whatever reason. */
  async send(stream: { start(): void; resume(): void; stop(): void }): Promise<StreamEnd> {
    this.onRoom(() => stream.resume());
    // The head of a stream is all that a HEAD request gets.
    if (this.#isHead && this.hasBegun) this.finish();
    else if (this.#isOpen) stream.start();
    const end = await this.closed;
    stream.stop();
    return end;
  }

  /** Sends the headers before the first frame. */
  flushHead(): void {
    if (this.#isOpen) this.#response.flushHeaders();
  }

  write(frame: Frame): void {
    if (!this.#isOpen || this.#response.writableEnded) return;
    if (this.#response.headersSent) {
      this.#put(frame);
      return;
    }
    this.#collected.push(frame);
    this.#collectedBytes += frame.length;
    if (this.#collectedBytes > (this.#options.collectBytes ?? 0)) this.#flush(undefined);
  }

  /** Ends the response behind the last frame. */
  finish(end: StreamEnd = 'complete'): void {
    if (!this.#isOpen || this.#response.writableEnded) return;
    this.#end = end;
    if (!this.#response.headersSent) this.#flush(this.#collectedBytes);
    this.#fullSince = performance.now() + this.#restMs;
    this.#response.end();
  }

  /** Cuts the response: a normal end would make it look complete. */
  destroy(): void {
    this.#response.destroy();
  }

  ping(): void {
    const { ping } = this.#options;
    if (ping !== undefined && !this.isFull && !this.#response.writableEnded) this.#response.write(ping);
  }

  cut(code: Parameters<LiveConnection['cut']>[0]): void {
    if (code === 'going_away') this.#end = 'cut';
    this.#response.destroy();
  }

  #flush(length: number | undefined): void {
    this.#writeHead(length);
    for (const frame of this.#collected) this.#put(frame);
    this.#collected = [];
    this.#collectedBytes = 0;
  }

  #writeHead(length?: number): void {
    this.#response.writeHead(200, this.#options.head(length));
  }

  /** Node drops the body of a response to HEAD, and never says that it is full. */
  get #isHead(): boolean {
    return this.#response.req.method === 'HEAD';
  }

  #put(frame: Frame): void {
    if (this.#isHead) this.finish();
    else if (!this.#response.write(frame)) this.#fullSince ??= performance.now();
  }
}
