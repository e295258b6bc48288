// Reading of sessions and conversations for plugins, after their grant was checked: combines the gateway's readers.
// Checks no grants.

import { readText } from '../api/mcp/text-reader.ts';
import type { Liveness } from '../api/stream/liveness.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { Viewer } from '../conversations/state/audience.ts';
import type { ReadingParts } from '../plugins/powers/session-reader.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { SeenSessions } from '../visibility/session-access.ts';

/** A viewer that sees all conversations and owns none. */
const EVERYTHING: Viewer = { user: '', name: 'plugin', scope: 'admin' };

export function readingOfPlugins({
  sessions,
  conversations,
  liveness,
}: {
  readonly sessions: Sessions;
  readonly conversations: Conversations;
  readonly liveness: Liveness;
}): ReadingParts {
  return {
    sessions: (isSeen) => {
      // Each read is complete when it returns: nothing stays open that a change of access would have to close.
      const seen = new SeenSessions(sessions, { isGuest: false, isSeen, hold: () => () => undefined });
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
