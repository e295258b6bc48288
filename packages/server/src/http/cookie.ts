// The cookie of a browser login: what it is called, when it counts, and how it is read and set. Knows no secret.

import type { IncomingMessage } from 'node:http';
import { headerValues } from './host-origin.ts';

export const isRead = (request: IncomingMessage): boolean => request.method === 'GET' || request.method === 'HEAD';

/**
 * A browser sends cookies by itself, also on behalf of foreign pages. They count only where the browser says that
 * the page is ours: an allowed Origin (a foreign one was refused before), or no Origin on a plain read that is
 * marked as same-origin. A WebSocket always has an Origin when a browser opens it.
 */
export function cookieCounts(request: IncomingMessage, origin: string | undefined, upgrade: boolean): boolean {
  if (origin !== undefined) return true;
  if (upgrade || !isRead(request)) return false;
  const site = headerValues(request, 'sec-fetch-site').join();
  // Browsers send it to https and loopback only. On a plain address in the LAN our own header stands in: a foreign page
  // cannot send it without asking first, and we never say yes.
  return site === 'same-origin' || (site === '' && headerValues(request, 'x-binnacle').join() === '1');
}

// Cookies are not separated by port, so the name is. A unix socket serves no browsers.
const cookieName = (request: IncomingMessage): string => `binnacle_${request.socket.localPort ?? 'local'}`;

/** Undefined as well when there are two: then something else on this host has set one of them. */
export function readCookie(request: IncomingMessage): string | undefined {
  const prefix = `${cookieName(request)}=`;
  const found = headerValues(request, 'cookie')
    .flatMap((header) => header.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(prefix));
  return found.length === 1 ? found[0]?.slice(prefix.length) : undefined;
}

export function cookieText(
  request: IncomingMessage,
  value: string,
  maxAgeS: number,
  origin: string | undefined,
): string {
  const secure = origin?.startsWith('https://') === true ? '; Secure' : '';
  return `${cookieName(request)}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}${secure}`;
}
