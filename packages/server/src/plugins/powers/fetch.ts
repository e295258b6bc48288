// Sends HTTP requests for plugins: to exactly the addresses that the gate has checked, with the allowed content; one
// answer of limited size within a limited time. Follows no redirects and uses no proxy.

import { lookup } from 'node:dns/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { BinnacleError } from '@binnacle/protocol';
import { unlessAborted } from '../../base/abort.ts';
import { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import { fixedLookup, MAX_ADDRESSES, type ResolvedAddress } from '../../base/fixed-lookup.ts';
import { KeyedSerialQueue, SerialQueue } from '../../base/serial-queue.ts';
import type { CallOf } from '../grant/calls.ts';
import { REAL_CLOCK } from '../host/supervision.ts';
import type { PluginCaller, PowersOf } from './powers.ts';
import { PluginRateLimit, unawaited } from './rate-limit.ts';

export interface FetchParts {
  /** Resolves all addresses of a name. */
  readonly resolve?: (host: string) => Promise<readonly ResolvedAddress[]>;
  /** Maximum time from the name lookup to the last byte. Below the time limit of a plugin's call. */
  readonly deadlineMs?: number;
  /** Maximum concurrent requests per plugin. */
  readonly maxAtOnce?: number;
}

type Fetch = CallOf<'net'>;

interface FetchAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** base64. */
  readonly body: string;
}

const DEADLINE_MS = 9000;
const MAX_AT_ONCE = 8;
const PER_SECOND = 50;
const MAX_BODY_BYTES = 512 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

export class Fetches {
  readonly powers: PowersOf<'net'> = { net: (params, caller) => this.#ask(params, caller) };
  readonly #parts: FetchParts;
  readonly #underWay: ConcurrencyLimit;
  readonly #pace = new PluginRateLimit(REAL_CLOCK, PER_SECOND);
  /**
   * Serializes the lookups of plugins. Two threads resolve all names of this process, and a lookup cannot be cancelled:
   * plugins share one thread in turns, so that their slow names delay only plugins.
   */
  readonly #lookups = new SerialQueue();
  readonly #lookupsOf = new KeyedSerialQueue();

  constructor(parts: FetchParts = {}) {
    this.#parts = parts;
    this.#underWay = new ConcurrencyLimit({ limit: parts.maxAtOnce ?? MAX_AT_ONCE, refusal: tooMany });
  }

  async #ask(params: unknown, caller: PluginCaller): Promise<FetchAnswer> {
    const call = caller.gate.allow('net', params);
    return await this.#underWay.run(caller.plugin, () => this.#fetchInTime(call, caller));
  }

  async #fetchInTime(call: Fetch, caller: PluginCaller): Promise<FetchAnswer> {
    const { signal } = caller;
    const { deadlineMs = DEADLINE_MS } = this.#parts;
    const stop = new AbortController();
    const abort = (): void => stop.abort(unawaited());
    const timer = setTimeout(() => stop.abort(late(call, deadlineMs)), deadlineMs);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      return await this.#fetch(call, caller, stop.signal);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  async #fetch(call: Fetch, { plugin, gate }: PluginCaller, signal: AbortSignal): Promise<FetchAnswer> {
    await this.#pace.wait(plugin, 1, signal);
    const addresses = await unlessAborted(this.#addressesOf(call, plugin, signal), signal);
    for (const { address } of addresses) gate.allowAddress(call, address);
    return await send(call, addresses, signal);
  }

  async #addressesOf({ host }: Fetch, plugin: string, signal: AbortSignal): Promise<readonly ResolvedAddress[]> {
    const family = isIP(host);
    if (family !== 0) return [{ address: host, family }];
    const { resolve = (name: string) => lookup(name, { all: true, verbatim: true }) } = this.#parts;
    let found: readonly ResolvedAddress[];
    try {
      found = await this.#lookupsOf.run(plugin, () =>
        this.#lookups.run(() => {
          signal.throwIfAborted();
          return resolve(host);
        }),
      );
    } catch (error) {
      throw failed(host, error);
    }
    if (found.length === 0 || found.length > MAX_ADDRESSES) throw failed(host, { code: 'ENOTFOUND' });
    return found;
  }
}

function send(call: Fetch, addresses: readonly ResolvedAddress[], signal: AbortSignal): Promise<FetchAnswer> {
  const { host, port, method, body } = call;
  const url = new URL(call.url);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)({
      host,
      port,
      path: `${url.pathname}${url.search}`,
      method,
      headers: headersOf(call, url.host),
      lookup: fixedLookup(addresses),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      maxHeaderSize: MAX_HEADER_BYTES,
      // A connection of its own: neither shared with other users nor through a proxy from the environment.
      agent: false,
    });
    const settle = (act: () => void): void => {
      signal.removeEventListener('abort', abort);
      act();
      request.destroy();
    };
    const fail = (error: unknown): void => settle(() => reject(error));
    const abort = (): void => fail(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    request.on('error', (error) => fail(error instanceof BinnacleError ? error : failed(url.host, error)));
    // Rejects an upgrade, which no request asks for.
    request.once('upgrade', (_response, socket) => {
      socket.destroy();
      fail(failed(url.host, { code: 'EPROTO' }));
    });
    request.once('response', (response) => {
      read(response, url.host).then((answer) => settle(() => resolve(answer)), fail);
    });
    request.end(body);
  });
}

function headersOf({ headers, body }: Fetch, host: string): Record<string, string | string[]> {
  // Without a prototype, because a header may be called __proto__.
  const all: Record<string, string | string[]> = Object.assign(Object.create(null), { host });
  for (const [name, value] of headers) {
    const had = all[name];
    all[name] = had === undefined ? value : [...(Array.isArray(had) ? had : [had]), value];
  }
  // Sets the length explicitly: for methods without an expected body, Node would announce none, and the body would look
  // like another request.
  if (body !== undefined) all['content-length'] = String(Buffer.byteLength(body));
  return all;
}

async function read(response: IncomingMessage, host: string): Promise<FetchAnswer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  // A body that is announced but not sent has no bytes: HEAD, 304.
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > MAX_BODY_BYTES) throw tooLarge();
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof BinnacleError ? error : failed(host, error);
  }
  if (!response.complete) throw failed(host, { code: 'ECONNRESET' });
  const headers = Object.entries(response.headersDistinct).map(([name, values = []]) => [name, values.join(', ')]);
  return {
    status: response.statusCode ?? 0,
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: Buffer.concat(pieces).toString('base64'),
  };
}

const tooMany = (limit: number, plugin: string): BinnacleError =>
  new BinnacleError('plugin_busy', {
    message: `The plugin "${plugin}" waits for ${limit} requests already.`,
    hint: 'Wait until a request is answered.',
    details: { plugin, limit },
  });

const tooLarge = (): BinnacleError =>
  new BinnacleError('answer_too_large', {
    message: `The answer has more than ${MAX_BODY_BYTES / 1024} KiB.`,
    hint: 'Ask for less at once.',
    details: { limit: MAX_BODY_BYTES },
  });

const late = (call: Fetch, deadlineMs: number): BinnacleError =>
  new BinnacleError('plugin_timeout', {
    message: `${new URL(call.url).host} gave no complete answer within ${deadlineMs} ms.`,
    details: { deadlineMs },
  });

/** Makes an error from the code alone. The message of the cause could reveal something that the plugin may not know. */
function failed(host: string, cause: unknown): BinnacleError {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : 'unknown';
  return new BinnacleError('fetch_failed', {
    message: `The request to ${host} failed (${code.slice(0, 60)}).`,
    details: { reason: code.slice(0, 60) },
    cause,
  });
}
