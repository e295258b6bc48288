// The audience of a conversation: who may see it, and who gets the events of a run.

import { type Author, allows, BinnacleError, type Scope, type Visibility } from '@binnacle/protocol';
import type { Reach } from '../../store/shares.ts';
import { isStopText } from './stop-text.ts';

/** The caller: a token, by the user that it stands for. */
export interface Viewer {
  readonly user: string;
  readonly name: string;
  readonly scope: Scope;
  /** Reach of a guest of a share link; null or undefined for users. */
  readonly reach?: Reach | null;
}

type ViewerRights = Pick<Viewer, 'user' | 'scope' | 'reach'>;

export interface ConversationAudience {
  /** Id of the conversation. */
  readonly id: string;
  readonly owner: string | null;
  readonly visibility: Visibility;
}

/** Returns whether a viewer may see the conversation, and with the scope `input` send to it. */
export function maySee(audience: ConversationAudience, viewer: ViewerRights): boolean {
  const { reach } = viewer;
  if (reach != null) {
    // A guest sees the shared conversation as long as its sharer may see it.
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

/** Returns whether a viewer may rename or delete the conversation and change its visibility. */
export const mayManage = ({ owner }: ConversationAudience, viewer: ViewerRights): boolean =>
  viewer.reach == null && allows(viewer.scope, 'input') && (viewer.scope === 'admin' || owner === viewer.user);

/**
 * Returns whether a run's events go to a viewer without a subscription to the conversation: to the watching connections
 * of its author; for a run that no user began, to all watching viewers who may see the conversation. Depends only on
 * the run's author, which never changes, so that a departure cannot widen the audience.
 */
export const isFor = (by: Author, viewer: Pick<Viewer, 'user'>): boolean => by.user === null || by.user === viewer.user;

export const authorOf = ({ user, name }: Viewer): Author => ({ user, name });

/** Pattern of a command: a message that addresses a plugin, or aborts a run, instead of being text for the agent. */
const ORDER = /^\s*\/[a-z][a-z0-9_-]{0,31}(?:\s|$)/i;

/**
 * Throws `forbidden` for messages that a guest of a share link may not send: the right `type` covers plain text only.
 */
export function assertMaySend(
  viewer: ViewerRights,
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
