// The list of conversations, what wants somebody first. It shows and chooses; it does not fetch.

import type { ConversationInfo, ConversationKey } from '@binnacle/protocol';
import { useState } from 'react';
import { byUrgency, conversationTitle, doing, doingMark, doingWord } from './conversation-words.ts';
import { useNow } from './use-client.ts';
import { age, oneLine } from './words.ts';

interface ConversationListProps {
  readonly conversations: readonly ConversationInfo[];
  readonly loading: boolean;
  readonly chosen: string | undefined;
  readonly onChoose: (key: ConversationKey) => void;
}

// More rows than this nobody reads through; the rest is one click away.
const SHOWN_AT_FIRST = 40;

export function ConversationList({ conversations, loading, chosen, onChoose }: ConversationListProps) {
  const now = useNow();
  const [all, setAll] = useState(false);
  if (conversations.length === 0) {
    return (
      <p className="sessions-none" data-testid="no-conversations">
        {loading ? 'Looking…' : 'No conversations yet.'}
      </p>
    );
  }
  const sorted = [...conversations].sort(byUrgency);
  const shown = all ? sorted : sorted.filter((info, at) => at < SHOWN_AT_FIRST || info.key === chosen);
  return (
    <>
      <ul className="sessions" aria-label="Conversations" data-testid="conversations">
        {shown.map((info) => (
          <li key={info.key}>
            <button
              type="button"
              className="session"
              aria-current={info.key === chosen}
              onClick={() => onChoose(info.key)}
              data-testid="conversation"
              data-conversation={info.key}
              data-doing={doing(info)}
            >
              <span className={`dot ${doingMark(info)}`} />
              <span className="session-name">{conversationTitle(info)}</span>
              <time className="session-age" dateTime={new Date(info.updatedAt).toISOString()}>
                {age(Math.max(now, info.updatedAt) - info.updatedAt)}
              </time>
              <span className="session-more">
                <span className={`session-state ${doingMark(info)}`}>{doingWord(info)}</span>
                <span>{oneLine(info.agent, 40)}</span>
                {info.queue.length > 0 && <span>{info.queue.length} waiting</span>}
                {!info.mine && info.owner !== null && <span>of {oneLine(info.owner, 24)}</span>}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {shown.length < sorted.length && (
        <button type="button" className="button quiet side-all" onClick={() => setAll(true)}>
          Show all {sorted.length}
        </button>
      )}
    </>
  );
}
