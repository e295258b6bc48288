// Secrets that work once and for a while: login tickets, and passes of downloads. In memory, hashed. Knows no request.

import type { Scope } from '@binnacle/protocol';
import { BinnacleError } from '@binnacle/protocol';
import { newSecret } from '../data-dir/admin-token.ts';
import type { MadeBy } from '../store/issued.ts';
import { sha256 } from './principal.ts';

/** Owner of a ticket or a pass. Both end with their issuer. */
export interface Grant {
  readonly issuer: string;
}

export interface TicketGrant extends Grant {
  readonly scope: Scope;
  /** What the login is called in the list of tokens. */
  readonly name: string;
  /** The same, for people. */
  readonly madeBy: MadeBy;
  /** The issuer's. */
  readonly user: string;
  /** When the issuer itself ends, in ms since 1970. */
  readonly notAfter: number | null;
}

/** Grant of a pass: what one GET of one login may ask for without its key. */
export interface PassGrant extends Grant {
  /** Path and query, as `targetOf` spells them. */
  readonly target: string;
}

/** Ten minutes: a person has to find the phone, unlock it and scan a code. One use, so a longer life costs little. */
export const TICKET_TTL_MS = 10 * 60_000;
/** A minute: the page asks for the download at once, and a phone may have to find its network again. */
export const PASS_TTL_MS = 60_000;
/** Open tickets of one issuer: one for every member of a large team. Others' do not count, or a viewer could use up all. */
const MAX_TICKETS = 100;

export class Tickets<G extends Grant> {
  readonly #open: Map<string, { readonly grant: G; readonly expires: number }>;
  readonly #ttlMs: number;
  readonly #now: () => number;

  /** `now`: a monotonic clock in ms. */
  constructor(ttlMs: number, now: () => number) {
    this.#open = new Map();
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  /** Throws `too_many_tokens` when 100 of this issuer are open. */
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

  /** Uses a ticket up. Undefined when it is unknown, used or late. */
  take(hash: Buffer): G | undefined {
    const key = hash.toString('hex');
    const found = this.#open.get(key);
    this.#open.delete(key);
    return found !== undefined && found.expires > this.#now() ? found.grant : undefined;
  }

  /** Counts the tickets of an issuer that can still be used. */
  count(issuer: string): number {
    const now = this.#now();
    return [...this.#open.values()].filter(({ grant, expires }) => grant.issuer === issuer && expires > now).length;
  }

  dropIssuer(issuer: string): void {
    for (const [hash, { grant }] of this.#open) if (grant.issuer === issuer) this.#open.delete(hash);
  }
}
