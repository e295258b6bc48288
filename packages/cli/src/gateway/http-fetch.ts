// `fetch` for commands, by node:http.

import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { arrayBuffer, json, text } from 'node:stream/consumers';

/** Maximum time to connect, as the global fetch has it. */
const CONNECT_MS = 10_000;
/** Silence after which the kernel checks a connection. */
const KEEP_ALIVE_MS = 30_000;

/** The part of a Response that clients of a gateway use. */
type Answer = Pick<Response, 'ok' | 'status' | 'headers' | 'body' | 'text' | 'json' | 'arrayBuffer'>;

/**
 * Answers as the global `fetch`, in 20 ms of processor time and 4 MB instead of 130 ms and 44 MB: the global one compiles
 * its own HTTP parser at the first call. Passes redirects and bodies that are not text on to the global one.
 *
 * @example
 * const response = await httpFetch('http://127.0.0.1:7117/v1/sessions', { headers: { Authorization: `Bearer ${token}` } });
 */
export const httpFetch: typeof fetch = async (input, init = {}) => {
  const { body } = init;
  if (typeof input !== 'string' || (body !== undefined && body !== null && typeof body !== 'string')) {
    return await fetch(input, init);
  }
  const url = new URL(input);
  // From Node 24 on the global fetch knows proxies.
  if (url.protocol !== 'http:' || process.env.NODE_USE_ENV_PROXY !== undefined) return await fetch(input, init);
  const incoming = await send(url, init, body ?? undefined);
  const status = incoming.statusCode ?? 0;
  if (status >= 300 && status < 400 && incoming.headers.location !== undefined) {
    incoming.resume();
    return await fetch(input, init);
  }
  // A Response of the global class would load all of the global fetch.
  return answerOf(incoming, status, init.signal) as Response;
};

function send(url: URL, init: RequestInit, body: string | undefined): Promise<IncomingMessage> {
  const { method = 'GET', headers = {}, signal } = init;
  const options: RequestOptions = {
    method,
    // Clients of a gateway pass plain objects.
    headers: {
      'accept-encoding': 'identity',
      ...(headers as Record<string, string>),
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
    },
    // A connection for each request: a kept one may be closed by the gateway just when it is used again.
    agent: false,
    ...(signal === null || signal === undefined ? {} : { signal }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, options, resolve);
    outgoing.on('error', (cause) => reject(failureOf(cause, 'fetch failed', signal)));
    outgoing.once('socket', (socket) => {
      // Detects a gateway that has vanished: the answer may take any time.
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      const late = Object.assign(new Error('The connection took too long.'), { code: 'ETIMEDOUT' });
      const timer = setTimeout(() => outgoing.destroy(late), CONNECT_MS);
      socket.once('connect', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
    });
    outgoing.end(body);
  });
}

function answerOf(incoming: IncomingMessage, status: number, signal: RequestInit['signal']): Answer {
  const bytes = bytesOf(incoming, signal);
  return {
    ok: status >= 200 && status < 300,
    status,
    headers: { get: (name: string) => incoming.headers[name.toLowerCase()]?.toString() ?? null } as Headers,
    get body() {
      return ReadableStream.from(bytes) as ReadableStream<Uint8Array<ArrayBuffer>>;
    },
    text: () => text(bytes),
    json: () => json(bytes),
    arrayBuffer: () => arrayBuffer(bytes),
  };
}

async function* bytesOf(incoming: IncomingMessage, signal: RequestInit['signal']): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of incoming) yield chunk as Uint8Array;
  } catch (cause) {
    throw failureOf(cause, 'terminated', signal);
  }
}

/** The error of the global fetch: what the signal was aborted with, or a TypeError with the failure as its cause. */
const failureOf = (cause: unknown, message: string, signal: RequestInit['signal']): unknown =>
  signal?.aborted === true ? signal.reason : new TypeError(message, { cause });
