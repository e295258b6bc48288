// The Host and Origin headers that this gateway accepts. Protects against DNS rebinding and foreign web pages.

import type { IncomingMessage } from 'node:http';
import { BinnacleError } from '@binnacle/protocol';
import { PublicUrl } from './public-url.ts';

export interface HostOptions {
  /**
   * Host names that are served besides the loopback literals: `NAME` (with any port, because a proxy may have another
   * port) or `NAME:PORT` (exactly that port).
   */
  readonly names?: readonly string[];
  /**
   * Web origins that may send requests besides `http://HOST:PORT` of the served hosts, e.g. `https://box.example.org`.
   */
  readonly origins?: readonly string[];
  /** Public URL, whose host and origin are accepted as well. Default: a public URL that is not set. */
  readonly publicUrl?: PublicUrl;
}

const LOOPBACK: readonly string[] = ['127.0.0.1', 'localhost', '[::1]'];
/** Lower case only, no userinfo, no trailing dot, no leading zeros: exactly what browsers send. */
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_-])?)(?::([1-9][0-9]{0,4}))?$/;

export class Hosts {
  readonly publicUrl: PublicUrl;
  readonly #bare: ReadonlySet<string>;
  readonly #exact: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  /** Throws `bad_request` for a name or an origin that can never match. */
  constructor(options: HostOptions = {}) {
    const names = (options.names ?? []).map((name) => parseAuthority(name.toLowerCase()) ?? refuseName(name));
    this.#bare = new Set(names.filter(({ port }) => port === undefined).map(({ host }) => host));
    this.#exact = new Set(names.filter(({ port }) => port !== undefined).map(({ host, port }) => `${host}:${port}`));
    this.#origins = new Set((options.origins ?? []).map(parseOrigin));
    this.publicUrl = options.publicUrl ?? new PublicUrl();
  }

  /** Returns the Host of a request if this gateway serves it. Throws `bad_host`. */
  checkHost(request: IncomingMessage): string {
    // An absolute-form target has a host of its own, which overrides the header (RFC 9112, 3.2.2).
    if (!request.url?.startsWith('/')) {
      throw new BinnacleError('bad_host', {
        message: 'The request target must be a path.',
        hint: 'Binnacle is not a proxy; send the request to it directly.',
      });
    }
    const [value, ...more] = headerValues(request, 'host');
    if (value === undefined || more.length > 0) {
      throw new BinnacleError('bad_host', { message: 'The request must have exactly one Host header.' });
    }
    const authority = parseAuthority(value);
    if (authority === undefined || !this.#serves(authority, request.socket.localPort)) {
      const shown = value.slice(0, 100);
      throw new BinnacleError('bad_host', {
        message: `The Host header names "${shown}", which is not served here.`,
        hint: `Add it with serve --host-name ${authority === undefined ? 'NAME' : shown} if it is yours.`,
      });
    }
    return value;
  }

  /**
   * Returns the Origin of a request, or undefined without one. Throws `bad_origin` for an origin that is not allowed.
   */
  checkOrigin(request: IncomingMessage): string | undefined {
    const [origin, ...more] = headerValues(request, 'origin');
    if (origin === undefined) return undefined;
    const isAllowed =
      origin === this.publicUrl.origin || this.#origins.has(origin) || this.#isOwn(origin, request.socket.localPort);
    if (more.length === 0 && isAllowed) return origin;
    const shown = origin.slice(0, 100);
    throw new BinnacleError('bad_origin', {
      message: `Requests from the web origin "${shown}" are refused.`,
      ...(origin === 'null' ? { hint: 'Open the page from the gateway itself, not from a file or a sandbox.' } : {}),
    });
  }

  #serves({ host, port }: Authority, localPort: number | undefined): boolean {
    const named = port === undefined ? host : `${host}:${port}`;
    if (this.#exact.has(named) || this.#bare.has(host) || named === this.publicUrl.authority) return true;
    // A unix socket has no port, and no browser can reach it.
    return LOOPBACK.includes(host) && (port ?? (localPort === undefined ? undefined : 80)) === localPort;
  }

  // Refuses `http://NAME` without a port: that is any other server on port 80 of that machine.
  #isOwn(origin: string, localPort: number | undefined): boolean {
    if (!origin.startsWith('http://')) return false;
    const authority = parseAuthority(origin.slice('http://'.length));
    if (authority === undefined || authority.port === 80) return false;
    const { host, port = 80 } = authority;
    if (this.#exact.has(`${host}:${port}`)) return true;
    return port === localPort && (LOOPBACK.includes(host) || this.#bare.has(host));
  }
}

/** Returns every value of a header, in order of arrival. `request.headers` hides duplicates. */
export function headerValues(request: IncomingMessage, lowerName: string): string[] {
  const raw = request.rawHeaders;
  const values: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() === lowerName) values.push(raw[i + 1] ?? '');
  }
  return values;
}

interface Authority {
  readonly host: string;
  readonly port: number | undefined;
}

function parseAuthority(text: string): Authority | undefined {
  const match = AUTHORITY.exec(text);
  const host = match?.[1];
  if (host === undefined || host.includes('..')) return undefined;
  const port = match?.[2] === undefined ? undefined : Number(match[2]);
  return port !== undefined && port > 65535 ? undefined : { host, port };
}

function refuseName(name: string): never {
  throw new BinnacleError('bad_request', {
    message: `"${name}" is not a host name.`,
    hint: 'Pass NAME or NAME:PORT, without a scheme or a path.',
  });
}

function parseOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if ((url?.protocol === 'http:' || url?.protocol === 'https:') && (text === url.origin || text === url.href)) {
    return url.origin;
  }
  throw new BinnacleError('bad_request', {
    message: `"${text}" is not a web origin.`,
    hint: 'Pass scheme, host and port only, e.g. https://box.example.org.',
  });
}
