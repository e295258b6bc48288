// The two halves of a browser login in a request: a cookie, which a browser sends to every port of a host, and a key,
// which only the page of one origin has.

import type { IncomingMessage } from 'node:http';
import { pathOf } from '../base/request-path.ts';
import { isOwnSecret } from '../data-dir/admin-token.ts';
import { headerValues } from './host-origin.ts';
import { offeredSecret } from './subprotocol.ts';

const isRead = (request: IncomingMessage): boolean => request.method === 'GET' || request.method === 'HEAD';

/** Header of the key. Pages store the key in localStorage, which browsers separate by scheme, host and port. */
const KEY_HEADER = 'binnacle-key';
/** Subprotocol of the key: pages send no headers with a WebSocket. */
const KEY_PROTOCOL = 'binnacle.key.';
/** Query parameter of a one-time pass, which replaces the key in a download: pages send no header there either. */
const PASS = 'pass';

/** Parts of a browser login in a request. All have the gateway's format; none is verified. */
export interface LoginParts {
  /** Every cookie of the name: other ports of this host can set more. */
  readonly cookies: readonly string[];
  readonly key: string | undefined;
  readonly pass: string | undefined;
}

/** Returns the parts of a login; undefined without any, or without the Origin that a browser would have sent. */
export function loginPartsOf(
  request: IncomingMessage,
  origin: string | undefined,
  upgrade: boolean,
): LoginParts | undefined {
  const cookies = readCookies(request);
  const offered = offeredSecret(request, KEY_PROTOCOL);
  const keys = [...headerValues(request, KEY_HEADER), ...(offered === undefined ? [] : [offered])];
  const key = keys.length === 1 && keys[0] !== undefined && isOwnSecret(keys[0]) ? keys[0] : undefined;
  const pass = upgrade || !isRead(request) ? undefined : passOf(request);
  if (cookies.length === 0 && key === undefined && pass === undefined) return undefined;
  // A browser sends an Origin with every WebSocket and with every request but plain reads.
  return origin === undefined && (upgrade || !isRead(request)) ? undefined : { cookies, key, pass };
}

/** Returns the target of a pass: the request target without the pass. */
export function targetOf(request: Pick<IncomingMessage, 'url'>): string {
  const query = queryOf(request);
  query.delete(PASS);
  return pathOf(request.url) + (query.size === 0 ? '' : `?${query.toString()}`);
}

function passOf(request: IncomingMessage): string | undefined {
  const [pass, ...more] = queryOf(request).getAll(PASS);
  return pass !== undefined && more.length === 0 && isOwnSecret(pass) ? pass : undefined;
}

const queryOf = ({ url = '' }: Pick<IncomingMessage, 'url'>): URLSearchParams =>
  new URLSearchParams(url.split('?').slice(1).join('?'));

// Browsers do not separate cookies by port, so the name contains the port. A unix socket serves no browsers.
const cookieName = (request: IncomingMessage): string => `binnacle_${request.socket.localPort ?? 'local'}`;

function readCookies(request: IncomingMessage): string[] {
  const prefix = `${cookieName(request)}=`;
  const values = headerValues(request, 'cookie')
    .flatMap((header) => header.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(prefix))
    .map((pair) => pair.slice(prefix.length));
  return [...new Set(values.filter(isOwnSecret))];
}

/** `base`: the URL by which the browser reaches this gateway, without a slash at the end. */
export function cookieText(request: IncomingMessage, value: string, maxAgeS: number, base: string): string {
  const { protocol, pathname } = new URL(`${base}/`);
  const secure = protocol === 'https:' ? '; Secure' : '';
  return `${cookieName(request)}=${value}; Path=${pathname}; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}${secure}`;
}
