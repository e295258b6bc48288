// The hits of a search: each leads to its position in its session.

import type { SearchHit, SessionInfo } from '@binnacle/protocol';
import { useMemo } from 'react';
import { age, exactClockTime, oneLine } from '../model/format.ts';
import { addressOf } from '../model/route.ts';
import { stateWord } from '../model/sessions.ts';
import { useNow } from '../state/use-clock.ts';
import { SessionSource } from '../ui/session-source.tsx';
import { pieces } from './snippet.ts';
import './search-hits.css';

interface SearchHitsProps {
  readonly hits: readonly SearchHit[];
  /** The sessions of the list, so that states have the same words here and there. */
  readonly sessions: readonly SessionInfo[];
}

export function SearchHits({ hits, sessions }: SearchHitsProps) {
  const now = useNow();
  const states = useMemo(() => new Map(sessions.map((info) => [info.id, stateWord(info)])), [sessions]);
  return (
    <ol className="hits" aria-label="Hits, newest first" data-testid="hits">
      {hits.map((hit) => (
        <li key={`${hit.session} ${hit.offset}`}>
          <a
            className="hit"
            href={addressOf({ kind: 'session', id: hit.session, at: hit.offset })}
            data-testid="hit"
            data-session={hit.session}
            data-offset={hit.offset}
          >
            <span className="hit-head">
              <span className="hit-name">{oneLine(hit.name, 80) || 'session'}</span>
              {hit.foreign !== null && <SessionSource foreign={hit.foreign} verb="Ran" />}
              <span className="hit-state">{states.get(hit.session)}</span>
              <time dateTime={new Date(hit.time).toISOString()} title={exactClockTime(hit.time, now)}>
                {age(Math.max(now, hit.time) - hit.time)}
              </time>
            </span>
            <span className="hit-text">
              {pieces(hit.snippet, hit.matches).map((piece) =>
                piece.isMatch ? <mark key={piece.at}>{piece.text}</mark> : <span key={piece.at}>{piece.text}</span>,
              )}
            </span>
          </a>
        </li>
      ))}
    </ol>
  );
}
