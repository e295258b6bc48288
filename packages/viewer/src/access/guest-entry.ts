// Coming by a share link: its secret in the address, the credential of this tab, and a client that has nothing else.

import { type Binnacle, connect, guestSocket, type Me, type Shared, type ShareOutlook } from '@binnacle/client';
import { gateway } from './sign-in.ts';

/** Who came by a share link, and what it shows. */
export interface Guest {
  readonly client: Binnacle;
  readonly me: Me;
  readonly shared: Shared;
}

/** Of this tab alone: an owner who opens a share link stays logged in everywhere else. */
const KEPT = 'binnacle.guest';
const PREFIX = '#share=';
export const MAX_NAME = 32;

interface Kept {
  /** The same for all redeeming of this tab, so that a link that is opened again in it takes no second use. */
  readonly id: string;
  /** Until it has been redeemed: a reload of the door must not lose the link. */
  readonly secret?: string;
  readonly credential?: string;
  readonly name?: string;
}

/** The secret in the fragment, which is gone from the address after this: no history and no copied link holds it. */
export function takeShare(): string | undefined {
  if (!location.hash.startsWith(PREFIX)) return undefined;
  const secret = location.hash.slice(PREFIX.length);
  history.replaceState(null, '', location.pathname);
  const { id = newId(), credential, name } = kept() ?? {};
  keep({ id, secret, ...(credential === undefined ? {} : { credential }), ...(name === undefined ? {} : { name }) });
  return secret;
}

export const isGuestTab = (): boolean => kept()?.credential !== undefined || kept()?.secret !== undefined;

/** Ends it for this tab, and for nobody else. */
export function forgetGuest(): void {
  try {
    sessionStorage.removeItem(KEPT);
  } catch {
    // Storage is blocked: then there is nothing in it.
  }
}

/** What a guest finds at the door. `known`: this tab has come in before, and nobody is asked again. */
export type Door =
  | { readonly kind: 'known' }
  | { readonly kind: 'new'; readonly secret: string; readonly outlook: ShareOutlook };

/** With the secret of a link, or, after a reload, with what this tab has. Throws why there is nothing to see. */
export async function knock(given: string | undefined): Promise<Door> {
  const { credential, secret = given } = kept() ?? {};
  if (credential !== undefined || secret === undefined) return { kind: 'known' };
  const open = gateway();
  try {
    return { kind: 'new', secret, outlook: await open.shares.look(secret) };
  } finally {
    open.close();
  }
}

/** Comes in; `given` and the name for the first time, after that with what this tab has. Throws why it may not. */
export async function enterAsGuest(given?: string, called?: string): Promise<Guest> {
  const before = kept();
  const { id = newId(), secret = given, name = called ?? '' } = before ?? {};
  let credential = secret === undefined ? before?.credential : undefined;
  if (secret !== undefined) {
    // Before it is asked for: where the answer is lost, the next one is for the same guest.
    keep({ id, secret, name });
    const open = gateway();
    try {
      credential = (await open.shares.redeem(secret, { id, name })).credential;
    } finally {
      open.close();
    }
    keep({ id, credential, name });
  }
  const client = connect({ url: gatewayUrl(), token: credential ?? '', makeSocket: guestSocket(credential ?? '') });
  try {
    return { client, me: await client.me(), shared: await client.shares.shown() };
  } catch (thrown) {
    client.close();
    throw thrown;
  }
}

const gatewayUrl = (): string => new URL('.', location.origin + location.pathname).href;

function kept(): Kept | undefined {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');
    return typeof value === 'object' && value !== null && 'id' in value ? (value as Kept) : undefined;
  } catch {
    return undefined; // nobody else writes it, and what cannot be read is no login
  }
}

function keep(value: Kept): void {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(value));
  } catch {
    // Without storage a reload needs the link again.
  }
}

const newId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
