// The public address of this gateway: the beginning of its links, also behind a proxy and below a path.

import type { IncomingMessage } from 'node:http';
import { BinnacleError } from '@binnacle/protocol';

interface PublicAddress {
  /** Scheme, host and port, as browsers spell them. */
  readonly origin: string;
  /** Host and port as in a Host header: without the default port of the scheme. */
  readonly authority: string;
  /** Prefix of all paths: empty, or `/binnacle`. */
  readonly path: string;
}

/** Plain names only: every proxy, router and cookie spells them in the same way. */
const PATH = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*\/?$/;

/**
 * The public URL of a gateway (`serve --public-url`, else the config file's `publicUrl`), and what follows for a
 * request. Without a public URL, the address comes from the request itself.
 *
 * @example
 * const url = new PublicUrl('https://box.example.org:8443/binnacle/');
 * url.linkBase(request); // 'https://box.example.org:8443/binnacle'
 */
export class PublicUrl {
  readonly #fromOptions: PublicAddress | undefined;
  #configured: PublicAddress | undefined;

  /** `url`: from the command line, which overrides the config file. Throws `bad_request` for an invalid address. */
  constructor(url?: string) {
    this.#fromOptions = url === undefined ? undefined : parsePublicUrl(url);
    this.#configured = undefined;
  }

  /** Applies the config file's public URL. Throws `bad_request` for an invalid address. */
  configure(url: string | undefined): void {
    this.#configured = url === undefined ? undefined : parsePublicUrl(url);
  }

  /** Scheme, host and port; undefined without a public URL. */
  get origin(): string | undefined {
    return this.#address?.origin;
  }

  /** Host and port as in a Host header; undefined without a public URL. */
  get authority(): string | undefined {
    return this.#address?.authority;
  }

  /** Prefix of paths if a proxy does not strip it: empty, or `/binnacle`. */
  get path(): string {
    return this.#address?.path ?? '';
  }

  /** The whole address without a slash at the end; undefined without a public URL. */
  get href(): string | undefined {
    return this.#address === undefined ? undefined : this.#address.origin + this.#address.path;
  }

  /**
   * Returns the base URL by which the sender of a request reaches this gateway, without a slash at the end: the public
   * URL if the request came by it, `http://127.0.0.1:7117` if it came directly. Check Host and Origin first.
   */
  baseOf(request: IncomingMessage): string {
    const address = this.#address;
    if (address !== undefined && this.isPublic(request)) return address.origin + address.path;
    const { host = '' } = request.headers;
    // A browser names its scheme in Origin. For other clients a proxy with TLS names it; without either it is plain
    // HTTP.
    const scheme = request.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
    return request.headers.origin ?? `${scheme}://${host}`;
  }

  /** Returns the beginning of links that are opened elsewhere, without a slash at the end: public URL or `baseOf`. */
  linkBase(request: IncomingMessage): string {
    return this.href ?? this.baseOf(request);
  }

  /**
   * True if a request came by the public URL. A proxy may replace Host, and name the original in `x-forwarded-host`.
   */
  isPublic({ headers }: IncomingMessage): boolean {
    const address = this.#address;
    if (address === undefined) return false;
    if (headers.origin !== undefined) return headers.origin === address.origin;
    return headers.host === address.authority || headers['x-forwarded-host'] === address.authority;
  }

  /**
   * Strips the path of the public URL from a request target, if a proxy has passed the path on. Returns a redirect
   * target for the page's address without its final slash, where relative links would resolve elsewhere.
   */
  strip(request: IncomingMessage): string | undefined {
    const { path } = this;
    const { url = '/' } = request;
    if (path === '' || !url.startsWith(path)) return undefined;
    const rest = url.slice(path.length);
    if (rest.startsWith('/')) request.url = rest;
    return rest === '' || rest.startsWith('?') ? `${path}/${rest}` : undefined;
  }

  get #address(): PublicAddress | undefined {
    return this.#fromOptions ?? this.#configured;
  }
}

/** Throws `bad_request` for anything but scheme, host, optional port and optional path of plain names. */
export function parsePublicUrl(text: string): PublicAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (url === undefined || !isWeb || url.username + url.password + url.search + url.hash !== '') throw refused(text);
  if (!PATH.test(url.pathname)) throw refused(text);
  return { origin: url.origin, authority: url.host, path: url.pathname.replace(/\/$/, '') };
}

export const isPublicUrl = (text: string): boolean => {
  try {
    parsePublicUrl(text);
    return true;
  } catch {
    return false; // the text of the error is meant for the command line
  }
};

const refused = (text: string): BinnacleError =>
  new BinnacleError('bad_request', {
    message: `"${text.slice(0, 200)}" is not a public URL.`,
    hint: 'Pass scheme, host, and if needed port and path, e.g. https://box.example.org:8443/binnacle/.',
  });
