// One-time secrets that expire: login tickets and download passes. In memory only, as digests.

import type { Scope } from '@binnacle/protocol';
import { BinnacleError } from '@binnacle/protocol';
import { newSecret } from '../data-dir/admin-token.ts';
import type { MadeBy } from '../store/issued.ts';
import { sha256 } from './principal.ts';

/** The issuer of a ticket or a pass, which ends both. */
export interface OneTimeGrant {
  readonly issuer: string;
}

export interface TicketGrant extends OneTimeGrant {
  readonly scope: Scope;
  /** Name of the login in the list of tokens. */
  readonly name: string;
  /** The issuer, in the form that people read. */
  readonly madeBy: MadeBy;
  /** User of the issuer. */
  readonly user: string;
  /** Expiry of the issuer itself, in ms since 1970; null: none. */
  readonly notAfter: number | null;
}

/** Grant of a pass: one GET by one login without its key. */
export interface PassGrant extends OneTimeGrant {
  /** Path and query, as `targetOf` spells them. */
  readonly target: string;
}

/**
 * Time to live of a ticket, ten minutes: a person has to find the phone, unlock it and scan a code. A ticket works
 * once, so a longer time costs little.
 */
export const TICKET_TTL_MS = 10 * 60_000;
/** Time to live of a pass, a minute: the page downloads at once, but a phone may have to find its network again. */
export const PASS_TTL_MS = 60_000;
/**
 * Maximum open tickets per issuer: one for every member of a large team. Per issuer, so that a viewer cannot use up the
 * tickets of others.
 */
const MAX_TICKETS = 100;

export class Tickets<G extends OneTimeGrant> {
  readonly #open: Map<string, { readonly grant: G; readonly expires: number }>;
  readonly #ttlMs: number;
  readonly #now: () => number;

  /** `now`: a monotonic clock in ms. */
  constructor(ttlMs: number, now: () => number) {
    this.#open = new Map();
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  /** Throws `too_many_tokens` if this issuer has 100 open tickets. */
  issue(grant: G): { readonly ticket: string; readonly expiresInMs: number } {
    for (const [hash, { expires }] of this.#open) if (expires <= this.#now()) this.#open.delete(hash);
    const own = [...this.#open.values()].filter((open) => open.grant.issuer === grant.issuer);
    if (own.length >= MAX_TICKETS) {
      throw new BinnacleError('too_many_tokens', {
        message: 'Too many one-time links are open.',
        hint: 'Use one of them, or wait until they expire.',
        details: { limit: MAX_TICKETS },
      });
    }
    const ticket = newSecret();
    this.#open.set(sha256(ticket).toString('hex'), { grant, expires: this.#now() + this.#ttlMs });
    return { ticket, expiresInMs: this.#ttlMs };
  }

  /** Uses up a ticket. Returns undefined for an unknown, used or expired ticket. */
  take(hash: Buffer): G | undefined {
    const key = hash.toString('hex');
    const found = this.#open.get(key);
    this.#open.delete(key);
    return found !== undefined && found.expires > this.#now() ? found.grant : undefined;
  }

  /** Counts the usable tickets of an issuer. */
  count(issuer: string): number {
    const now = this.#now();
    return [...this.#open.values()].filter(({ grant, expires }) => grant.issuer === issuer && expires > now).length;
  }

  dropIssuer(issuer: string): void {
    for (const [hash, { grant }] of this.#open) if (grant.issuer === issuer) this.#open.delete(hash);
  }
}
