// Entry by a share link: the secret in the address, the credential of this tab, and a client with nothing else.

import { type Binnacle, connect, guestSocket, type Me, type SharedResource, type SharePreview } from '@binnacle/client';
import { defined } from '@binnacle/protocol';
import { gateway } from './sign-in.ts';

/** A guest's client, identity, and the shared session or conversation. */
export interface Guest {
  readonly client: Binnacle;
  readonly me: Me;
  readonly shared: SharedResource;
}

/** Stored for this tab only: an owner who opens a share link stays logged in everywhere else. */
const STORAGE_KEY = 'binnacle.guest';
const PREFIX = '#share=';
export const MAX_NAME = 32;

interface StoredGuest {
  /** Id for all redemptions of this tab, so that reopening a link in the tab takes no second use. */
  readonly id: string;
  /** Secret until its redemption: a reload of the welcome page must not lose the link. */
  readonly secret?: string;
  readonly credential?: string;
  readonly name?: string;
}

/**
 * Takes the secret from the fragment and removes it from the address: neither the history nor a copied link then
 * contains it.
 */
export function takeShare(): string | undefined {
  if (!location.hash.startsWith(PREFIX)) return undefined;
  const secret = location.hash.slice(PREFIX.length);
  history.replaceState(null, '', location.pathname);
  const { id = newId(), credential, name } = storedGuest() ?? {};
  storeGuest({ id, secret, ...defined({ credential, name }) });
  return secret;
}

export const isGuestTab = (): boolean => storedGuest()?.credential !== undefined || storedGuest()?.secret !== undefined;

/** Ends the guest login of this tab, and of no other. */
export function forgetGuest(): void {
  try {
    sessionStorage.removeItem(STORAGE_KEY);
  } catch {
    // Storage is blocked, so there is nothing to remove.
  }
}

/** Result of opening a share link. `known`: this tab has been in before, so there is no question. */
export type ShareEntry =
  | { readonly kind: 'known' }
  | { readonly kind: 'new'; readonly secret: string; readonly outlook: SharePreview };

/** Looks at the link by its secret or, after a reload, by what this tab stored. Throws why there is nothing to see. */
export async function openShareLink(linkSecret: string | undefined): Promise<ShareEntry> {
  const { credential, secret = linkSecret } = storedGuest() ?? {};
  if (credential !== undefined || secret === undefined) return { kind: 'known' };
  const open = gateway();
  try {
    return { kind: 'new', secret, outlook: await open.shares.preview(secret) };
  } finally {
    open.close();
  }
}

/**
 * Enters as a guest: with `linkSecret` and a name for the first time, later with what this tab stored. Throws why entry is
 * refused.
 */
export async function enterAsGuest(linkSecret?: string, called?: string): Promise<Guest> {
  const before = storedGuest();
  const { id = newId(), secret = linkSecret, name = called ?? '' } = before ?? {};
  let credential = secret === undefined ? before?.credential : undefined;
  if (secret !== undefined) {
    // Stored before the request: if the response is lost, the retry is for the same guest.
    storeGuest({ id, secret, name });
    const open = gateway();
    try {
      credential = (await open.shares.redeem(secret, { id, name })).credential;
    } finally {
      open.close();
    }
    storeGuest({ id, credential, name });
  }
  const client = connect({ url: gatewayUrl(), token: credential ?? '', makeSocket: guestSocket(credential ?? '') });
  try {
    return { client, me: await client.me(), shared: await client.shares.shown() };
  } catch (cause) {
    client.close();
    throw cause;
  }
}

const gatewayUrl = (): string => new URL('.', location.origin + location.pathname).href;

function storedGuest(): StoredGuest | undefined {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? 'null');
    return typeof value === 'object' && value !== null && 'id' in value ? (value as StoredGuest) : undefined;
  } catch {
    return undefined; // only this code writes it, and an unreadable value is no login
  }
}

function storeGuest(value: StoredGuest): void {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(value));
  } catch {
    // Without storage a reload needs the link again.
  }
}

const newId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
