// Coming by a share link: its secret in the address, the credential of this tab, and a client that has nothing else.

import { type Binnacle, connect, guestSocket, type Me, type Shared } from '@binnacle/client';
import { gateway } from './entry.ts';

/** Who came by a share link, and what it shows. */
export interface Guest {
  readonly client: Binnacle;
  readonly me: Me;
  readonly shared: Shared;
}

/** Of this tab alone: an owner who opens a share link stays logged in everywhere else. */
const KEPT = 'binnacle.guest';
const PREFIX = '#share=';

interface Kept {
  /** The same for all redeeming of this tab, so that a link that is opened again in it takes no second use. */
  readonly id: string;
  readonly credential?: string;
}

/** The secret in the fragment, which is gone from the address after this: no history and no copied link holds it. */
export function takeShare(): string | undefined {
  if (!location.hash.startsWith(PREFIX)) return undefined;
  const secret = location.hash.slice(PREFIX.length);
  history.replaceState(null, '', location.pathname);
  return secret;
}

export const isGuestTab = (): boolean => kept()?.credential !== undefined;

/** Ends it for this tab, and for nobody else. */
export function forgetGuest(): void {
  sessionStorage.removeItem(KEPT);
}

/** With the secret of a link, or, after a reload, with what this tab has. Throws why it does not let us in. */
export async function enterAsGuest(secret: string | undefined): Promise<Guest> {
  const id = kept()?.id ?? newId();
  let credential = secret === undefined ? kept()?.credential : undefined;
  if (secret !== undefined) {
    // Before it is asked for: where the answer is lost, the next one is for the same guest.
    keep({ id });
    const open = gateway();
    try {
      credential = (await open.shares.redeem(secret, { id })).credential;
    } finally {
      open.close();
    }
    keep({ id, credential });
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
