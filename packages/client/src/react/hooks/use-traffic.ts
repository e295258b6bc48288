// Events of the sessions that match a filter, for a component.

import type { TrafficFilter } from '@binnacle/protocol';
import { NO_TRAFFIC_YET, type TrafficOptions, type TrafficSnapshot, TrafficStore } from '../stores/traffic.ts';
import { useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/**
 * Watches the events of all sessions that match a filter while the component is mounted. Components with the same
 * filter and options share one WebSocket.
 *
 * @example
 * ```tsx
 * import { useTraffic } from '@binnacle/client/react';
 *
 * export const Failures = () => (
 *   <ul>
 *     {useTraffic({ exit_code: 1 }).events.map(({ position, source, session_id }) => (
 *       <li key={position}>
 *         {source} {session_id}
 *       </li>
 *     ))}
 *   </ul>
 * );
 * ```
 */
export function useTraffic(filter: TrafficFilter = {}, options: TrafficOptions = {}): TrafficSnapshot {
  const shared = useShared();
  const requestKey = JSON.stringify([filter, options]);
  return useFollowed(
    shared.traffic,
    requestKey,
    '',
    (key) => {
      const [what, how] = JSON.parse(key) as [TrafficFilter, TrafficOptions];
      return new TrafficStore(shared.client, what, how);
    },
    NO_TRAFFIC_YET,
  );
}
