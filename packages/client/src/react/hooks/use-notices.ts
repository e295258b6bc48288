// Notices of plugins, for a component.

import { NO_NOTICES_YET, NoticeListStore, type NoticesSnapshot } from '../stores/notices.ts';
import { useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/**
 * Watches the notices of plugins while the component is mounted. All components share one watch.
 *
 * @example
 * ```tsx
 * import { useNotices } from '@binnacle/client/react';
 *
 * export const Notices = () => (
 *   <ul>
 *     {useNotices().notices.map(({ n, plugin, title }) => (
 *       <li key={n}>
 *         {plugin}: {title}
 *       </li>
 *     ))}
 *   </ul>
 * );
 * ```
 */
export function useNotices(): NoticesSnapshot {
  const shared = useShared();
  return useFollowed(shared.notices, 'all', '', () => new NoticeListStore(shared.client), NO_NOTICES_YET);
}
