// A gateway as a process of its own, with options that `serve` has no flag for: short times, small limits, environment.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { SessionInfo } from '@binnacle/protocol';
import type { GatewayOptions } from '../../packages/server/src/gateway-options.ts';
import { type Frames, openFrames } from './frames.fixture.ts';

const LIBRARY = resolve(import.meta.dirname, '../../packages/server/dist/gateway.js');
/** Runs what was built, in a process that a test may kill. */
const scriptOf = (library: string): string => `
  const { startGateway } = await import(${JSON.stringify(library)});
  const gateway = await startGateway(JSON.parse(process.argv[1]));
  process.on('SIGTERM', () => gateway.close().then(() => process.exit(0)));
  process.stdout.write(JSON.stringify({ url: gateway.url, token: gateway.adminToken }) + '\\n');
`;

export interface Ask {
  readonly method?: string;
  /** Sent as it is when text or bytes, else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Null: none. Default: the admin's. */
  readonly token?: string | null;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it has asked for.
  readonly json: any;
  /** The code of the error, if it is one. */
  readonly code: string | undefined;
}

export class GatewayProcess {
  readonly dir: string;
  readonly options: Partial<GatewayOptions>;
  readonly env: Readonly<Record<string, string>>;
  readonly #library: string;
  #child: ChildProcess | undefined;
  #sockets: Frames[] = [];
  url = '';
  token = '';
  /** Everything that it has written to stderr. */
  stderr = '';

  constructor(options: Partial<GatewayOptions>, env: Readonly<Record<string, string>>, library = LIBRARY) {
    this.dir = mkdtempSync(join(tmpdir(), 'binnacle-steering-'));
    this.options = options;
    this.env = env;
    this.#library = library;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  async start(): Promise<void> {
    const port = this.url === '' ? 0 : Number(new URL(this.url).port);
    const options = { dataDir: this.dir, port, ...this.options };
    const args = ['--input-type=module', '-e', scriptOf(this.#library), JSON.stringify(options)];
    const env = { ...process.env, ...this.env };
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stderr.on('data', (bytes) => {
      this.stderr += String(bytes);
    });
    const failed = once(child, 'exit').then(() => {
      throw new Error(`The gateway did not start: ${this.stderr}`);
    });
    failed.catch(() => undefined);
    const [bytes] = await Promise.race([once(child.stdout, 'data'), failed]);
    Object.assign(this, JSON.parse(String(bytes)));
  }

  /** SIGKILL, as a crash would. Programs go on. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#gone();
  }

  async ask(path: string, { method, body, headers = {}, token = this.token }: Ask = {}): Promise<Reply> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array || body === undefined;
    const response = await fetch(this.url + path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(isRaw ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isRaw ? (body as string) : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    const json = isJson && text !== '' ? JSON.parse(text) : undefined;
    // The routes of the sandbox daemon say it in its shape, and in capitals.
    const code = json?.error?.code ?? json?.code?.toLowerCase?.();
    return { status: response.status, headers: response.headers, text, json, code };
  }

  /** Starts a program; fails unless it runs. */
  async create(body: object = {}): Promise<SessionInfo> {
    const { status, json, text } = await this.ask('/v1/sessions', { body });
    if (status !== 201) throw new Error(`It was not started: ${text}`);
    return json;
  }

  async info(id: string): Promise<SessionInfo> {
    return (await this.ask(`/v1/sessions/${id}`)).json;
  }

  /** All output so far, as text. */
  async output(id: string): Promise<string> {
    return (await this.ask(`/v1/sessions/${id}/output`)).text;
  }

  /** Waits until `wanted` is in the output, and returns all of it. */
  async seen(id: string, wanted: string | RegExp, withinMs = 10_000): Promise<string> {
    const deadline = performance.now() + withinMs;
    let text = '';
    let next = 0;
    while (!(typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text))) {
      if (performance.now() > deadline) throw new Error(`No ${wanted} in ${JSON.stringify(text.slice(-2000))}`);
      const { text: more, headers } = await this.ask(`/v1/sessions/${id}/output?since=${next}&wait=500`);
      text += more;
      next = Number(headers.get('binnacle-next-offset') ?? next);
    }
    return text;
  }

  input(id: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    return this.ask(`/v1/sessions/${id}/input`, { method: 'POST', body, headers });
  }

  /** Resolves once the session is closed. */
  async closed(id: string): Promise<SessionInfo> {
    await this.ask(`/v1/sessions/${id}/output?follow=1&since=0`);
    return this.info(id);
  }

  /** A WebSocket; resolves when it is open. */
  async frames(path = '/v1/ws', token = this.token): Promise<Frames> {
    const frames = await openFrames(this.url + path, token);
    this.#sockets.push(frames);
    return frames;
  }

  /** A token of less scope. */
  async tokenOf(scope: string): Promise<{ readonly id: string; readonly token: string }> {
    return (await this.ask('/v1/tokens', { body: { name: `a ${scope}er`, scope } })).json;
  }

  async close(): Promise<void> {
    for (const frames of this.#sockets) frames.ws.terminate();
    if (this.#child?.exitCode !== null || this.#child.signalCode !== null) await this.start();
    const { sessions } = (await this.ask('/v1/sessions?limit=1000')).json as { sessions: { id: string }[] };
    await Promise.all(sessions.map(({ id }) => this.ask(`/v1/sessions/${id}`, { method: 'DELETE' })));
    this.#child?.kill('SIGTERM');
    await this.#gone();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #gone(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}

/** `library`: of another installation than ours. */
export async function openGatewayProcess(
  options: Partial<GatewayOptions> = {},
  env: Readonly<Record<string, string>> = {},
  library = LIBRARY,
): Promise<GatewayProcess> {
  const gateway = new GatewayProcess({ endingTimes: { hupMs: 200, termMs: 200 }, ...options }, env, library);
  await gateway.start();
  return gateway;
}

/** Waits for a condition; fails with its name. Polls, because what is waited for is another process. */
export async function until(name: string, isSo: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain until ${name}.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
