// The clients that follow a session, for a component.

import { useEffect, useState } from 'react';
import type { WatchersChange } from '../../session/presence.ts';
import type { SessionOptions } from '../stores/session.ts';
import { useShared } from './provider.tsx';
import { makeSession } from './use-session.ts';

/**
 * Returns who follows a session, this client included; undefined until the gateway has reported it. The session is
 * followed while the component is mounted.
 *
 * @example
 * ```tsx
 * import { usePresence } from '@binnacle/client/react';
 *
 * export const Watching = ({ id }: { id: string }) => <p>{usePresence(id)?.count ?? 0} watch</p>;
 * ```
 */
export function usePresence(id: string, options: SessionOptions = {}): WatchersChange | undefined {
  const shared = useShared();
  const [presence, setPresence] = useState<WatchersChange>();
  const how = JSON.stringify(options);
  useEffect(() => {
    const followed = shared.sessions.take(id, how, () => makeSession(shared)(id, how));
    const unlisten = followed.session.watchers.on('change', setPresence);
    return () => {
      unlisten();
      setPresence(undefined);
      shared.sessions.release(id, followed);
    };
  }, [shared, id, how]);
  return presence;
}
