// `binnacle mcp`: an MCP server on stdin and stdout for agents that start one. A thin bridge: each message is posted to
// the gateway's /mcp, and its answer comes back as a line. Nothing else is ever written to stdout.

import { BinnacleError, type WireError } from '@binnacle/protocol';
import type { ClientCommandOptions } from './connect.ts';
import { EXIT, Failure, hintOf, messageOf } from './failure.ts';
import { mcpCommand, printMcpConfig } from './mcp-config.ts';
import { findGateway, type Place } from './place.ts';

export interface McpOptions extends ClientCommandOptions {
  readonly printConfig?: boolean;
}

/** One message. The gateway takes 1 MiB. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Answers that are nearly there are still passed on when stdin ends; an agent waits about two seconds for our end. */
const END_MS = 1000;
const PARSE_ERROR = -32700;
/** Of servers' own. */
const FAILED = -32000;
const LF = 10;

/** The envelope of the era without a handshake, which HTTP wants in headers as well. */
const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};

type Id = string | number | null;
type Json = Readonly<Record<string, unknown>>;

export async function mcp(options: McpOptions): Promise<number> {
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
  // The agent is gone: nobody reads on.
  process.stdout.on('error', () => process.exit(EXIT.ok));
  for await (const line of linesOf(process.stdin)) bridge.take(line);
  await bridge.end();
  return EXIT.ok;
}

interface BridgeParts {
  /** Asked for each message: a gateway that was started again may be elsewhere. Throws where there is none. */
  place(): Place;
  readonly cwd: string;
  write(line: string): void;
}

class Bridge {
  readonly #parts: BridgeParts;
  /** What has no answer yet, by its id as JSON: 1 and "1" are two. */
  readonly #open = new Map<string, AbortController>();
  readonly #sending = new Set<Promise<void>>();
  /** Of the era with a handshake: what was agreed on. */
  #version: string | undefined;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
  }

  /** A line from the agent, or that one was too long. Returns at once. */
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

  /** Nothing more will come. */
  async end(): Promise<void> {
    const late = setTimeout(() => {
      for (const open of this.#open.values()) open.abort();
    }, END_MS);
    await Promise.all(this.#sending);
    clearTimeout(late);
  }

  async #pass(text: string, message: unknown): Promise<void> {
    const { id, method, params } = isObject(message) ? message : {};
    if (method === 'notifications/cancelled' && isObject(params)) {
      // The gateway keeps nothing of a request but its connection.
      this.#open.get(JSON.stringify(params.requestId))?.abort();
      return;
    }
    // The gateway asks nothing, so an answer answers nothing.
    if (isObject(message) && method === undefined) return;
    const key = JSON.stringify(id);
    const controller = new AbortController();
    if (id !== undefined) this.#open.set(key, controller);
    try {
      const answers = await this.#post(text, message, controller.signal);
      if (id !== undefined && !answers.some((one) => isObject(one) && one.id === id)) {
        throw new BinnacleError('connection_lost');
      }
      if (method === 'initialize') this.#version = versionOf(answers) ?? this.#version;
      for (const answer of answers) this.#parts.write(`${JSON.stringify(answer)}\n`);
    } catch (error) {
      // Whoever cancelled a request wants no answer to it.
      if (controller.signal.aborted) return;
      // A notification is never answered, and neither is what went wrong with it.
      if (id === undefined && !Array.isArray(message)) return;
      const wire = error instanceof BinnacleError ? error.toWire() : undefined;
      const hint = hintOf(error);
      this.#fail(asId(id), FAILED, `${wire?.message ?? messageOf(error)}${hint === undefined ? '' : ` ${hint}`}`, wire);
    } finally {
      if (this.#open.get(key) === controller) this.#open.delete(key);
    }
  }

  /** The messages that are the answer. Throws what keeps it from coming. */
  async #post(text: string, message: unknown, signal: AbortSignal): Promise<readonly unknown[]> {
    const { url, token } = this.#parts.place();
    const request = fetch(`${url.replace(/\/+$/, '')}/mcp`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        // Another machine's directories are not ours.
        ...(isHere(url) ? { 'binnacle-cwd': encodeURIComponent(this.#parts.cwd) } : {}),
        ...headersOf(message, this.#version),
      },
      body: text,
      signal,
    });
    const response = await request.catch(notReached);
    const body = await response.text().catch(notReached);
    const type = response.headers.get('content-type') ?? '';
    if (/^text\/event-stream/i.test(type)) return eventsOf(body);
    if (body === '') return [];
    const value: unknown = /^application\/json/i.test(type) ? parsed(body) : undefined;
    if (Array.isArray(value)) return value;
    if (isObject(value) && value.jsonrpc === '2.0') return [value];
    if (isObject(value) && isObject(value.error)) throw BinnacleError.fromWire(value.error as unknown as WireError);
    throw new Failure(EXIT.failed, `The gateway answered ${response.status}.`, 'Is it a Binnacle of this version?');
  }

  #fail(id: Id, code: number, message: string, data?: unknown): void {
    const error = { code, message, ...(data === undefined ? {} : { data }) };
    this.#parts.write(`${JSON.stringify({ jsonrpc: '2.0', id, error })}\n`);
  }
}

/** What became of a request whose connection was cut nobody knows: it is not sent again. */
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

/** As the protocol writes what no header can hold. */
function asHeader(text: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text);
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

function versionOf(answers: readonly unknown[]): string | undefined {
  for (const one of answers) {
    const result = isObject(one) ? one.result : undefined;
    if (isObject(result) && typeof result.protocolVersion === 'string') return result.protocolVersion;
  }
  return undefined;
}

/** The JSON of each event. */
function eventsOf(stream: string): readonly unknown[] {
  return stream.split(/\r?\n\r?\n/).flatMap((event) => {
    const data = event.split(/\r?\n/).flatMap((line) => /^data: ?(.*)$/.exec(line)?.[1] ?? []);
    const value = data.length === 0 ? undefined : parsed(data.join('\n'));
    return value === undefined ? [] : [value];
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // said by whoever misses the answer
  }
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const asId = (id: unknown): Id => (typeof id === 'string' || typeof id === 'number' ? id : null);
const isHere = (url: string): boolean => /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);

/** Lines as they come, without their ends. Of one that is too long, only that is kept. */
async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer | 'too long'> {
  let kept: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(LF, from);
      const part = chunk.subarray(from, end < 0 ? chunk.length : end);
      bytes += part.length;
      if (bytes <= MAX_LINE_BYTES) kept.push(part);
      from += part.length + 1;
      if (end < 0) continue;
      yield bytes > MAX_LINE_BYTES ? 'too long' : Buffer.concat(kept);
      kept = [];
      bytes = 0;
    }
  }
  // The last line of a file may have no end.
  if (bytes > 0) yield bytes > MAX_LINE_BYTES ? 'too long' : Buffer.concat(kept);
}
