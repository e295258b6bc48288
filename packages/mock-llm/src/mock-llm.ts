// The server: finds the protocol of a request, asks the rules, writes the answer. Knows no wire format.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { chat } from './chat.ts';
import { gemini } from './gemini.ts';
import { type Json, objectOf } from './json.ts';
import { messages } from './messages.ts';
import type { Protocol } from './protocol.ts';
import { responses } from './responses.ts';
import { answerOf } from './rules.ts';
import { type Answer, type ModelRequest, usageOf } from './talk.ts';

/** The longest context of today's agents, as JSON. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;
const MAX_REQUESTS = 1000;

export interface MockLlmOptions {
  /** Default 0: a free one. */
  readonly port?: number;
  /** Default loopback. */
  readonly host?: string;
  /** Between two words of a `SLOW` answer, in ms. Default 50. */
  readonly delayMs?: number;
  /** Called first; undefined leaves the answer to the rules. */
  readonly answer?: (request: ModelRequest, body: Json) => Answer | undefined;
}

/** One request to a model, as it came. */
export interface MockRequest {
  readonly protocol: Protocol['name'];
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Json;
  readonly parsed: ModelRequest;
}

export interface MockLlm {
  /** `http://127.0.0.1:<port>`; `/v1` and `/v1beta` are put behind it by who needs them. */
  readonly url: string;
  /** The last 1000, oldest first. */
  readonly requests: readonly MockRequest[];
  /** Cuts what is under way. */
  close(): Promise<void>;
}

/** By the end of the path, so that every base address works. */
const PROTOCOLS: readonly (readonly [RegExp, Protocol])[] = [
  [/\/responses$/, responses],
  [/\/chat\/completions$/, chat],
  [/\/messages$/, messages],
  [/:(?:stream)?[gG]enerateContent$/, gemini],
];

export async function startMockLlm(options: MockLlmOptions = {}): Promise<MockLlm> {
  const requests: MockRequest[] = [];
  let count = 0;
  const server = createServer((request, response) => {
    answer(request, response, options, (made) => {
      requests.push(made);
      if (requests.length > MAX_REQUESTS) requests.shift();
      count += 1;
      return String(count).padStart(6, '0');
    }).catch((error: unknown) => {
      // The client went away, or what it sent is not to be read.
      if (response.headersSent || response.destroyed) response.destroy();
      else send(response, 400, { error: { message: error instanceof Error ? error.message : String(error) } });
    });
  });
  await listen(server, options.port ?? 0, options.host ?? '127.0.0.1');
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const listen = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { delayMs = 50, answer: custom }: MockLlmOptions,
  keep: (made: MockRequest) => string,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const path = url.pathname;
  const protocol = PROTOCOLS.find(([pattern]) => pattern.test(path))?.[1];
  if (request.method !== 'POST' || protocol === undefined) return answerOther(request, response, path);
  const text = await bodyOf(request);
  if (text === undefined) return send(response, 413, protocol.failure(413, `More than ${MAX_BODY_BYTES} bytes.`));
  const body = objectOf(JSON.parse(text));
  const parsed = protocol.read(body, path);
  const id = keep({ protocol: protocol.name, path, headers: request.headers, body, parsed });
  const answer = custom?.(parsed, body) ?? answerOf(parsed, delayMs);
  if (answer.kind === 'fail') return send(response, answer.status, protocol.failure(answer.status, answer.message));
  const reply = { id, model: parsed.model, answer, usage: usageOf(parsed, answer) };
  if (!protocol.isStream(body, url)) return send(response, 200, protocol.whole(reply));
  response.writeHead(200, {
    'content-type': protocol.streamType?.(url) ?? 'text/event-stream',
    'cache-control': 'no-cache',
  });
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  for (const { text, pauseMs = 0 } of protocol.stream(reply, url)) {
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: closed.signal });
    if (closed.signal.aborted) return;
    response.write(text);
  }
  response.end();
}

/** What agents ask besides: which models there are, how many tokens something has. */
async function answerOther(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  if (request.method === 'GET' && path.endsWith('/models')) {
    const model = { id: 'mock', object: 'model', type: 'model', display_name: 'mock', created: 0, owned_by: 'mock' };
    return send(response, 200, { object: 'list', data: [model], has_more: false });
  }
  if (request.method === 'POST' && /count_tokens$|:countTokens$/.test(path)) {
    const tokens = Math.ceil(((await bodyOf(request)) ?? '').length / 4);
    return send(response, 200, { input_tokens: tokens, totalTokens: tokens });
  }
  request.resume();
  send(response, 404, { error: { message: `There is no ${request.method} ${path} here.` } });
}

function send(response: ServerResponse, status: number, json: Json): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(json));
}

/** Undefined when it is too long; then the rest is read and thrown away, so that the answer gets through. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes <= MAX_BODY_BYTES) parts.push(part);
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(parts).toString('utf8');
}
