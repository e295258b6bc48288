// Options of a client, with their defaults and the reasons for them.

import { BinnacleError, SteadyClock } from '@binnacle/protocol';
import { LoginKey } from './login-key.ts';
import { BACKOFF, type Backoff } from './reconnect.ts';

/** The part of a WebSocket that the client uses. Those of browsers, of Node and of the `ws` package fit. */
export interface WebSocketLike {
  /** Set to `arraybuffer`. */
  binaryType: string;
  /** Sends a text frame. */
  send(data: string): void;
  /** Begins the closing handshake. */
  close(code?: number, reason?: string): void;
  /** Adds a listener; the client removes none. */
  addEventListener(
    type: 'open' | 'message' | 'close' | 'error',
    listener: (event: { readonly type: string; readonly data?: unknown; readonly code?: number }) => void,
  ): void;
  /** Closes without the handshake, which a dead link would never answer. `ws` has it, browsers do not. */
  terminate?(): void;
}

/** Class of a WebSocket. The arguments behind the address are open, because `ws` and Node take `{ headers }` there. */
export type WebSocketClass = new (url: string, ...rest: never[]) => WebSocketLike;

/** Options of `connect`. Only `url` is required. */
export interface ClientOptions {
  /** Address of the gateway, such as `http://127.0.0.1:7117`. A path is kept, for gateways behind a proxy. */
  readonly url: string;
  /**
   * Secret of a token, sent as `Authorization: Bearer` and never in an address. Browsers leave it out and use `login`.
   */
  readonly token?: string;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Default: the global `WebSocket`. Node 20 has none: pass the class of the `ws` package. */
  readonly WebSocket?: WebSocketClass;
  /** Opens the socket, where a class is not enough. `headers` holds the token. */
  readonly makeSocket?: (url: string, headers: Readonly<Record<string, string>>) => WebSocketLike;
  /** Bytes that an attachment buffers for a slow consumer before it stops the gateway. Default 8 MiB. */
  readonly bufferBytes?: number;
  /** Bytes of input per session that may wait for a receipt; more throws `input_full`. Default 1 MiB. */
  readonly outboxBytes?: number;
  /** Milliseconds for a request, including the wait for a connection. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds from the opening of a socket to the gateway's `hello`. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Delays between attempts to connect. Default: 250 ms, doubling to 10 s, with full jitter. */
  readonly backoff?: Partial<Backoff>;
  /**
   * Clock for time-outs, in milliseconds. It must not go backwards. Default: a `SteadyClock`, which follows the
   * machine's clock after a sleep, so that a dead link shows at once, and ignores a clock that is set back.
   */
  readonly now?: () => number;
  /** Random numbers from 0 to 1, for the jitter. Default `Math.random`. */
  readonly random?: () => number;
}

/** Options with their defaults filled in. */
export interface Settings {
  /** The address without a slash at its end. */
  readonly base: string;
  /** Headers that carry the credentials: the token, or the key of the browser's login. */
  readonly headers: Readonly<Record<string, string>>;
  readonly key: LoginKey;
  readonly fetch: typeof fetch;
  readonly makeSocket: (url: string, headers: Readonly<Record<string, string>>) => WebSocketLike;
  readonly bufferBytes: number;
  readonly outboxBytes: number;
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly backoff: Backoff;
  readonly now: () => number;
  /** Unix time in milliseconds, compared with the gateway's clock. */
  readonly wall: () => number;
  readonly random: () => number;
}

export function settle(options: ClientOptions): Settings {
  const url = new URL(options.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new BinnacleError('bad_request', { message: `"${url.protocol}" is not the address of a gateway.` });
  // Browsers take a fetch that is called as a method of something else for an error.
  const ownFetch = options.fetch;
  const base = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  const { token } = options;
  const key = new LoginKey(base);
  const steady = new SteadyClock();
  return {
    base,
    key,
    get headers(): Readonly<Record<string, string>> {
      if (token !== undefined) return { Authorization: `Bearer ${token}` };
      const { value } = key;
      return value === undefined ? {} : { [KEY_HEADER]: value };
    },
    fetch: ownFetch ?? ((input, init) => globalThis.fetch(input, init)),
    makeSocket: options.makeSocket ?? socketMaker(options.WebSocket),
    // A screenful is 10 KiB; 8 MiB is a second of a fast flood, and small beside a browser tab.
    bufferBytes: options.bufferBytes ?? 8 * 1024 * 1024,
    // A large paste. What is more should come from a file.
    outboxBytes: options.outboxBytes ?? 1024 * 1024,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    backoff: { ...BACKOFF, ...options.backoff },
    now: options.now ?? (() => steady.now()),
    wall: options.now ?? (() => Date.now()),
    random: options.random ?? Math.random,
  };
}

/** Header for the key of a login. Pages cannot send headers with a WebSocket: there the key is a subprotocol. */
const KEY_HEADER = 'Binnacle-Key';

/** Returns the address of a WebSocket. Default: the shared one. */
export const socketUrl = (base: string, path = '/v1/ws'): string => `${base.replace(/^http/, 'ws')}${path}`;

function socketMaker(ownClass: WebSocketClass | undefined): Settings['makeSocket'] {
  return (url, headers) => {
    const Socket = (ownClass ?? globalThis.WebSocket) as
      | (new (
          url: string,
          options?: { headers: typeof headers } | readonly string[],
        ) => WebSocketLike)
      | undefined;
    if (Socket === undefined) {
      throw new BinnacleError('bad_request', {
        message: 'There is no WebSocket here.',
        hint: 'Pass { WebSocket } of the ws package; Node has its own from version 22 on.',
      });
    }
    // `ws` and Node's own take { headers } here; browsers take no headers at all.
    if (headers.Authorization !== undefined) return new Socket(url, { headers });
    const key = headers[KEY_HEADER];
    return key === undefined ? new Socket(url) : new Socket(url, ['binnacle', `binnacle.key.${key}`]);
  };
}
