// `binnacle mcp`: an MCP server on stdin and stdout. A thin bridge: each message is posted to the gateway's /mcp, and
// the response is printed as a line. Nothing else is ever written to stdout.

import { BinnacleError, defined, type WireError } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { findGateway, type GatewayAddress } from '../gateway/address.ts';
import { httpFetch } from '../gateway/http-fetch.ts';
import { mcpCommand, printMcpConfig } from '../mcp/print-config.ts';
import { ResourceFollower, RpcRefusal, UPDATED } from '../mcp/subscriptions.ts';
import { EXIT, Failure, hintOf, messageOf } from '../output/failure.ts';

/** Maximum bytes of a message, the same as the gateway's limit of 1 MiB. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Maximum wait for open responses after the end of stdin; an agent waits about two seconds for the exit. */
const END_MS = 1000;
const PARSE_ERROR = -32700;
/** JSON-RPC code from the range for server errors. */
const FAILED = -32000;
const LF = 10;

/** Envelope field of the era without a handshake, which HTTP requires as a header, too. */
const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};

type RequestId = string | number | null;
type JsonObject = Readonly<Record<string, unknown>>;

export async function mcp(options: Options<'mcp'>): Promise<number> {
  if (options.printConfig === true) {
    const [, script = ''] = process.argv;
    process.stdout.write(printMcpConfig(mcpCommand(script, options.data)));
    return EXIT.ok;
  }
  const bridge = new Bridge({
    place: () => findGateway(options.data),
    cwd: process.cwd(),
    write: (line) => void process.stdout.write(line),
  });
  // The agent is gone, so nothing reads the output.
  process.stdout.on('error', () => process.exit(EXIT.ok));
  for await (const line of linesOf(process.stdin)) bridge.take(line);
  await bridge.end();
  return EXIT.ok;
}

interface BridgeParts {
  /**
   * Returns the gateway; called for each message, because a restarted gateway may have another address. Throws without
   * a gateway.
   */
  place(): Promise<GatewayAddress>;
  readonly cwd: string;
  write(line: string): void;
}

class Bridge {
  readonly #parts: BridgeParts;
  /** Open requests by their id as JSON: 1 and "1" differ. */
  readonly #open = new Map<string, AbortController>();
  readonly #sending = new Set<Promise<void>>();
  /** Subscriptions of clients with a handshake: stored here, so that a restart of the gateway does not lose them. */
  readonly #follows: ResourceFollower;
  /** Negotiated version in the era with a handshake. */
  #version: string | undefined;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    this.#follows = new ResourceFollower({
      listen: (message, signal) => this.#post(JSON.stringify(message), message, signal),
      updated: (uri) => this.#write({ jsonrpc: '2.0', method: UPDATED, params: { uri } }),
      log: (level, data) =>
        this.#write({ jsonrpc: '2.0', method: 'notifications/message', params: { level, logger: 'binnacle', data } }),
    });
  }

  /** Processes a line from the agent, or reports one that was too long. Returns at once. */
  take(line: Buffer | 'too long'): void {
    if (line === 'too long') {
      this.#fail(null, PARSE_ERROR, `A message is longer than ${MAX_LINE_BYTES} bytes.`);
      return;
    }
    const text = line.toString().trim();
    if (text === '') return;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      this.#fail(null, PARSE_ERROR, 'The line is not JSON.');
      return;
    }
    const sending = this.#pass(text, message);
    this.#sending.add(sending);
    void sending.finally(() => this.#sending.delete(sending));
  }

  /** Ends the bridge after the end of stdin. */
  async end(): Promise<void> {
    this.#follows.end();
    const late = setTimeout(() => {
      for (const open of this.#open.values()) open.abort();
    }, END_MS);
    await Promise.all(this.#sending);
    clearTimeout(late);
  }

  async #pass(text: string, message: unknown): Promise<void> {
    const { id, method, params } = isObject(message) ? message : {};
    if (method === 'notifications/cancelled' && isObject(params)) {
      // Aborting the connection cancels the request: the gateway has no other state of it.
      this.#open.get(JSON.stringify(params.requestId))?.abort();
      return;
    }
    // The gateway sends no requests, so a response from the agent is ignored.
    if (isObject(message) && method === undefined) return;
    const key = JSON.stringify(id);
    const controller = new AbortController();
    if (id !== undefined) this.#open.set(key, controller);
    try {
      if (id !== undefined && isObject(params) && this.#version !== undefined) {
        const result = await this.#follows.answer(method, params);
        if (result !== undefined) {
          this.#write({ jsonrpc: '2.0', id, result });
          return;
        }
      }
      let isAnswered = id === undefined;
      for await (const answer of this.#post(text, message, controller.signal)) {
        isAnswered ||= isObject(answer) && answer.id === id;
        if (method === 'initialize') this.#version = versionOf(answer) ?? this.#version;
        this.#write(answer);
      }
      if (!isAnswered) throw new BinnacleError('connection_lost');
    } catch (error) {
      // A cancelled request gets no response.
      if (controller.signal.aborted) return;
      if (error instanceof RpcRefusal) {
        this.#write({ jsonrpc: '2.0', id, error: error.error });
        return;
      }
      // A notification never gets a response, not even an error.
      if (id === undefined && !Array.isArray(message)) return;
      const wire = error instanceof BinnacleError ? error.toWire() : undefined;
      const hint = hintOf(error);
      this.#fail(asId(id), FAILED, `${wire?.message ?? messageOf(error)}${hint === undefined ? '' : ` ${hint}`}`, wire);
    } finally {
      if (this.#open.get(key) === controller) this.#open.delete(key);
    }
  }

  /** Posts a message and yields the response messages as they arrive. Throws if the rest cannot arrive. */
  async *#post(text: string, message: unknown, signal: AbortSignal): AsyncGenerator<unknown> {
    const { url, token } = await this.#parts.place();
    const request = httpFetch(`${url.replace(/\/+$/, '')}/mcp`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        // Local directories mean nothing on another machine.
        ...(isHere(url) ? { 'binnacle-cwd': encodeURIComponent(this.#parts.cwd) } : {}),
        ...headersOf(message, this.#version),
      },
      body: text,
      signal,
    });
    const response = await request.catch(notReached);
    const type = response.headers.get('content-type') ?? '';
    if (/^text\/event-stream/i.test(type) && response.body !== null) {
      try {
        yield* eventsOf(response.body);
      } catch (error) {
        notReached(error);
      }
      return;
    }
    const body = await response.text().catch(notReached);
    if (body === '') return;
    const value: unknown = /^application\/json/i.test(type) ? parsed(body) : undefined;
    if (Array.isArray(value)) {
      yield* value;
      return;
    }
    if (isObject(value) && value.jsonrpc === '2.0') {
      yield value;
      return;
    }
    if (isObject(value) && isObject(value.error)) throw BinnacleError.fromWire(value.error as unknown as WireError);
    throw new Failure(
      EXIT.failed,
      `The gateway answered ${response.status}.`,
      'Check that the gateway runs this version of Binnacle.',
    );
  }

  #write(message: unknown): void {
    this.#parts.write(`${JSON.stringify(message)}\n`);
  }

  #fail(id: RequestId, code: number, message: string, data?: unknown): void {
    const error = { code, message, ...defined({ data }) };
    this.#write({ jsonrpc: '2.0', id, error });
  }
}

/** Converts a failed fetch. A request whose connection was cut may have been executed, so it is not sent again. */
function notReached(error: unknown): never {
  if (!(error instanceof TypeError)) throw error;
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  throw new BinnacleError(/^(?:ECONNRESET|EPIPE|UND_ERR_)/.test(code) ? 'connection_lost' : 'unreachable', {
    cause: error,
  });
}

function headersOf(message: unknown, agreed: string | undefined): Record<string, string> {
  const { id, method, params } = isObject(message) ? message : {};
  const meta = isObject(params) && isObject(params._meta) ? params._meta : {};
  const version = meta[VERSION_KEY];
  if (id === undefined || typeof version !== 'string' || typeof method !== 'string') {
    return agreed === undefined || method === 'initialize' ? {} : { 'mcp-protocol-version': agreed };
  }
  const field = Object.hasOwn(NAMED, method) ? NAMED[method] : undefined;
  const name = field === undefined || !isObject(params) ? undefined : params[field];
  return {
    'mcp-protocol-version': asHeader(version),
    'mcp-method': asHeader(method),
    ...(typeof name === 'string' ? { 'mcp-name': asHeader(name) } : {}),
  };
}

/** Encodes a value that is invalid in a header, as the protocol specifies. */
function asHeader(text: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text);
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

function versionOf(answer: unknown): string | undefined {
  const result = isObject(answer) ? answer.result : undefined;
  return isObject(result) && typeof result.protocolVersion === 'string' ? result.protocolVersion : undefined;
}

/** Parses the JSON of each event. */
async function* eventsOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let data: string[] = [];
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const text = /^data: ?(.*?)\r?$/.exec(line)?.[1];
      if (text !== undefined) data.push(text);
      if (line !== '' && line !== '\r') continue;
      const value = data.length === 0 ? undefined : parsed(data.join('\n'));
      data = [];
      if (value !== undefined) yield value;
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // reported as a missing response
  }
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const asId = (id: unknown): RequestId => (typeof id === 'string' || typeof id === 'number' ? id : null);
const isHere = (url: string): boolean => /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);

/** Splits input into lines. A line that is too long is dropped and reported. */
async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer | 'too long'> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(LF, from);
      const part = chunk.subarray(from, end < 0 ? chunk.length : end);
      bytes += part.length;
      if (bytes <= MAX_LINE_BYTES) parts.push(part);
      from += part.length + 1;
      if (end < 0) continue;
      yield bytes > MAX_LINE_BYTES ? 'too long' : Buffer.concat(parts);
      parts = [];
      bytes = 0;
    }
  }
  // The last line of a file may lack a line end.
  if (bytes > 0) yield bytes > MAX_LINE_BYTES ? 'too long' : Buffer.concat(parts);
}
