// All conversations and agents, for a component.

import type { ConversationInfo } from '@binnacle/protocol';
import { useCallback, useMemo } from 'react';
import { ConversationListStore, type ConversationsSnapshot, NO_CONVERSATIONS_YET } from '../stores/conversations.ts';
import { useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/** Options of `useConversations`. */
export interface ConversationListOptions {
  /** Key of the one conversation that a share link shows, for its guest. */
  readonly shared?: string;
}

/** Result of `useConversations`. */
export interface UsedConversations extends ConversationsSnapshot {
  /** Adds a conversation that was just created, before the gateway reports it. */
  add(info: ConversationInfo): void;
}

/**
 * Watches the list of conversations while the component is mounted, and returns it with the agents. All components
 * share one watch.
 *
 * @example
 * ```tsx
 * import { useConversations } from '@binnacle/client/react';
 *
 * export const Waiting = () => (
 *   <ul>
 *     {useConversations()
 *       .conversations.filter(({ approvals }) => approvals.length > 0)
 *       .map(({ key, title }) => (
 *         <li key={key}>{title}</li>
 *       ))}
 *   </ul>
 * );
 * ```
 */
export function useConversations({ shared: link }: ConversationListOptions = {}): UsedConversations {
  const { client, conversationLists } = useShared();
  const key = link ?? '';
  const make = () => new ConversationListStore(client, link);
  const all = useFollowed(conversationLists, key, '', make, NO_CONVERSATIONS_YET);
  const add = useCallback((info: ConversationInfo) => conversationLists.peek(key)?.add(info), [conversationLists, key]);
  return useMemo(() => ({ ...all, add }), [all, add]);
}
