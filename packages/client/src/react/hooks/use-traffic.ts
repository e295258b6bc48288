// What happens in the sessions that match, for a component.

import type { TrafficFilter } from '@binnacle/protocol';
import { NO_TRAFFIC_YET, TrafficFollow, type TrafficOptions, type TrafficSnapshot } from '../stores/traffic.ts';
import { useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/** Those who ask for the same share one stream, on a socket of its own. */
export function useTraffic(filter: TrafficFilter = {}, options: TrafficOptions = {}): TrafficSnapshot {
  const shared = useShared();
  const asked = JSON.stringify([filter, options]);
  return useFollowed(
    shared.traffic,
    asked,
    '',
    (key) => {
      const [what, how] = JSON.parse(key) as [TrafficFilter, TrafficOptions];
      return new TrafficFollow(shared.client, what, how);
    },
    NO_TRAFFIC_YET,
  );
}
