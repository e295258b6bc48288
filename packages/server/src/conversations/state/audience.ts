// Who may see a conversation, and whose a run is. Knows no connection.

import { type Author, allows, BinnacleError, type Scope, type Visibility } from '@binnacle/protocol';
import type { Reach } from '../../store/shares.ts';
import { isStopText } from './stop-text.ts';

/** Whoever asks: a token, by the user that it stands for. */
export interface Viewer {
  readonly user: string;
  readonly name: string;
  readonly scope: Scope;
  /** Of a guest of a share link. */
  readonly reach?: Reach | null;
}

type Who = Pick<Viewer, 'user' | 'scope' | 'reach'>;

export interface Audience {
  /** Of the conversation. */
  readonly id: string;
  readonly owner: string | null;
  readonly visibility: Visibility;
}

/** Sees it, and may send to it with the scope `input`. */
export function maySee(audience: Audience, viewer: Who): boolean {
  const { reach } = viewer;
  if (reach != null) {
    // What it was shared, as long as whoever shared it sees that.
    return reach.kind === 'conversation' && reach.id === audience.id && maySee(audience, reach.maker);
  }
  const { owner, visibility } = audience;
  if (viewer.scope === 'admin' || owner === viewer.user) return true;
  switch (visibility.kind) {
    case 'private':
      return false;
    case 'shared':
      return visibility.with.includes(viewer.user);
    case 'everyone':
      return true;
  }
}

/** Changes who else may see it, names it, deletes it. */
export const mayManage = ({ owner }: Audience, viewer: Who): boolean =>
  viewer.reach == null && allows(viewer.scope, 'input') && (viewer.scope === 'admin' || owner === viewer.user);

/**
 * To whom a run's events go without their asking for the conversation: to its author's connections that watch; of a run
 * that no user began, to all that watch and may see the conversation. Decided by what the run says, which never changes:
 * that somebody left cannot make it more.
 */
export const isFor = (by: Author, viewer: Pick<Viewer, 'user'>): boolean => by.user === null || by.user === viewer.user;

export const authorOf = ({ user, name }: Viewer): Author => ({ user, name });

/** What a message says that is more than a message: it is for whoever takes orders, or breaks off what is under way. */
const ORDER = /^\s*\/[a-z][a-z0-9_-]{0,31}(?:\s|$)/i;

/** Throws `forbidden` for messages that a guest of a share link may not send: `type` is typing, and no more. */
export function assertMaySend(
  viewer: Who,
  message: { readonly text: string; readonly steer?: string | undefined },
): void {
  if (viewer.reach == null) return;
  const what =
    message.steer === 'interrupt' || isStopText(message.text)
      ? 'interrupt'
      : ORDER.test(message.text)
        ? 'give commands'
        : undefined;
  if (what === undefined) return;
  throw new BinnacleError('forbidden', {
    message: `Guests of a share link may write messages, and not ${what}.`,
    hint: 'Ask whoever shared it.',
  });
}
