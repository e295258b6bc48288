// All sessions, for a component. All components share one list.

import { useMemo } from 'react';
import {
  matching,
  NO_SESSIONS_YET,
  type SessionFilter,
  SessionListStore,
  type SessionsSnapshot,
} from '../stores/sessions.ts';
import { useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/** Options of `useSessions`. */
export interface SessionListOptions {
  /** The sessions that a share link shows, for its guest. Default false. */
  readonly shared?: boolean;
}

/**
 * Watches the list of sessions while the component is mounted. All components share one watch; the filter applies to
 * the result.
 *
 * @example
 * ```tsx
 * import { useSessions } from '@binnacle/client/react';
 *
 * export const Running = () => (
 *   <ul>
 *     {useSessions({ running: true }).sessions.map(({ id, name }) => (
 *       <li key={id}>{name}</li>
 *     ))}
 *   </ul>
 * );
 * ```
 */
export function useSessions(
  filter: SessionFilter = {},
  { shared: isShared = false }: SessionListOptions = {},
): SessionsSnapshot {
  const shared = useShared();
  const make = () => new SessionListStore(shared.client, isShared);
  const all = useFollowed(shared.lists, isShared ? 'shared' : 'all', '', make, NO_SESSIONS_YET);
  // By what it says, not by the object that says so.
  const filterKey = JSON.stringify(filter);
  return useMemo(() => {
    const sessions = matching(all.sessions, JSON.parse(filterKey) as SessionFilter);
    return { ...all, sessions };
  }, [all, filterKey]);
}
