// Access to a gateway, in this process or in its own: requests, sockets, clients, sessions.

import { type Binnacle, connect } from '@binnacle/client';
import type { SessionInfo } from '@binnacle/protocol';
import { WebSocket } from 'ws';
import { type Frames, openFrames } from './wire.ts';

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

export abstract class GatewayAccess {
  /** The data directory. */
  readonly dir: string;
  readonly #clients: Binnacle[] = [];
  readonly #frames: Frames[] = [];
  #client: Binnacle | undefined;

  constructor(dir: string) {
    this.dir = dir;
  }

  abstract get url(): string;
  /** The token of the admin. */
  abstract get token(): string;

  /** Our client, as the admin. */
  get client(): Binnacle {
    this.#client ??= this.connect();
    return this.#client;
  }

  /** Another client of the same gateway. */
  connect({ token = this.token }: { token?: string } = {}): Binnacle {
    const client = connect({ url: this.url, token, makeSocket: socketOf });
    this.#clients.push(client);
    return client;
  }

  /** Calls `fetch` with the admin token. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.url + path, { ...init, headers: { authorization: `Bearer ${this.token}`, ...init.headers } });
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
    this.#frames.push(frames);
    return frames;
  }

  /** A token of less scope. */
  async tokenOf(scope: string): Promise<{ readonly id: string; readonly token: string }> {
    return (await this.ask('/v1/tokens', { body: { name: `a ${scope}er`, scope } })).json;
  }

  /** Closes the clients and the sockets that were opened here. */
  protected disconnect(): void {
    for (const client of this.#clients) client.close();
    for (const frames of this.#frames) frames.ws.terminate();
  }

  /** Deletes all conversations and sessions, so that no program and no runner goes on. */
  protected async endSessions(): Promise<void> {
    // The agents of conversations are sessions that no list shows.
    for (;;) {
      const { json, text } = await this.ask('/v1/conversations?limit=200');
      if (json?.conversations === undefined) throw new Error(text);
      const keys = (json.conversations as { key: string }[]).map(({ key }) => encodeURIComponent(key));
      if (keys.length === 0) break;
      await Promise.all(keys.map((key) => this.ask(`/v1/conversations/${key}`, { method: 'DELETE' })));
    }
    const { json, text } = await this.ask('/v1/sessions?limit=1000');
    if (json?.sessions === undefined) throw new Error(text);
    const ids = (json.sessions as { id: string }[]).map(({ id }) => id);
    await Promise.all(ids.map((id) => this.ask(`/v1/sessions/${id}`, { method: 'DELETE' })));
  }
}

/** The `ws` package carries the token in a header, which Node 20 has no WebSocket of its own for. */
export const socketOf = (url: string, headers: Record<string, string>) => new WebSocket(url, { headers });
