// Checks of push endpoints against SSRF. Endpoints come from browsers, so from any user: they must lead to the public
// internet over TLS, by the current addresses of their names; or to an origin that the operator has listed.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { BinnacleError } from '@binnacle/protocol';
import { canonicalAddress, kindOfAddress, ownAddresses } from '../base/addresses.ts';
import { MAX_ADDRESSES, type ResolvedAddress } from '../base/fixed-lookup.ts';
import { type Resolve, resolveName, resolveWithTimeout } from './dns-lookup.ts';

/** Maximum characters of an endpoint. Those of push services have some 200. */
export const MAX_ENDPOINT_CHARS = 1024;

/** Names of the local network or machine, whether they resolve today or not. */
const INSIDE = /(?:^|\.)(?:localhost|local|internal|home\.arpa)$/;

/**
 * Parses an endpoint. Throws `bad_push_endpoint`. Checks the text only; the addresses of its name are checked before
 * each delivery.
 */
export function readEndpoint(text: string, origins: readonly string[]): URL {
  const refuse = (message: string): never => {
    throw new BinnacleError('bad_push_endpoint', { message });
  };
  if (text.length > MAX_ENDPOINT_CHARS || !URL.canParse(text)) return refuse('The endpoint is not an address.');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    return refuse('The endpoint is not a plain address.');
  if (isNamed(url, origins)) return url;
  if (url.protocol !== 'https:') return refuse('The endpoint must begin with https:.');
  if (url.port !== '') return refuse('The endpoint names a port: push services of the internet have none.');
  if (isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0) return refuse('The endpoint is a number, not a name.');
  const name = url.hostname.replace(/\.$/, '');
  if (!name.includes('.') || INSIDE.test(name)) throw leadsNowhere(name);
  return url;
}

/**
 * Returns the addresses to connect to; no other may be used. Throws `bad_push_endpoint` if any of them is not public.
 * Names that the operator has listed use the system's resolver, e.g. with its hosts file.
 */
export async function resolveEndpoint(
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
): Promise<readonly ResolvedAddress[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  const resolver = resolve ?? (isNamed(url, origins) ? resolveBySystem : resolveName);
  const found = family === 0 ? await resolveWithTimeout(resolver, host, signal) : [{ address: host, family }];
  if (found.length === 0 || found.length > MAX_ADDRESSES) throw leadsNowhere(host);
  // The operator knows their own network.
  if (isNamed(url, origins)) return found;
  // One address that is not public refuses all: the choice among them would be random.
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
