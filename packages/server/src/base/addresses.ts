// Classes of IP addresses: the internet, a private network, this machine, or an address that no request may reach.

import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/**
 * `own` and `private`: only where a grant names exactly that address and port. `never`: no grant allows it. That class
 * contains the metadata services that hand out the machine's credentials, and addresses that wrap another address.
 */
export type AddressKind = 'public' | 'private' | 'own' | 'never';

type Net = readonly [address: string, prefix: number];

/** Checked before all others: some are inside of a private or a public network. */
const NEVER: readonly Net[] = [
  ['0.0.0.0', 8], // Linux takes 0.0.0.0 for itself
  ['100.100.100.200', 32], // metadata: Alibaba
  ['168.63.129.16', 32], // metadata: Azure
  ['169.254.0.0', 16], // link-local, and metadata of nearly all clouds
  ['192.0.0.0', 24], // metadata: Oracle
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3], // multicast, reserved, broadcast
  ['fd00:ec2::', 32], // metadata: AWS
  ['fd20:ce::', 32], // metadata: Google
  ['2001::', 23], // Teredo, ORCHID: contains an IPv4 address
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4, likewise
];
const OWN: readonly Net[] = [
  ['127.0.0.0', 8],
  ['::1', 128],
];
const PRIVATE: readonly Net[] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['fc00::', 7],
];
/** The allocated part of IPv6. An address outside of it and of the lists above is unroutable or link-local. */
const GLOBAL_IPV6: readonly Net[] = [['2000::', 3]];
/** Prefix of an IPv4 address in a network without IPv4. */
const NAT64 = '64:ff9b::';

/** Returns the class of an address. `own`: the other addresses of this machine, as `canonicalAddress` spells them. */
export function kindOfAddress(address: string, own: ReadonlySet<string> = new Set()): AddressKind {
  const canonical = canonicalAddress(address);
  if (canonical === undefined) return 'never';
  if (isInNets(canonical, NEVER)) return 'never';
  if (own.has(canonical) || isInNets(canonical, OWN)) return 'own';
  if (isInNets(canonical, PRIVATE)) return 'private';
  if (isIP(canonical) === 4) return 'public';
  const inside = canonical.startsWith(NAT64) ? lastIpv4(canonical) : undefined;
  // The translator sends the packet to the inner address: only a public inner address is allowed.
  if (inside !== undefined) return kindOfAddress(inside, own) === 'public' ? 'public' : 'never';
  return isInNets(canonical, GLOBAL_IPV6) ? 'public' : 'never';
}

/**
 * Returns the canonical spelling of an address: no zone, no brackets, IPv4 in place of IPv6 that only wraps it. Returns
 * undefined for text that is no address in dot or colon notation. `URL` also accepts `0x7f.1`, but has converted it to
 * dots before.
 */
export function canonicalAddress(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/s, '');
  const version = isIP(bare);
  if (version === 0) return undefined;
  if (version === 4) return bare;
  const spelled = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  return spelled.startsWith('::ffff:') ? (lastIpv4(spelled) ?? spelled) : spelled;
}

/**
 * Extracts the IPv4 address: `::ffff:7f00:1` → `127.0.0.1`. Undefined if other groups are between the prefix and the
 * address.
 */
function lastIpv4(spelled: string): string | undefined {
  const groups = /^(?:::ffff:|64:ff9b::)(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})?$/.exec(spelled);
  if (groups === null) return undefined;
  const [high, low] = [Number.parseInt(groups[1] ?? '0', 16), Number.parseInt(groups[2] ?? '0', 16)];
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

const LISTS: ReadonlyMap<readonly Net[], BlockList> = new Map(
  [NEVER, OWN, PRIVATE, GLOBAL_IPV6].map((nets) => [nets, listOf(nets)]),
);

function listOf(nets: readonly Net[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix] of nets) list.addSubnet(net, prefix, familyOf(net));
  return list;
}

const isInNets = (address: string, nets: readonly Net[]): boolean =>
  // A list takes no IPv6 that wraps IPv4 here: `canonicalAddress` has unwrapped it.
  LISTS.get(nets)?.check(address, familyOf(address)) === true;

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

/** Lists this machine's addresses as `canonicalAddress` spells them. Reads them on each call: networks come and go. */
export function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  return new Set(all.flatMap(({ address }) => canonicalAddress(address) ?? []));
}
