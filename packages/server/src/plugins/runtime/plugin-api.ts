// The API object for a plugin's entry: the calls of @binnacle/plugin, made of the two calls on the wire. Runs in the
// plugin's process, and enforces nothing.

import type {
  Driver,
  FetchAnswer,
  HookHandler,
  HookName,
  Json,
  PluginApi,
  Reply,
  RouteAnswer,
  RouteRequest,
  Turn,
  TurnOut,
} from '@binnacle/plugin';
import { defined } from '@binnacle/protocol';
import type { Offer } from '../offers/offers.ts';

export interface GatewayConnection {
  readonly id: string;
  readonly config: unknown;
  call(method: string, params?: unknown): Promise<unknown>;
  /** Sets a handler. Throws once the entry is loaded. */
  handle(method: string, handler: (params: unknown) => unknown): void;
  onStop(handler: () => unknown): void;
}

/** An invalid offer: another attempt would fail, too. */
export class OfferFault extends Error {}

const DEFAULT_HOOK_MS = 500;
const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** Makes the API object. `offers` grows while the entry is loaded. */
export function makeApi(line: GatewayConnection, offers: Offer[]): PluginApi {
  const handle: Handle = (method, handler) => line.handle(method, handler as (params: unknown) => unknown);
  const methods = new Set<string>();
  const offer: OfferOne = (one, others, method, handler) => {
    const name = method.slice(one.kind.length + 1);
    if (methods.has(method)) throw new OfferFault(`There are two ${one.kind}s "${name}".`);
    methods.add(method);
    handle(method, handler);
    // The gateway refuses unknown keys by name. Their values do not matter, and may not be plain data.
    offers.push({ ...Object.fromEntries(Object.keys(others).map((key) => [key, null])), ...one });
  };
  const ask = <T>(method: string, params: unknown): Promise<T> => line.call(method, params) as Promise<T>;
  return {
    id: line.id,
    config: line.config,
    onStop: (handler) => line.onStop(handler),
    tool({ name, title, description, input = { type: 'object' }, readOnly = false, run, ...others }) {
      called(run, 'tool', name, 'run', others);
      const one = { kind: 'tool', name, ...defined({ title }), description, input, readOnly } as const;
      offer(
        one,
        others,
        `tool:${name}`,
        ({ input: params, ...call }: { input: never; caller: string; via: 'mcp' | 'driver' }) => run(params, call),
      );
    },
    hook<On extends HookName>(
      on: On,
      handler: HookHandler<On>,
      options: { onFailure?: 'open' | 'closed'; deadlineMs?: number } = {},
    ) {
      const { onFailure = 'open', deadlineMs = DEFAULT_HOOK_MS, ...others } = options;
      called(handler, 'hook', on, 'handler', {});
      offer({ kind: 'hook', on, onFailure, deadlineMs }, others, `hook:${on}`, (event: never) => handler(event));
    },
    route(method, path, handler, { public: isPublic = false, ...others } = {}) {
      called(handler, 'route', `${method} ${path}`, 'handler', {});
      // `isPublic` is the name on the wire.
      if (Object.hasOwn(others, 'isPublic')) {
        throw new OfferFault(`The route "${method} ${path}": there is no \`isPublic\`; did you mean \`public\`?`);
      }
      offer(
        { kind: 'route', method, path, isPublic },
        others,
        `route:${method} ${path}`,
        async (request: Omit<RouteRequest, 'body'> & { body: string }) =>
          answerOf(await handler({ ...request, body: Buffer.from(request.body, 'base64') })),
      );
    },
    command({ name, description, run, ...others }) {
      called(run, 'command', name, 'run', others);
      offer({ kind: 'command', name, description }, others, `command:${name}`, run);
    },
    channel({ name, send, ...others }) {
      called(send, 'channel', name, 'send', others);
      offer({ kind: 'channel', name }, others, `channel:${name}`, (reply: Reply) => send(reply));
      return { receive: (message) => ask('channels', { channel: name, message }) };
    },
    driver(driver) {
      addDriver(driver, offer, handle, ask);
    },
    schedule({ name, everyMs, run, ...others }) {
      called(run, 'job', name, 'run', others);
      offer({ kind: 'job', name, everyMs }, others, `job:${name}`, neverTwice(run));
    },
    runCommandWithTimeout: (argv, options = {}) => ask('runCommandWithTimeout', { argv, ...options }),
    writeConfigFile: async (key, value) => void (await ask('writeConfigFile', { key, value })),
    readConfigFile: async (key) => absent(await ask<Json | null>('readConfigFile', { key })),
    async fetch(url, { method = 'GET', headers = {}, body } = {}) {
      const params = { url, method, headers: Object.entries(headers), ...defined({ body }) };
      return fetched(await ask('net', params));
    },
    notify: async (notice) => void (await ask('notify', notice)),
    sessions: {
      list: (page = {}) => ask('readSessions', { op: 'list', ...page }),
      get: (session) => ask('readSessions', { op: 'get', session }),
      read: (session, from) => ask('readSessions', { op: 'read', session, ...defined({ from }) }),
    },
    conversations: {
      list: (page = {}) => ask('readConversations', { op: 'list', ...page }),
      messages: (key, page = {}) => ask('readConversations', { op: 'messages', key, ...page }),
    },
    storage: {
      get: async (key) => absent(await ask<Json | null>('storage', { op: 'get', key })),
      set: async (key, value) => void (await ask('storage', { op: 'set', key, value })),
      delete: async (key) => void (await ask('storage', { op: 'delete', key })),
      keys: (prefix) => ask('storage', { op: 'keys', ...defined({ prefix }) }),
    },
  };
}

/** Throws OfferFault if the handler is not a function, perhaps because it stands under another name. */
function called(handler: unknown, kind: string, name: unknown, key: string, others: object): void {
  if (typeof handler === 'function') return;
  const instead = Object.keys(others)[0];
  const hint = instead === undefined ? '' : ` It has \`${instead}\`: did you mean \`${key}\`?`;
  throw new OfferFault(`The ${kind} "${String(name)}": \`${key}\` is not a function.${hint}`);
}

/** Prevents overlapping runs: the gateway waits for at most a minute, but a run may take longer. */
function neverTwice(run: () => unknown): () => Promise<unknown> {
  let running: Promise<unknown> | undefined;
  return () => {
    running ??= (async () => run())().finally(() => {
      running = undefined;
    });
    return running;
  };
}

/** Adds one offer. `others`: unknown keys, which the gateway refuses. */
type OfferOne = (one: Offer, others: object, method: string, handler: (params: never) => unknown) => void;
type Handle = (method: string, handler: (params: never) => unknown) => void;
type CallGateway = <T>(method: string, params: unknown) => Promise<T>;

function addDriver({ name, run, ...others }: Driver, offer: OfferOne, handle: Handle, ask: CallGateway): void {
  called(run, 'driver', name, 'run', others);
  const turns = new Map<string, AbortController>();
  offer(
    { kind: 'driver', name },
    others,
    `driver:${name}`,
    async ({ turn: id, ...turn }: Omit<Turn, 'id' | 'signal'> & { turn: string }) => {
      const abort = new AbortController();
      turns.set(id, abort);
      const out = new TurnOutputQueue((effects) => ask('turn', { driver: name, turn: id, effects }));
      try {
        const text = await run({ ...turn, id, signal: abort.signal }, out);
        // Output must arrive before the end.
        await out.sent;
        return text ?? null;
      } catch (error) {
        // The turn was aborted: errors after that are irrelevant.
        if (abort.signal.aborted) return null;
        throw error;
      } finally {
        turns.delete(id);
      }
    },
  );
  handle(`driver-abort:${name}`, ({ turn }: { turn: string }) => turns.get(turn)?.abort());
}

/** Sends the output of a turn in order. Output that arrives during a send goes with the next one. */
class TurnOutputQueue implements TurnOut {
  readonly #send: (effects: readonly object[]) => Promise<unknown>;
  #waiting: object[] = [];
  #sending: Promise<void> | undefined;
  #isRefused = false;

  constructor(send: (effects: readonly object[]) => Promise<unknown>) {
    this.#send = send;
  }

  /** Settles when everything is sent. Rejects with the gateway's error. */
  get sent(): Promise<void> {
    return this.#sending ?? Promise.resolve();
  }

  delta(text: string, stream: 'said' | 'thought' = 'said'): void {
    this.#add({ kind: 'delta', text, stream });
  }

  tool(call: Parameters<TurnOut['tool']>[0]): void {
    this.#add({ kind: 'tool', call });
  }

  #add(effect: object): void {
    if (this.#isRefused) return;
    this.#waiting.push(effect);
    if (this.#sending !== undefined) return;
    this.#sending = this.#pass();
    this.#sending.catch(() => {
      // The caller of `sent` gets the error. Later output would be refused, too.
      this.#isRefused = true;
      this.#waiting = [];
    });
  }

  async #pass(): Promise<void> {
    while (this.#waiting.length > 0) await this.#send(this.#waiting.splice(0, 100));
    this.#sending = undefined;
  }
}

/** Normalizes an answer; a string or bytes alone are the body. Throws for an invalid answer. */
function answerOf(answer: RouteAnswer | string | Uint8Array): object {
  if (typeof answer === 'string' || answer instanceof Uint8Array) return answerOf({ body: answer });
  if (typeof answer !== 'object' || answer === null) {
    throw new TypeError(`A route answers with a text or {status, headers, body}; this one answered ${String(answer)}.`);
  }
  const { status = 200, headers = {}, body = '', ...others } = answer;
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new TypeError(
      `A route answers with {status, headers, body}; there is no \`${other}\`. Is it a part of the body?`,
    );
  }
  const isBytes = body instanceof Uint8Array;
  const bytes = isBytes ? Buffer.from(body) : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const type = typeof body === 'string' ? TEXT_TYPE : isBytes ? 'application/octet-stream' : JSON_TYPE;
  return { status, headers: { 'content-type': type, ...lower(headers) }, body: bytes.toString('base64') };
}

const lower = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

function fetched(answer: { status: number; headers: Record<string, string>; body: string }): FetchAnswer {
  const body = Buffer.from(answer.body, 'base64');
  return { ...answer, body, text: () => body.toString('utf8'), json: () => JSON.parse(body.toString('utf8')) };
}

const absent = (value: Json | null): Json | undefined => value ?? undefined;
