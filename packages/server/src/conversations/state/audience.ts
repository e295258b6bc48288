// The audience of a conversation: who may see it, and who gets the events of a run.

import { type Author, allows, type Scope, type Visibility } from '@binnacle/protocol';
import type { GuestPolicy } from '../../access/guest-policy.ts';
import { isStopText } from './stop-text.ts';

/** The caller: a token, by the user that it stands for. */
export interface Viewer {
  readonly user: string;
  readonly name: string;
  readonly scope: Scope;
  /** Null or undefined for users. */
  readonly guest?: GuestPolicy | null;
}

export type ViewerRights = Pick<Viewer, 'user' | 'scope' | 'guest'>;

export interface ConversationAudience {
  /** Id of the conversation. */
  readonly id: string;
  readonly owner: string | null;
  readonly visibility: Visibility;
}

/** Returns whether a viewer may see the conversation, and with the scope `input` send to it. */
export function maySee(audience: ConversationAudience, viewer: ViewerRights): boolean {
  if (viewer.guest != null) return viewer.guest.seesConversation(audience.id, (maker) => maySee(audience, maker));
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

/** Returns whether a viewer may rename or delete the conversation and change its visibility. */
export const mayManage = ({ owner }: ConversationAudience, viewer: ViewerRights): boolean =>
  viewer.guest == null && allows(viewer.scope, 'input') && (viewer.scope === 'admin' || owner === viewer.user);

/**
 * Returns whether a run's events go to a viewer without a subscription to the conversation: to the watching connections
 * of its author; for a run that no user began, to all watching viewers who may see the conversation. Depends only on
 * the run's author, which never changes, so that a departure cannot widen the audience.
 */
export const isFor = (by: Author, viewer: Pick<Viewer, 'user'>): boolean => by.user === null || by.user === viewer.user;

export const authorOf = ({ user, name }: Viewer): Author => ({ user, name });

/** Throws `forbidden` for messages that a guest of a share link may not send. */
export const assertMaySend = (
  viewer: ViewerRights,
  message: { readonly text: string; readonly steer?: string | undefined },
): void => viewer.guest?.assertMessage({ ...message, isStop: isStopText(message.text) });
