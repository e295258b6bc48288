// The states of all sessions as an async iterable: their list page by page, then changes. Buffers one pending change
// per session, and one page.

import type { SessionInfo, SessionList } from '@binnacle/protocol';
import { Topic } from '../feed/topic.ts';
import type { Connection } from '../transport/connection.ts';

/** A page of the list, a session that is new or changed, or the id of a deleted session. */
export type WatchEvent =
  /**
   * Some of all there are, newest first: a list comes first, and again after each reconnect, in as many of these as it
   * has pages. What no page of a list had is there no more once its last one has come; `KnownSessions` minds that.
   */
  | {
      readonly type: 'list';
      readonly sessions: readonly SessionInfo[];
      /** Whether a list begins with this page. */
      readonly isFirst: boolean;
      /** Whether the list ends with this page; changes follow. */
      readonly isLast: boolean;
    }
  | { readonly type: 'session'; readonly info: SessionInfo }
  | { readonly type: 'deleted'; readonly session: string };

/** Reads a page of the list; `after` is null for the first page. */
export type ListPage = (after: string | null) => Promise<SessionList>;

/**
 * Iterable of the states of all sessions, from `Binnacle.watch`. A slow consumer gets the latest state of each session.
 */
export class Watch extends Topic<WatchEvent> {
  constructor(connection: Connection, list: ListPage) {
    const members = connection.watchers;
    super(connection, {
      members,
      member: {},
      request: (ref) => ({ t: 'watch', ref, on: members.size > 0 }),
      fetch: async (after) => {
        const { sessions, next } = await list(after);
        return { item: { type: 'list', sessions, isFirst: after === null, isLast: next === null }, next };
      },
      change: (frame) => {
        if (frame.t === 'session') return { key: frame.info.id, item: { type: 'session', info: frame.info } };
        const { session } = frame.t === 'deleted' ? frame : {};
        return session === undefined ? undefined : { key: session, item: { type: 'deleted', session } };
      },
    });
  }
}
