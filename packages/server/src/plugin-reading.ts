// What plugins are shown of sessions and conversations, once their grant lets them: puts together what reads those here.
// Judges nothing.

import type { Liveness } from './connection/liveness.ts';
import { SeenSessions } from './connection/session-access.ts';
import type { Viewer } from './conversation/audience.ts';
import type { Conversations } from './conversation/conversations.ts';
import { readText } from './mcp/reading.ts';
import type { ReadingParts } from './plugin/powers/reading.ts';
import type { Sessions } from './sessions.ts';

/** Sees all conversations, and owns none. */
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
      // What is read was there when it was asked for: nothing is held open.
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
