// The login: the ticket in the address, the trade for a login, and the resulting user. Connects to the page's own
// origin only.

import { type Binnacle, connect, type Me } from '@binnacle/client';
import type { BinnacleError } from '@binnacle/protocol';
import { asFailure } from '../model/failure.ts';
import { ticketIn } from './ticket.ts';

/** Creates the client. The gateway is the page's own origin; neither query nor fragment can change that. */
export const gateway = (): Binnacle => connect({ url: new URL('.', location.origin + location.pathname).href });

/**
 * `login`: there is no login; with the error if a ticket was refused or the gateway does not answer. `isLoginStored`:
 * the login outlives the page; false if the browser stores nothing.
 */
export type LoginState =
  | { readonly kind: 'in'; readonly me: Me; readonly isLoginStored: boolean }
  | { readonly kind: 'login'; readonly error?: BinnacleError };

/**
 * Takes the ticket from the fragment and removes it from the address: neither the history nor a copied link then
 * contains it.
 */
export function takeTicket(): string | undefined {
  if (!location.hash.startsWith('#ticket=')) return undefined;
  const ticket = ticketIn(location.hash);
  history.replaceState(null, '', location.pathname);
  return ticket;
}

/** Ms that the connection stays open without a use: the code of the page takes less. */
const EARLY_MS = 10_000;

/** Opens the connection before the page uses it. Returns false without a stored login. */
export function openEarly(client: Binnacle): boolean {
  const release = client.open();
  if (release === undefined) return false;
  setTimeout(release, EARLY_MS);
  return true;
}

/** Trades a ticket, if there is one, for a login; then requests the current user. */
export async function enter(client: Binnacle, ticket: string | undefined): Promise<LoginState> {
  let refused: BinnacleError | undefined;
  let isLoginStored = true;
  try {
    if (ticket !== undefined) isLoginStored = await client.login(ticket);
  } catch (cause) {
    refused = asFailure(cause);
  }
  try {
    // A used ticket does no harm to a user who is already logged in.
    const me = await client.me();
    // Also after a refusal: another tab may have logged in since.
    openEarly(client);
    return { kind: 'in', me, isLoginStored };
  } catch (cause) {
    const error = asFailure(cause);
    if (refused !== undefined) return { kind: 'login', error: refused };
    return error.code === 'unauthorized' ? { kind: 'login' } : { kind: 'login', error };
  }
}
