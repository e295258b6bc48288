// Coming in: the ticket in the address, the login, and who we are then. Talks to the page's own origin alone.

import { type Binnacle, connect, type Me } from '@binnacle/client';
import type { BinnacleError } from '@binnacle/protocol';
import { asFailure } from '../model/failure.ts';
import { ticketIn } from './ticket.ts';

/** The gateway is where this page came from. Nothing in the query or the fragment can say otherwise. */
export const gateway = (): Binnacle => connect({ url: new URL('.', location.origin + location.pathname).href });

/**
 * `door`: nobody is logged in here; with the reason, if a ticket was refused or the gateway does not answer. `isKept`:
 * the login outlives the page; false where the browser stores nothing.
 */
export type Entry =
  | { readonly kind: 'in'; readonly me: Me; readonly isKept: boolean }
  | { readonly kind: 'door'; readonly error?: BinnacleError };

/** The ticket in the fragment, which is gone from the address after this: no history and no copied link holds it. */
export function takeTicket(): string | undefined {
  if (!location.hash.startsWith('#ticket=')) return undefined;
  const ticket = ticketIn(location.hash);
  history.replaceState(null, '', location.pathname);
  return ticket;
}

/** Trades a ticket, if there is one, for a login; then asks who we are. */
export async function enter(client: Binnacle, ticket: string | undefined): Promise<Entry> {
  let refused: BinnacleError | undefined;
  let isKept = true;
  try {
    if (ticket !== undefined) isKept = await client.login(ticket);
  } catch (thrown) {
    refused = asFailure(thrown);
  }
  try {
    // A used ticket does no harm to somebody who is logged in already.
    return { kind: 'in', me: await client.me(), isKept };
  } catch (thrown) {
    const error = asFailure(thrown);
    if (refused !== undefined) return { kind: 'door', error: refused };
    return error.code === 'unauthorized' ? { kind: 'door' } : { kind: 'door', error };
  }
}
