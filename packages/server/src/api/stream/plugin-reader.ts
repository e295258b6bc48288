// Reading of sessions and conversations for plugins, after their grant was checked: combines the gateway's readers.
// Checks no grants.

import type { Conversations } from '../../conversations/conversations.ts';
import type { Viewer } from '../../conversations/state/audience.ts';
import type { ReadingParts } from '../../plugins/powers/session-reader.ts';
import type { SessionFilter } from '../../store/sessions.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { Liveness } from './liveness.ts';
import { readText } from './text-reader.ts';

/** A viewer that sees all conversations and owns none. */
const EVERYTHING: Viewer = { user: '', name: 'plugin', scope: 'admin' };

export function readingOfPlugins({
  seenIf,
  conversations,
  liveness,
}: {
  /** Returns the sessions that a grant allows. */
  seenIf(isSeen: SessionFilter): SeenSessions;
  readonly conversations: Conversations;
  readonly liveness: Liveness;
}): ReadingParts {
  return {
    sessions: (isSeen) => {
      const seen = seenIf(isSeen);
      return {
        list: (page) => seen.list(page),
        info: (id) => seen.info(id),
        read: (id, part) =>
          readText(seen.get(id), { ...part, waitMs: 0, waitsFor: 'output', strip: true }, { seen, liveness }),
      };
    },
    conversations: {
      list: (page) => conversations.list(EVERYTHING, page),
      history: async (key, page) => (await conversations.get(key, EVERYTHING)).history(page),
    },
  };
}
