// Where a browser may have us send to. Endpoints come from browsers, so from anybody who is let in: they must lead to the
// public internet over TLS, by the addresses that their names have at that moment; or to an origin that the operator named.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { BinnacleError } from '@binnacle/protocol';
import { canonicalAddress, kindOfAddress } from '../base/addresses.ts';
import { type Address, MAX_ADDRESSES } from '../base/fixed-lookup.ts';
import { ownAddresses } from '../base/own-addresses.ts';
import { type Resolve, resolveName, resolveWithin } from './dns-lookup.ts';

/** Longer than any push service's: those have some 200 characters. */
export const MAX_ENDPOINT_CHARS = 1024;

/** Names of one's own network or machine, whether they lead anywhere today or not. */
const INSIDE = /(?:^|\.)(?:localhost|local|internal|home\.arpa)$/;

/** Throws `bad_push_endpoint`. Judges what is written there; where the name leads is judged when something is sent. */
export function readEndpoint(text: string, origins: readonly string[]): URL {
  const refuse = (message: string): never => {
    throw new BinnacleError('bad_push_endpoint', { message });
  };
  if (text.length > MAX_ENDPOINT_CHARS || !URL.canParse(text)) return refuse('The endpoint is no address.');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.hash !== '') return refuse('The endpoint is no plain address.');
  if (isNamed(url, origins)) return url;
  if (url.protocol !== 'https:') return refuse('The endpoint must begin with https:.');
  if (url.port !== '') return refuse('The endpoint names a port: push services of the internet have none.');
  if (isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0) return refuse('The endpoint is a number, not a name.');
  const name = url.hostname.replace(/\.$/, '');
  if (!name.includes('.') || INSIDE.test(name)) throw leadsNowhere(name);
  return url;
}

/**
 * The addresses to connect to, and no others. Throws `bad_push_endpoint` where one of them is not of the internet. The
 * operator's own names are looked up as the system does it, in its file of hosts for one.
 */
export async function addressesOf(
  url: URL,
  origins: readonly string[],
  {
    signal,
    resolve,
    own = ownAddresses(),
  }: {
    readonly signal?: AbortSignal;
    readonly resolve?: Resolve | undefined;
    /** Addresses of this machine. A public one leads to services that listen here, which may trust such a request. */
    readonly own?: ReadonlySet<string>;
  } = {},
): Promise<readonly Address[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  const ask = resolve ?? (isNamed(url, origins) ? resolveBySystem : resolveName);
  const found = family === 0 ? await resolveWithin(ask, host, signal) : [{ address: host, family }];
  if (found.length === 0 || found.length > MAX_ADDRESSES) throw leadsNowhere(host);
  // The operator knows their own network.
  if (isNamed(url, origins)) return found;
  // One that is not public condemns all: which of them is taken would be chance.
  if (found.some(({ address }) => kindOfAddress(canonicalAddress(address) ?? '', own) !== 'public'))
    throw leadsNowhere(host);
  return found;
}

const resolveBySystem: Resolve = (host) => lookup(host, { all: true, verbatim: true });

export const isNamed = (url: URL, origins: readonly string[]): boolean => origins.includes(url.origin);

const leadsNowhere = (host: string): BinnacleError =>
  new BinnacleError('bad_push_endpoint', {
    message: `${host} is not on the public internet.`,
    hint: 'The operator can name a push service of their own: notify.pushOrigins in the config file.',
  });
