// What a search found: each hit leads to its place in its session. It shows; it does not search.

import type { SearchHit } from '@binnacle/protocol';
import { addressOf } from './choice.ts';
import { ElsewhereIcon } from './icons.tsx';
import { clock, pieces } from './traffic-words.ts';
import { useNow } from './use-client.ts';
import { age, oneLine } from './words.ts';

export function SearchHits({ hits }: { readonly hits: readonly SearchHit[] }) {
  const now = useNow();
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
              {hit.foreign !== null && (
                <span className="session-source">
                  <ElsewhereIcon />
                  <span className="sr-only">ran elsewhere, from </span>
                  <span className="session-source-name">{oneLine(hit.foreign.source, 64)}</span>
                </span>
              )}
              <span className="hit-state">{hit.state}</span>
              <time dateTime={new Date(hit.time).toISOString()} title={clock(hit.time, now)}>
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
