// Limits failed attempts per address in a sliding window of a minute.

import { isIPv4, isIPv6 } from 'node:net';
import { LruMap } from '../base/lru-map.ts';

export interface AttemptLimiterOptions {
  /** Maximum failures per address and window. Default 20: more than a person's typing errors, useless for guessing. */
  readonly perAddress?: number;
  /** Maximum failures of all addresses per window. Default 200: ten broken clients, but no flood of log lines. */
  readonly total?: number;
  /** Length of the window. Default 60 000 ms. */
  readonly windowMs?: number;
  /**
   * Maximum remembered addresses. Default 10 000, about 2 MiB; beyond it the address whose last failure is oldest is
   * forgotten.
   */
  readonly maxAddresses?: number;
  /** Monotonic clock in ms. */
  readonly now?: () => number;
}

export class AttemptLimiter {
  readonly #perAddress: number;
  readonly #total: number;
  readonly #windowMs: number;
  readonly #now: () => number;
  /** Times of failures, oldest first; at most as many as the limit. */
  readonly #failures: LruMap<string, number[]>;
  readonly #all: number[];

  constructor(options: AttemptLimiterOptions = {}) {
    this.#perAddress = options.perAddress ?? 20;
    this.#total = options.total ?? 200;
    this.#windowMs = options.windowMs ?? 60_000;
    this.#now = options.now ?? (() => performance.now());
    this.#failures = new LruMap(options.maxAddresses ?? 10_000);
    this.#all = [];
  }

  /** Returns the milliseconds until this address may fail again; 0 if it may now. */
  waitMs(key: string): number {
    return Math.max(
      this.#waitFor(this.#failures.peek(key) ?? [], this.#perAddress),
      this.#waitFor(this.#all, this.#total),
    );
  }

  /** Counts a failed attempt whose secret was compared. */
  fail(key: string): void {
    const times = this.#failures.peek(key) ?? [];
    this.#failures.set(key, times);
    for (const [list, limit] of [
      [times, this.#perAddress],
      [this.#all, this.#total],
    ] as const) {
      list.push(this.#now());
      if (list.length > limit) list.shift();
    }
  }

  get addresses(): number {
    return this.#failures.size;
  }

  // Slides: a fixed window would allow twice the limit around its edge.
  #waitFor(times: readonly number[], limit: number): number {
    const decisive = times.at(-limit);
    return decisive === undefined ? 0 : Math.max(0, decisive + this.#windowMs - this.#now());
  }
}

/**
 * Returns the key under which an address is counted: an IPv4 address as it is, also if mapped into IPv6 in any
 * spelling; an IPv6 address by its /64, because a machine usually has a whole /64. No address (a unix socket): `local`.
 */
export function limiterKey(address: string | undefined): string {
  if (address === undefined) return 'local';
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare)) return isIPv4(bare) ? bare : 'local';
  const groups = ipv6Groups(bare);
  const mapped = groups.slice(0, 5).every((word) => word === 0) && groups[5] === 0xffff;
  if (mapped) {
    const [high = 0, low = 0] = groups.slice(6);
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  return `${groups
    .slice(0, 4)
    .map((word) => word.toString(16))
    .join(':')}::/64`;
}

/** Parses the eight 16-bit groups of a valid IPv6 address. */
function ipv6Groups(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const before = groupsOf(head);
  if (tail === undefined) return before;
  const after = groupsOf(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function groupsOf(part: string): number[] {
  return part
    .split(':')
    .filter((text) => text !== '')
    .flatMap((text) => {
      if (!text.includes('.')) return [Number.parseInt(text, 16)];
      const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
      return [a * 256 + b, c * 256 + d];
    });
}
