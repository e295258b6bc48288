// Speaks to a gateway in this process and writes down both sides: requests and answers, frames, events of streams.
// Joins output that arrives in varying pieces, so that the same conversation gives the same text every time.

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { WebSocket } from 'ws';
import type { Gateway, GatewayOptions } from '../../packages/server/src/index.ts';
import { LATE_PROCESSES, LIBRARY } from '../support/gateway.ts';
import { compareWithGolden } from './compare.fixture.ts';
import { Normal } from './normal.fixture.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test knows what it has asked for.
export type Json = any;

export interface Ask {
  /** Text and bytes are sent as they are, everything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Null: none. Default: the admin's. */
  readonly token?: string | null;
  /** Name of the token in the transcript. */
  readonly as?: string;
  /** Ends a stream from this side, once its text is like that. */
  readonly until?: (text: string) => boolean;
  /** Not written down: a step on the way. */
  readonly isSilent?: boolean;
  /** Asks again, and writes the last answer down: of a machine that was too busy to draw a screen in time. */
  readonly again?: (reply: Reply) => boolean;
  /** Written instead of the body, where that is large or of chance. */
  readonly show?: (json: Json) => unknown;
}
export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly bytes: Buffer;
  readonly json: Json;
}

/** For `again`: a screen that was not drawn whole. */
export const isNotDrawn = ({ text }: Reply): boolean => /screen_timeout|"exact":false/.test(text);

/** Headers of the connection, not of the gateway's answer. */
const NOT_OURS = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'etag']);
/** On every answer. */
const ALWAYS = new Set([
  'x-content-type-options',
  'referrer-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'content-security-policy',
  'cache-control',
]);
const REPOSITORY = resolve(import.meta.dirname, '../..');

export class Transcript {
  readonly name: string;
  gateway: Gateway;
  readonly root: string;
  readonly normal: Normal;
  readonly #options: GatewayOptions;
  readonly #lines: object[] = [];
  readonly #sockets: Socket[] = [];
  /** Headers of every answer; written with the first one only. */
  #common: Record<string, string> | undefined;

  constructor(
    name: string,
    gateway: Gateway,
    root: string,
    { version, options }: { readonly version: string; readonly options: GatewayOptions },
  ) {
    this.#options = options;
    this.normal = new Normal(version);
    this.name = name;
    this.gateway = gateway;
    this.root = root;
    const { port } = new URL(gateway.url);
    for (const host of ['127.0.0.1', 'localhost']) this.normal.call(`${host}:${port}`, `${host}:<port>`);
    this.normal.call(`binnacle_${port}`, 'binnacle_<port>');
    this.normal.call(process.version, '<node>');
    this.normal.call(`version="${version}"`, 'version="<version>"');
    this.normal.call(root, '<root>');
    this.normal.call(REPOSITORY, '<repository>');
    this.normal.call(process.env.PATH ?? '/', '<PATH>');
    this.normal.call(gateway.adminToken, '<admin-token>');
  }

  /** A heading. */
  part(title: string): void {
    this.#lines.push({ part: title });
  }

  write(line: object): void {
    this.#lines.push(line);
  }

  /** `target`: method and address, e.g. `GET /v1/me`. */
  async ask(target: string, ask: Ask = {}): Promise<Reply> {
    const [method = 'GET', path = '/'] = target.split(' ');
    const { body, token = this.gateway.adminToken, as = token === null ? 'nobody' : 'admin' } = ask;
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body) || body === undefined;
    const sent = isRaw ? (body as string | Buffer | undefined) : JSON.stringify(body);
    const given = { ...(isRaw ? {} : { 'Content-Type': 'application/json' }), ...ask.headers };
    const request = {
      ...{ method, path, until: ask.until },
      headers: { ...given, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) },
      ...(sent === undefined ? {} : { body: sent }),
    };
    let reply = await send(this.gateway.url, request);
    while (ask.again?.(reply) === true) reply = await send(this.gateway.url, request);
    if (ask.isSilent === true) return reply;
    this.#lines.push({
      '>': target,
      as,
      ...(ask.headers === undefined ? {} : { headers: ask.headers }),
      ...(body === undefined ? {} : { body: Buffer.isBuffer(body) ? { base64: body.toString('base64') } : body }),
    });
    const type = String(reply.headers['content-type'] ?? '');
    const isStream = type.startsWith('text/event-stream');
    const answer = { '<': reply.status, headers: this.#headers(reply.headers) };
    if (ask.show !== undefined) this.#lines.push({ ...answer, shown: ask.show(reply.json ?? reply.text) });
    else if (isStream) this.#lines.push(answer, ...eventsOf(reply.text));
    else this.#lines.push(reply.bytes.length === 0 ? answer : { ...answer, body: reply.json ?? reply.text });
    return reply;
  }

  /** Asks without writing down; throws where it is no success. */
  async need(target: string, ask: Ask = {}): Promise<Json> {
    const reply = await this.ask(target, { ...ask, isSilent: true });
    if (reply.status >= 300) throw new Error(`${target}: ${reply.status} ${reply.text}`);
    return reply.json;
  }

  /** Waits until it is so: what is waited for is another process. */
  async until(name: string, isSo: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!(await isSo())) {
      if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain until ${name}.`);
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  /** Starts a program; fails unless it runs. */
  async create(body: object): Promise<Json> {
    return await this.need('POST /v1/sessions', { body });
  }

  /** Waits until the output contains it. */
  async shows(id: string, wanted: string): Promise<void> {
    await this.until(`${id} shows ${JSON.stringify(wanted)}`, async () => {
      const { text } = await this.ask(`GET /v1/sessions/${id}/output`, { isSilent: true });
      return text.includes(wanted);
    });
  }

  /** Resolves once the session is closed and says so. */
  async closed(id: string): Promise<void> {
    await this.until(`${id} is closed`, async () => (await this.need(`GET /v1/sessions/${id}`)).state === 'closed');
  }

  async token(scope: string, more: object = {}): Promise<string> {
    return (await this.need('POST /v1/tokens', { body: { name: `the ${scope}`, scope, ...more } })).token;
  }

  /** Logs a browser in and returns the headers of its page. */
  async login(scope: string): Promise<Readonly<Record<string, string>>> {
    const { ticket } = await this.need('POST /v1/tickets', { body: { scope } });
    const { json, headers } = await this.ask('POST /v1/login', { body: { ticket }, token: null, isSilent: true });
    const cookie = String(headers['set-cookie']?.[0]?.split(';')[0]);
    return { Cookie: cookie, 'Binnacle-Key': json.key, Origin: this.gateway.url };
  }

  /** Resolves when it is open. */
  async socket(path: string, options: SocketOptions): Promise<Socket> {
    const socket = await this.trySocket(path, options);
    if (socket === undefined) throw new Error(`The socket ${path} was refused.`);
    return socket;
  }

  /** Resolves with undefined where it was refused, which is written down. */
  async trySocket(path: string, options: SocketOptions): Promise<Socket | undefined> {
    const { token = this.gateway.adminToken, as = token === null ? 'nobody' : 'admin' } = options;
    const { protocols = [], headers = {} } = options;
    const asked = { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers };
    const ws = new WebSocket(this.gateway.url.replace(/^http/, 'ws') + path, [...protocols], { headers: asked });
    const socket = new Socket(this, ws, options);
    const shown = {
      ...(protocols.length === 0 ? {} : { protocols }),
      ...(options.headers === undefined ? {} : { headers }),
    };
    this.#lines.push({ ws: path, socket: options.name, as, ...shown });
    const refused = new Promise<object>((done, failed) => {
      ws.once('unexpected-response', async (_request, response: IncomingMessage) => {
        const { text, json } = await readAll(response);
        done({ '<': response.statusCode, headers: this.#headers(response.headers), body: json ?? text });
      });
      ws.once('error', failed);
    });
    refused.catch(() => undefined);
    const refusal = await Promise.race([once(ws, 'open').then(() => undefined), refused]);
    if (refusal !== undefined) {
      this.#lines.push(refusal);
      return undefined;
    }
    if (ws.protocol !== '') this.#lines.push({ socket: options.name, protocol: ws.protocol });
    this.#sockets.push(socket);
    return socket;
  }

  /** The transcript, with names in place of values that vary. */
  get text(): string {
    return this.#lines.map((line) => `${JSON.stringify(this.normal.value(line))}\n`).join('');
  }

  /** Compares with what is kept. */
  compare(): void {
    compareWithGolden(`${this.name}.golden.jsonl`, this.text);
  }

  /** Stops the gateway, and starts it again on its directory and its port. */
  async restart(between: () => void = () => undefined): Promise<void> {
    await this.gateway.close();
    between();
    const { startGateway } = await library();
    this.gateway = await startGateway({ ...this.#options, port: Number(new URL(this.gateway.url).port) });
  }

  async close(): Promise<void> {
    for (const { ws } of this.#sockets) ws.terminate();
    const { conversations } = await this.need('GET /v1/conversations?limit=200');
    for (const { key } of conversations) {
      await this.ask(`DELETE /v1/conversations/${encodeURIComponent(key)}`, { isSilent: true });
    }
    const { sessions } = await this.need('GET /v1/sessions?limit=1000');
    await Promise.all(sessions.map(({ id }: Json) => this.ask(`DELETE /v1/sessions/${id}`, { isSilent: true })));
    await this.gateway.close();
    rmSync(this.root, { recursive: true, force: true });
  }

  #headers(headers: IncomingMessage['headers']): object {
    const ours = Object.entries(headers)
      .filter(([name, value]) => !NOT_OURS.has(name) || (name === 'content-length' && value === '0'))
      .map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : String(value)] as const);
    if (this.#common === undefined) {
      this.#common = Object.fromEntries(ours.filter(([name]) => ALWAYS.has(name)));
      return Object.fromEntries(ours);
    }
    const common = this.#common;
    const missing = Object.keys(common).filter((name) => !ours.some(([is]) => is === name));
    const more = ours.filter(([name, value]) => common[name] !== value);
    return Object.fromEntries([...more, ...missing.map((name) => [name, null] as const)]);
  }
}

export interface SocketOptions {
  /** In the transcript. */
  readonly name: string;
  readonly token?: string | null;
  readonly as?: string;
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Frames of one lane are written in their order; lanes are written one after the other, because what comes between them
   * is chance. Undefined: not written.
   */
  readonly laneOf?: (frame: Json) => string | undefined;
  /** Lanes, or what they begin with, of which only the last frame is written: how many there are is chance. */
  readonly lastOf?: readonly string[];
}

export class Socket {
  readonly ws: WebSocket;
  /** Objects, and binary frames as Buffers. */
  readonly frames: Json[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly #of: Transcript;
  readonly #options: SocketOptions;
  readonly #waiting = new Set<() => void>();
  #ref = 0;

  constructor(of: Transcript, ws: WebSocket, options: SocketOptions) {
    this.#of = of;
    this.ws = ws;
    this.#options = options;
    const wake = (): void => {
      for (const one of [...this.#waiting]) one();
    };
    ws.on('message', (data: Buffer, isBinary) => {
      this.frames.push(isBinary ? data : JSON.parse(data.toString()));
      wake();
    });
    ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      wake();
    });
    ws.on('error', () => undefined);
  }

  send(frame: object | string | Buffer): void {
    const shown = Buffer.isBuffer(frame) ? { base64: frame.toString('base64') } : frame;
    this.#of.write({ socket: this.#options.name, sends: shown });
    this.ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** Sends a request of /v1/ws and waits for its `ok` or `error`. */
  async ask(frame: object): Promise<Json> {
    this.#ref += 1;
    const ref = this.#ref;
    this.send({ ...frame, ref });
    return await this.gets((one) => one.ref === ref);
  }

  /** The first frame that fits, of all that came or come. */
  async gets(fits: (frame: Json) => boolean): Promise<Json> {
    return await this.#wait(() => this.frames.find((frame) => !Buffer.isBuffer(frame) && fits(frame)));
  }

  /** Waits until all that came is so. */
  async until(isSo: (frames: readonly Json[]) => boolean): Promise<void> {
    await this.#wait(() => (isSo(this.frames) ? true : undefined));
  }

  async closing(): Promise<{ readonly code: number; readonly reason: string }> {
    return await this.#wait(() => this.closed);
  }

  /** Closes it, if it is not closed yet, and writes down what came. */
  async end(): Promise<void> {
    const { name, laneOf = () => 'all', lastOf = [] } = this.#options;
    const isOurs = this.closed === undefined;
    if (isOurs) this.ws.close(1000);
    const closed = await this.closing();
    const lanes = new Map<string, Json[]>();
    let seq = 0;
    for (const frame of this.frames) {
      seq += 1;
      if (!Buffer.isBuffer(frame) && frame.seq !== undefined && frame.seq !== seq) {
        throw new Error(`The frame ${seq} says that it is ${frame.seq}.`);
      }
      const lane = laneOf(frame);
      if (lane !== undefined) lanes.set(lane, [...(lanes.get(lane) ?? []), frame]);
    }
    for (const lane of [...lanes.keys()].sort()) {
      const all = joined((lanes.get(lane) ?? []).map(readable));
      const shown = lastOf.some((one) => `${lane} `.startsWith(`${one} `)) ? all.slice(-1) : all;
      for (const gets of shown) this.#of.write({ socket: name, lane, gets });
    }
    this.#of.write({ socket: name, [isOurs ? 'is closed' : 'closes']: closed });
  }

  async #wait<T>(look: () => T | undefined, withinMs = 15_000): Promise<T> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || (this.closed !== undefined && this.ws.readyState === WebSocket.CLOSED)) {
        const last = this.frames.slice(-6).map((frame) => JSON.stringify(frame).slice(0, 400));
        throw new Error(`${this.#options.name}: it did not come. ${JSON.stringify(this.closed)} ${last.join('\n')}`);
      }
      await new Promise<void>((done) => {
        const timer = setTimeout(wake, leftMs);
        const waiting = this.#waiting;
        function wake(): void {
          clearTimeout(timer);
          waiting.delete(wake);
          done();
        }
        waiting.add(wake);
      });
    }
  }
}

const KINDS = ['', 'tty', 'stdout', 'stderr'];

/** A frame as it is written down: binary ones by their fields, the number of a frame left out (it was checked). */
function readable(frame: Json): Json {
  if (Buffer.isBuffer(frame)) {
    if (frame[0] !== 1 || frame.length < 36) return { bytes: frame.toString('base64') };
    return {
      binary: { version: frame[0], kind: KINDS[frame[1] ?? 0] },
      session: uuidOf(frame.subarray(20, 36)),
      offset: Number(frame.readBigUInt64BE(4)),
      text: frame.subarray(36).toString(),
    };
  }
  if (frame.seq === undefined) return frame;
  const isInput = frame.t === 'entry' && frame.kind === 'input';
  return { ...frame, seq: '<seq>', ...(isInput ? { offset: '<number>', position: '<behind>' } : {}) };
}

function uuidOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Output in as many pieces as it came in becomes one; a batch of events becomes one line for each; deltas become one. */
export function joined(frames: readonly Json[]): Json[] {
  const result: Json[] = [];
  for (const frame of frames.flatMap(apart)) {
    const last = result.at(-1);
    const whole = last === undefined ? undefined : together(last, frame);
    if (whole === undefined) result.push(frame);
    else result[result.length - 1] = whole;
  }
  return result;
}

const apart = (frame: Json): Json[] => {
  const { t, event, events, data } = frame;
  if (t === 'events') return events.map((one: Json) => ({ ...frame, events: [one], position: '<behind>' }));
  if (event === 'events')
    return data.events.map((one: Json) => ({ ...frame, id: '<behind>', data: { events: [one] } }));
  return [frame];
};

const has = (a: Json, b: Json, names: readonly string[]): boolean => names.every((name) => a[name] === b[name]);

function together(a: Json, b: Json): Json | undefined {
  if (a.binary !== undefined && b.binary !== undefined) {
    return a.binary.kind === b.binary.kind && a.session === b.session ? { ...a, text: a.text + b.text } : undefined;
  }
  // Events of /ws/session/:id.
  if (['stdout', 'stderr', 'replay'].includes(a.type) && typeof a.data === 'string' && has(a, b, ['type'])) {
    return { ...b, data: a.data + b.data };
  }
  // Events of /ws/pty-traffic.
  if (a.type === 'pty_event' && b.type === 'pty_event' && isOutput(a.event) && isOutput(b.event)) {
    if (!has(a.event, b.event, ['session', 'stream']) || a.id !== b.id) return undefined;
    const { response } = a.event;
    const { response_preview: _, ...event } = b.event;
    return { ...b, event: { ...event, offset: a.event.offset, response: response + b.event.response } };
  }
  // Events of output and of runs.
  if (a.event === 'output' && b.event === 'output' && a.data.kind === b.data.kind) {
    return { ...b, data: { ...a.data, text: a.data.text + b.data.text } };
  }
  // Events of OpenSandbox.
  if (['stdout', 'stderr'].includes(a.data?.type) && a.data?.type === b.data?.type) {
    return { ...b, data: { ...b.data, text: a.data.text + b.data.text } };
  }
  const [one, two] = [deltaOf(a), deltaOf(b)];
  if (one !== undefined && two !== undefined && two.replace !== true && has(one, two, ['run', 'stream'])) {
    const events = [{ ...one, text: one.text + two.text }];
    return a.t === undefined ? { ...b, data: { events } } : { ...b, events };
  }
  return undefined;
}

const isOutput = (event: Json): boolean =>
  typeof event.response === 'string' && event.command === undefined && event.is_final === false;
const deltaOf = (frame: Json): Json | undefined => {
  const [event] = frame.events ?? (frame.event === 'events' ? frame.data.events : []);
  return event?.type === 'delta' ? event : undefined;
};

/** Server-sent events, one line for each. */
export function eventsOf(text: string): object[] {
  const blocks = text.split('\n\n').filter((block) => /^(event|data|id):/m.test(block));
  const events = blocks.map((block) => {
    const field = (name: string): string | undefined => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1];
    const data = field('data') ?? '';
    const shown = /^[{["]/.test(data) ? JSON.parse(data) : data;
    const [event, id] = [field('event'), field('id')];
    return { ...(event === undefined ? {} : { event }), ...(id === undefined ? {} : { id }), data: shown };
  });
  const isInput = ({ event }: Json): boolean => event === 'input';
  // The order of input among output varies.
  const inputs = events
    .filter(isInput)
    .map((one) => ({ ...one, id: '<behind>', data: { ...one.data, offset: '<number>' } }));
  return [...joined(events.filter((one) => !isInput(one) && one.data.type !== 'ping')), ...inputs];
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string | Buffer;
  readonly until: ((text: string) => boolean) | undefined;
}

function send(url: string, { method, path, headers, body, until }: Sent): Promise<Reply> {
  const { hostname: host, port } = new URL(url);
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  return new Promise((done, failed) => {
    const outgoing = request(
      { host, port, path, method, headers: { ...length, ...headers }, agent: false },
      (incoming) => {
        readAll(incoming, until).then(done, failed);
      },
    );
    outgoing.on('error', failed);
    outgoing.end(body);
  });
}

async function readAll(incoming: IncomingMessage, until?: (text: string) => boolean): Promise<Reply> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) {
    chunks.push(chunk as Buffer);
    if (until?.(Buffer.concat(chunks).toString()) === true) break;
  }
  incoming.destroy();
  const bytes = Buffer.concat(chunks);
  const text = bytes.toString();
  const type = String(incoming.headers['content-type'] ?? '');
  if (type.startsWith('application/x-ndjson') && incoming.statusCode === 200) {
    const lines = text.split('\n').filter((line) => line !== '');
    return {
      status: 200,
      headers: incoming.headers,
      text,
      bytes,
      json: { lines: lines.map((line) => JSON.parse(line)) },
    };
  }
  const json = /^application\/([\w.]+\+)?json/.test(type) && text !== '' ? JSON.parse(text) : undefined;
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, text, bytes, json };
}

/** The package as it was built. */
const library = async (): Promise<typeof import('../../packages/server/src/index.ts')> =>
  await import(pathToFileURL(join(dirname(LIBRARY), 'index.js')).href);

export interface TranscriptOptions extends Partial<GatewayOptions> {
  /** Text of the config file. */
  readonly config?: object;
}

/** Opens a gateway in this process, on a fresh directory and a free port, whose transcript has that name. */
export async function openTranscript(
  name: string,
  { config, ...options }: TranscriptOptions = {},
): Promise<Transcript> {
  const root = mkdtempSync(join(tmpdir(), 'binnacle-golden-'));
  mkdirSync(join(root, 'work'));
  const configPath = join(root, 'config.jsonc');
  if (config !== undefined) writeFileSync(configPath, JSON.stringify(config), { mode: 0o600 });
  const { startGateway, VERSION } = await library();
  const all = {
    dataDir: join(root, 'data'),
    port: 0,
    endingTimes: { hupMs: 200, termMs: 200 },
    ...LATE_PROCESSES,
    logLevel: 'silent',
    // No program counts as idle because the machine is busy.
    activityTimes: { quietMs: 600_000 },
    ...(config === undefined ? {} : { configPath }),
    ...options,
  };
  return new Transcript(name, await startGateway(all), root, { version: VERSION, options: all });
}
