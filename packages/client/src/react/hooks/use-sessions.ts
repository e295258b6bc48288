// The sessions that there are, for a component. One list for all who look at it.

import { useMemo } from 'react';
import {
  matching,
  NO_SESSIONS_YET,
  type SessionFilter,
  SessionsFollow,
  type SessionsSnapshot,
} from '../stores/sessions.ts';
import { useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

export function useSessions(filter: SessionFilter = {}): SessionsSnapshot {
  const shared = useShared();
  const all = useFollowed(shared.lists, 'all', '', () => new SessionsFollow(shared.client), NO_SESSIONS_YET);
  // By what it says, not by the object that says so.
  const words = JSON.stringify(filter);
  return useMemo(() => {
    const sessions = matching(all.sessions, JSON.parse(words) as SessionFilter);
    return { ...all, sessions };
  }, [all, words]);
}
