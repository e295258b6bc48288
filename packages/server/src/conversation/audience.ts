// Who may see a conversation, and whose a run is. Knows no connection.

import { type Author, allows, type Scope, type Visibility } from '@binnacle/protocol';

/** Whoever asks: a token, by the user that it stands for. */
export interface Viewer {
  readonly user: string;
  readonly name: string;
  readonly scope: Scope;
}

export interface Audience {
  readonly owner: string | null;
  readonly visibility: Visibility;
}

/** Sees it, and may send to it with the scope `input`. */
export function maySee({ owner, visibility }: Audience, viewer: Pick<Viewer, 'user' | 'scope'>): boolean {
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
export const mayManage = ({ owner }: Audience, viewer: Pick<Viewer, 'user' | 'scope'>): boolean =>
  allows(viewer.scope, 'input') && (viewer.scope === 'admin' || owner === viewer.user);

/**
 * To whom a run's events go without their asking for the conversation: to its author's connections that watch; of a run
 * that no user began, to all that watch and may see the conversation. Decided by what the run says, which never changes:
 * that somebody left cannot make it more.
 */
export const isFor = (by: Author, viewer: Pick<Viewer, 'user'>): boolean => by.user === null || by.user === viewer.user;

export const authorOf = ({ user, name }: Viewer): Author => ({ user, name });
