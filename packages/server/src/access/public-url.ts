// The address of this gateway as others see it: what links begin with, behind a proxy and below a path. Knows no route.

import type { IncomingMessage } from 'node:http';
import { BinnacleError } from '@binnacle/protocol';

interface Address {
  /** Scheme, host and port, as browsers spell it. */
  readonly origin: string;
  /** Host and port, without the usual port of the scheme: what a Host header says. */
  readonly authority: string;
  /** Beginning of all paths: empty, or `/binnacle`. */
  readonly path: string;
}

/** Plain names only: every proxy, router and cookie spells them in the same way. */
const PATH = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*\/?$/;

/**
 * The public URL of a gateway (`serve --public-url`, else the config file's `publicUrl`), and what follows from it for a
 * request. Without one a request itself tells how it reached us.
 *
 * @example
 * const url = new PublicUrl('https://box.example.org:8443/binnacle/');
 * url.linkBase(request); // 'https://box.example.org:8443/binnacle'
 */
export class PublicUrl {
  readonly #given: Address | undefined;
  #configured: Address | undefined;

  /** `given`: of the command line, which wins over the config file. Throws `bad_request` for what is no such address. */
  constructor(given?: string) {
    this.#given = given === undefined ? undefined : parsePublicUrl(given);
    this.#configured = undefined;
  }

  /** Takes the config file's over. Throws `bad_request` for what is no such address. */
  configure(url: string | undefined): void {
    this.#configured = url === undefined ? undefined : parsePublicUrl(url);
  }

  /** Scheme, host and port; undefined where no public URL was set. */
  get origin(): string | undefined {
    return this.#address?.origin;
  }

  /** Host and port, as a Host header names them; undefined where no public URL was set. */
  get authority(): string | undefined {
    return this.#address?.authority;
  }

  /** Beginning of paths when a proxy does not take it away: empty, or `/binnacle`. */
  get path(): string {
    return this.#address?.path ?? '';
  }

  /** The whole address without a slash at the end; undefined where no public URL was set. */
  get href(): string | undefined {
    return this.#address === undefined ? undefined : this.#address.origin + this.#address.path;
  }

  /**
   * The base URL by which the sender of a request reaches us, without a slash at the end: the public URL where the
   * request came by that, `http://127.0.0.1:7117` where it came directly. Host and Origin must have been checked.
   */
  baseOf(request: IncomingMessage): string {
    const address = this.#address;
    if (address !== undefined && this.isPublic(request)) return address.origin + address.path;
    const { host = '' } = request.headers;
    // A browser says how it reached us. Of others a proxy with TLS says it; else it was plain HTTP.
    const scheme = request.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
    return request.headers.origin ?? `${scheme}://${host}`;
  }

  /** Returns the beginning of links that are opened elsewhere, without a slash at the end: public URL or `baseOf`. */
  linkBase(request: IncomingMessage): string {
    return this.href ?? this.baseOf(request);
  }

  /** Whether a request came by the public URL. A proxy may have replaced the Host, and say so. */
  isPublic({ headers }: IncomingMessage): boolean {
    const address = this.#address;
    if (address === undefined) return false;
    if (headers.origin !== undefined) return headers.origin === address.origin;
    return headers.host === address.authority || headers['x-forwarded-host'] === address.authority;
  }

  /**
   * Takes the path of the public URL off a request target, where a proxy has passed it on. Returns where a browser has to be
   * sent instead: the address of the page ends in a slash, or what it links to would be elsewhere.
   */
  strip(request: IncomingMessage): string | undefined {
    const { path } = this;
    const { url = '/' } = request;
    if (path === '' || !url.startsWith(path)) return undefined;
    const rest = url.slice(path.length);
    if (rest.startsWith('/')) request.url = rest;
    return rest === '' || rest.startsWith('?') ? `${path}/${rest}` : undefined;
  }

  get #address(): Address | undefined {
    return this.#given ?? this.#configured;
  }
}

/** Throws `bad_request` for anything but scheme, host, maybe port, maybe a path of plain names. */
export function parsePublicUrl(text: string): Address {
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
    return false; // what it throws is for who passed it on the command line
  }
};

const refused = (text: string): BinnacleError =>
  new BinnacleError('bad_request', {
    message: `"${text.slice(0, 200)}" is no public URL.`,
    hint: 'Pass scheme, host, and if need be port and path, e.g. https://box.example.org:8443/binnacle/.',
  });
