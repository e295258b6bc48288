// Notices of plugins as a store for components: the latest ones. Knows no React.

import type { PluginNotice } from '@binnacle/protocol';
import type { Binnacle } from '../../client.ts';
import type { NoticeEvent, NoticeWatch } from '../../resources/notices.ts';
import { type ListSnapshot, ListStore } from './list.ts';

/** State of the notices, as components see it. */
export interface NoticesSnapshot extends ListSnapshot {
  /** Notices of plugins, newest first. */
  readonly notices: readonly PluginNotice[];
}

export const NO_NOTICES_YET: NoticesSnapshot = { state: 'connecting', notices: [], error: undefined };

/** Maximum notices to keep. The gateway keeps as many. */
const MAX_NOTICES = 200;

export class NoticeListStore extends ListStore<NoticesSnapshot, NoticeEvent> {
  constructor(client: Binnacle) {
    super(client, NO_NOTICES_YET);
  }

  protected watch(): NoticeWatch {
    return this.client.notices.watch();
  }

  protected apply(event: NoticeEvent): boolean {
    const isList = event.type === 'list';
    const notices = isList ? [...event.notices].reverse() : [event.notice, ...this.latest.notices];
    this.change({ notices: notices.slice(0, MAX_NOTICES) });
    return isList;
  }
}
