// Resources that an agent with a handshake follows through `binnacle mcp`: each by a stream of the era without a
// handshake, which is restarted after a restart of the gateway. No update is lost in between: the agent is notified to
// read again.

import { setTimeout as sleep } from 'node:timers/promises';
import { BinnacleError } from '@binnacle/protocol';

export const UPDATED = 'notifications/resources/updated';
const VERSION = '2026-07-28';
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 2000;
const NOT_FOUND = -32002;
const SEVERITY = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

type JsonObject = Readonly<Record<string, unknown>>;
type Level = 'info' | 'warning';

interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** A protocol error that is the response to a request. */
export class RpcRefusal extends Error {
  readonly error: RpcError;

  constructor(error: RpcError) {
    super(error.message);
    this.error = error;
  }
}

export interface ResourceFollowerParts {
  /** Yields the messages of one stream. Throws if the stream cannot be opened. */
  listen(message: JsonObject, signal: AbortSignal): AsyncIterable<unknown>;
  updated(uri: string): void;
  log(level: Level, text: string): void;
}

export class ResourceFollower {
  readonly #parts: ResourceFollowerParts;
  readonly #open = new Map<string, AbortController>();
  #level = SEVERITY.indexOf('info');
  #count = 0;

  constructor(parts: ResourceFollowerParts) {
    this.#parts = parts;
  }

  /**
   * Returns the result of a request that is handled here; undefined for others. Throws `RpcRefusal`, and the errors of
   * `listen`.
   */
  async answer(method: unknown, { uri, level }: JsonObject): Promise<JsonObject | undefined> {
    if (method === 'resources/subscribe' && typeof uri === 'string') await this.#follow(uri);
    else if (method === 'resources/unsubscribe' && typeof uri === 'string') this.#leave(uri);
    else if (method === 'logging/setLevel' && typeof level === 'string' && SEVERITY.includes(level)) {
      this.#level = SEVERITY.indexOf(level);
    } else return undefined;
    return {};
  }

  end(): void {
    for (const uri of [...this.#open.keys()]) this.#leave(uri);
  }

  #leave(uri: string): void {
    this.#open.get(uri)?.abort();
    this.#open.delete(uri);
  }

  async #follow(uri: string): Promise<void> {
    if (this.#open.has(uri)) return;
    const controller = new AbortController();
    this.#open.set(uri, controller);
    const stream = this.#listen(uri, controller.signal);
    try {
      if ((await stream.next()).done === true) throw new BinnacleError('connection_lost');
    } catch (error) {
      if (this.#open.get(uri) === controller) this.#open.delete(uri);
      throw error;
    }
    void this.#keep(uri, stream, controller);
  }

  /** Keeps following over any number of streams, with back-off between them. Never throws. */
  async #keep(uri: string, first: AsyncGenerator<void>, { signal }: AbortController): Promise<void> {
    let stream = first;
    for (let pause = FIRST_RETRY_MS; !signal.aborted; pause = Math.min(pause * 2, MAX_RETRY_MS)) {
      try {
        for await (const _ of stream) pause = FIRST_RETRY_MS;
      } catch (error) {
        if (error instanceof RpcRefusal) {
          this.#log('warning', `${uri} is no longer followed: ${error.message}`);
          this.#leave(uri);
        }
      }
      if (signal.aborted) return;
      await sleep(pause, undefined, { signal }).catch(() => undefined);
      stream = this.#listen(uri, signal, true);
    }
  }

  /**
   * Follows one stream: yields when the stream has begun. `again`: updates may have been missed, so the agent is
   * notified.
   */
  async *#listen(uri: string, signal: AbortSignal, again = false): AsyncGenerator<void> {
    this.#count += 1;
    const message = {
      jsonrpc: '2.0',
      id: `follow-${this.#count}`,
      method: 'subscriptions/listen',
      params: {
        notifications: { resourceSubscriptions: [uri] },
        _meta: {
          'io.modelcontextprotocol/protocolVersion': VERSION,
          'io.modelcontextprotocol/clientInfo': { name: 'binnacle mcp', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    };
    for await (const one of this.#parts.listen(message, signal)) {
      const { method, params, error } = one as JsonObject;
      if (error !== undefined) throw new RpcRefusal(error as RpcError);
      if (method === UPDATED && !signal.aborted) this.#parts.updated(uri);
      if (method !== 'notifications/subscriptions/acknowledged') continue;
      const { resourceSubscriptions } = (params as { notifications: { resourceSubscriptions?: string[] } })
        .notifications;
      if (resourceSubscriptions?.includes(uri) !== true) {
        throw new RpcRefusal({ code: NOT_FOUND, message: `Resource not found: ${uri}`, data: { uri } });
      }
      if (again) this.#parts.updated(uri);
      yield;
    }
  }

  #log(level: Level, text: string): void {
    if (SEVERITY.indexOf(level) >= this.#level) this.#parts.log(level, text);
  }
}
