// What a client is told at its beginning, with the defaults and their reasons. Opens nothing by itself.

import { BinnacleError, SteadyClock } from '@binnacle/protocol';
import { LoginKey } from './login-key.ts';
import { BACKOFF, type Backoff } from './reconnect.ts';

/** What the client needs of a WebSocket. Browsers', Node's own and the `ws` package's all fit. */
export interface WebSocketLike {
  binaryType: string;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(
    type: 'open' | 'message' | 'close' | 'error',
    listener: (event: { readonly type: string; readonly data?: unknown; readonly code?: number }) => void,
  ): void;
  /** `ws` only: lets go without the closing handshake, which a dead link would never answer. */
  terminate?(): void;
}

/** What follows the address differs (`ws` and Node take `{ headers }` there), so nothing is said about it. */
export type WebSocketClass = new (url: string, ...rest: never[]) => WebSocketLike;

export interface ClientOptions {
  /** The gateway, e.g. `http://127.0.0.1:7117`. A path before `/v1` is kept, for gateways behind a proxy. */
  readonly url: string;
  /** Sent as `Authorization: Bearer`, never in an address. Leave it out in browsers: `login` does it there. */
  readonly token?: string;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Default: the global `WebSocket`. Node 20 has none: pass the class of the `ws` package. */
  readonly WebSocket?: WebSocketClass;
  /** Makes the socket, where `WebSocket` is not enough. `headers` holds the token. */
  readonly makeSocket?: (url: string, headers: Readonly<Record<string, string>>) => WebSocketLike;
  /** Bytes that an attachment keeps for a slow consumer before it stops the server. Default 8 MiB. */
  readonly bufferBytes?: number;
  /** Bytes of input that may wait for a receipt, per session; more is `input_full`. Default 1 MiB. */
  readonly outboxBytes?: number;
  /** Milliseconds that a request may take, waiting for a connection included. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds from opening a socket to the gateway's hello. Default 10,000. */
  readonly connectTimeoutMs?: number;
  readonly backoff?: Partial<Backoff>;
  /**
   * Milliseconds since 1970, never back. Default: a `SteadyClock`, which follows the machine's clock behind a sleep, so
   * that a dead link shows at once, and not where it is set back, so that a dead link shows at all.
   */
  readonly now?: () => number;
  /** 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

export interface Settings {
  /** Without a slash at the end. */
  readonly base: string;
  /** Headers that say who is asking now: the token, or the key of the browser's login. */
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
  /** Time of day as `Date.now` says it; compared with the gateway's clock. */
  readonly wall: () => number;
  readonly random: () => number;
}

export function settle(options: ClientOptions): Settings {
  const url = new URL(options.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new BinnacleError('bad_request', { message: `"${url.protocol}" is no address of a gateway.` });
  // Browsers take a fetch that is called as a method of something else for an error.
  const given = options.fetch;
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
    fetch: given ?? ((input, init) => globalThis.fetch(input, init)),
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

/** Header of the gateway for the key. Pages send no headers with a WebSocket: there the key is a subprotocol. */
const KEY_HEADER = 'Binnacle-Key';

/** The address of the multiplexed WebSocket. */
export const socketUrl = (base: string): string => `${base.replace(/^http/, 'ws')}/v1/ws`;

function socketMaker(given: WebSocketClass | undefined): Settings['makeSocket'] {
  return (url, headers) => {
    const Socket = (given ?? globalThis.WebSocket) as
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
