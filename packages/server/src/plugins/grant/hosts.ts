// Hosts in network grants, and the targets of URLs, in one canonical form, so that they can be compared. Resolves no
// names.

import { isIP } from 'node:net';
import { canonicalAddress, kindOfAddress } from '../../base/addresses.ts';

/** A host item. `*`: any public host. `*.example.org`: all names below it, at any depth, but not the name itself. */
export interface HostItem {
  readonly isWild: boolean;
  /** '' for `*` alone. IPv6 without brackets. */
  readonly host: string;
  /** Undefined: the default port of the scheme. */
  readonly port: number | undefined;
}

export interface Endpoint {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** True for the default port of the scheme. */
  readonly isUsualPort: boolean;
}

/** Pattern of an item: only what a URL parser also reads as a host and a port. */
const ITEM = /^(\*\.)?(\[[0-9a-fA-F:.]+\]|[^\s:/?#@\\[\]%*<>^|]+)(?::([1-9][0-9]{0,4}))?$/u;
const ALL = /^\*(?::([1-9][0-9]{0,4}))?$/;

/** Parses an item of the config file. Returns a reason, for people, if it is invalid. */
export function readHostItem(text: string): HostItem | string {
  const all = ALL.exec(text);
  const parts = ITEM.exec(text);
  if (all === null && parts === null) return 'a host is NAME, NAME:PORT, *.NAME or [IPv6]:PORT: no scheme, no path';
  const portText = (all ?? parts)?.[all === null ? 3 : 1];
  const port = portText === undefined ? undefined : Number(portText);
  if (port !== undefined && port > 65_535) return 'there is no such port';
  if (parts === null) return { isWild: true, host: '', port };
  const host = canonicalHost(parts[2] ?? '');
  if (host === undefined) return 'that is not a host name';
  const isWild = parts[1] !== undefined;
  if (isIP(host) === 0) {
    if (isWild && !host.includes('.')) return 'a wildcard needs two names behind it: *.example.org';
    return { isWild, host, port };
  }
  if (isWild) return 'an address has no wildcard';
  const kind = kindOfAddress(host);
  if (kind === 'never') return 'no plugin may go there: metadata services, link-local and reserved addresses';
  if (kind !== 'public' && port === undefined) return `name the port as well: ${spellHost(host)}:PORT`;
  return { isWild, host, port };
}

export function spellHostItem({ isWild, host, port }: HostItem): string {
  const name = host === '' ? '*' : `${isWild ? '*.' : ''}${spellHost(host)}`;
  return port === undefined ? name : `${name}:${port}`;
}

/** Returns the narrowest item that reaches a place, or a reason why there is none. */
export const itemFor = (place: Endpoint): HostItem | string => {
  // For an address the port is always named, because it may be an address of this machine.
  const isNamed = !place.isUsualPort || isIP(place.host) !== 0;
  return readHostItem(`${spellHost(place.host)}${isNamed ? `:${place.port}` : ''}`);
};

/**
 * Returns whether an item reaches a place, by its name alone. The addresses of the name are checked when it is
 * resolved.
 */
export function reaches(item: HostItem, place: Endpoint, own: ReadonlySet<string>): boolean {
  const isPort = item.port === undefined ? place.isUsualPort : item.port === place.port;
  if (!isPort) return false;
  const address = canonicalAddress(place.host);
  if (address !== undefined && kindOfAddress(address, own) !== 'public') {
    return !item.isWild && item.host === address && item.port !== undefined;
  }
  if (!item.isWild) return item.host === place.host;
  return item.host === '' || (address === undefined && place.host.endsWith(`.${item.host}`));
}

/** Returns whether `granted` includes all of `requested`. */
export function coversHost(granted: HostItem, requested: HostItem): boolean {
  if (granted.port !== requested.port) return false;
  if (!granted.isWild) return !requested.isWild && granted.host === requested.host;
  if (granted.host === '') return isIP(requested.host) === 0 || kindOfAddress(requested.host) === 'public';
  if (requested.isWild && requested.host === granted.host) return true;
  return isIP(requested.host) === 0 && requested.host.endsWith(`.${granted.host}`);
}

/**
 * Returns the host as the resolver gets it: lower case, punycode, dotted numbers, no dot at the end; addresses without
 * brackets. Parsed by `URL`, so that no later parser of the URL can see another host.
 */
export function canonicalHost(text: string): string | undefined {
  const url = `http://${text}/`;
  if (!URL.canParse(url)) return undefined;
  const read = new URL(url);
  if (read.pathname !== '/' || read.username !== '' || read.password !== '' || read.port !== '') return undefined;
  const host = read.hostname.replace(/\.$/, '');
  const address = canonicalAddress(host);
  if (address !== undefined) return address;
  const isName = host.length <= 253 && host.split('.').every((label) => /^[^.]{1,63}$/.test(label));
  return isName && !/[[\]:*]/.test(host) ? host : undefined;
}

export const spellHost = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);
