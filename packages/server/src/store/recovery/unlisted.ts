// Logs without a row, which a lost or rebuilt catalogue does not list. They get rows of running sessions and
// conversations, as after a kill of the gateway; the usual recovery then determines their state.

import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import {
  type ConversationKey,
  defined,
  isConversationKey,
  isSessionId,
  type SessionId,
  type Visibility,
} from '@binnacle/protocol';
import { listSegments } from '../../log/segment.ts';
import type { Catalogue } from '../store.ts';
import {
  describeConversation,
  describeSession,
  readConversation,
  readSession,
  type SessionDescription,
  undescribed,
} from './descriptions.ts';

export interface AdoptionCounts {
  readonly sessions: number;
  readonly conversations: number;
  /** Sessions without a description: only an admin sees them. */
  readonly undescribed: number;
  /** Logs of conversations with an unknown owner: they stay unlisted. */
  readonly left: number;
}

const BATCH = 100;

/** Adds the missing rows. `dir`: the data directory, which no other gateway may use. Throws the failures of SQLite. */
export function adoptUnlisted(dir: string, catalogue: Catalogue): AdoptionCounts {
  return { ...adoptSessions(dir, catalogue), ...adoptConversations(dir, catalogue) };
}

function adoptSessions(root: string, catalogue: Catalogue): Pick<AdoptionCounts, 'sessions' | 'undescribed'> {
  const base = join(root, 'sessions');
  const known = catalogue.sessions.ids();
  // An unfinished import is removed, not restored.
  const importing = new Set(namesIn(join(root, 'imports')));
  const counts = { sessions: 0, undescribed: 0 };
  for (const id of namesIn(base)) {
    if (!isSessionId(id) || importing.has(id)) continue;
    const dir = join(base, id);
    const row = known.get(id);
    // The gateway was killed during the deletion.
    if (row === 'deleted') rmSync(dir, { recursive: true, force: true });
    if (row !== undefined || listSegments(join(dir, 'log')).length === 0) continue;
    const found = readSession(dir);
    insertSession(catalogue, id, found ?? undescribed(id, Math.round(statSync(dir).birthtimeMs)));
    counts.sessions += 1;
    if (found === undefined) counts.undescribed += 1;
  }
  return counts;
}

function insertSession(catalogue: Catalogue, id: SessionId, found: SessionDescription): void {
  const { name, spec, createdAt, runner, conversation, hidden, foreign, ended } = found;
  const { labels, ...rest } = spec;
  const row = {
    ...{ id, name, createdAt, runner, conversation, hidden },
    spec: { ...rest, ...defined({ labels }) },
    state: ended === null ? ('running' as const) : ('closed' as const),
  };
  if (foreign === null) catalogue.sessions.insert(row);
  else if (catalogue.foreign.find(foreign.sessionId) === undefined) {
    catalogue.foreign.insertWith(row, foreign, ended ?? undefined);
  }
}

function adoptConversations(root: string, catalogue: Catalogue): Pick<AdoptionCounts, 'conversations' | 'left'> {
  const base = join(root, 'conversations');
  const known = catalogue.conversations.ids();
  const counts = { conversations: 0, left: 0 };
  for (const id of namesIn(base)) {
    if (id.endsWith('.json') || known.has(id) || listSegments(join(base, id)).length === 0) continue;
    const found = readConversation(join(base, id));
    const isTaken =
      found !== undefined &&
      isConversationKey(found.key) &&
      catalogue.conversations.adopt({
        ...found,
        id,
        key: found.key as ConversationKey,
        visibility: found.visibility as Visibility,
      });
    if (isTaken) counts.conversations += 1;
    else counts.left += 1;
  }
  return counts;
}

/**
 * Writes descriptions for sessions and conversations from before there were descriptions, a few per event-loop turn.
 * `isOver`: called between the turns.
 */
export async function describeListed(dir: string, catalogue: Catalogue, isOver: () => boolean): Promise<void> {
  let after: string | undefined;
  do {
    const page = catalogue.sessions.list({ limit: BATCH, ...defined({ after }) });
    for (const record of page.records) {
      const own = join(dir, 'sessions', record.id);
      if (existsSync(own) && !existsSync(join(own, 'session.json'))) describeSession(own, record);
    }
    after = page.next ?? undefined;
    await yieldToEventLoop();
  } while (after !== undefined && !isOver());
  for (const id of catalogue.conversations.ids()) {
    if (isOver()) return;
    const own = join(dir, 'conversations', id);
    const record = existsSync(own) && !existsSync(`${own}.json`) ? catalogue.conversations.byId(id) : undefined;
    if (record !== undefined) describeConversation(own, record, catalogue.conversations.pluginOf(id));
    await yieldToEventLoop();
  }
}

const namesIn = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir) : []);
