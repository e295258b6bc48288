// The page of a search: its words, its scope, and its hits or the reason for none.

import type { Binnacle } from '@binnacle/client';
import { BinnacleError, CODES, type SessionInfo } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { bytes, counted, oneLine } from '../model/format.ts';
import type { SearchRoute } from '../model/route.ts';
import { choices } from '../model/session-facets.ts';
import { title } from '../model/sessions.ts';
import { CloseIcon, SearchIcon } from '../ui/icons.tsx';
import { Empty, Failed, More, Page } from '../ui/page.tsx';
import { Pick } from '../ui/pick.tsx';
import { SearchBox } from './search-box.tsx';
import { SearchHits } from './search-hits.tsx';
import { type SearchResults, useSearch } from './use-search.ts';
import './search-view.css';

interface SearchViewProps {
  readonly client: Binnacle;
  readonly route: SearchRoute;
  readonly sessions: readonly SessionInfo[];
  readonly menu: ReactNode;
  readonly linkNotice: ReactNode;
  readonly onSearch: (route: SearchRoute) => void;
}

export function SearchView({ client, route, sessions, menu, linkNotice, onSearch }: SearchViewProps) {
  const found = useSearch(client, route);
  const { q, session, source } = route;
  const { sources } = choices(sessions);
  const only = sessions.find((info) => info.id === session || info.foreign?.sessionId === session);
  const search = (query: string): void => {
    // The same words again: newer output may contain them.
    if (query === q && q !== '') found.again();
    else onSearch({ ...route, q: query });
  };
  const { session: _session, ...anywhere } = route;
  return (
    <Page
      title="Search"
      icon={<SearchIcon />}
      subtitle="In what all sessions printed, here and elsewhere"
      menu={menu}
      notices={linkNotice}
      busy={found.busy}
      test="search-view"
    >
      <div className="page-head">
        <SearchBox
          q={q}
          placeholder="Words, “a phrase in quotes”, begin*, -without"
          autoFocus={q === ''}
          onSearch={search}
          test="search-text"
        />
        {session !== undefined && (
          <button
            type="button"
            className="button search-only"
            onClick={() => onSearch(anywhere)}
            title="Search all sessions"
            data-testid="search-only"
          >
            Only in {oneLine(only === undefined ? session : title(only), 40)}
            <CloseIcon />
            <span className="sr-only">Search all sessions</span>
          </button>
        )}
        {session === undefined && (sources.length > 0 || source !== undefined) && (
          <Pick
            label="Source"
            value={source ?? ''}
            of={[
              ['', 'all sessions'],
              ...[...new Set([...sources, ...(source === undefined ? [] : [source])])].map(
                (one) => [one, oneLine(one, 40)] as const,
              ),
            ]}
            onPick={(one) => onSearch(one === '' ? { kind: 'search', q } : { kind: 'search', q, source: one })}
            test="search-source"
          />
        )}
      </div>
      <p className="sr-only" role="status" data-testid="search-status">
        {statusOf(q, found)}
      </p>
      <IndexLag found={found} />
      {found.error !== undefined && <Failed error={withQueryHint(found.error)} onAgain={found.again} />}
      <Body q={q} found={found} sessions={sessions} />
    </Page>
  );
}

function statusOf(q: string, found: SearchResults): string {
  if (q === '' || found.error !== undefined) return '';
  if (found.hits === undefined) return 'Searching';
  return `${counted(found.hits.length, 'hit')}${found.next === null ? '' : ', and more'}`;
}

/** Adds to an error in the words that the words are the cause. */
function withQueryHint(error: BinnacleError): BinnacleError {
  const { message } = CODES.bad_query;
  return error.code === 'bad_query' && error.message !== message
    ? new BinnacleError('bad_query', { message: `${message} ${error.message}`, hint: error.hint })
    : error;
}

/** Warns that the index lags behind: hits may be missing. */
function IndexLag({ found }: { readonly found: SearchResults }) {
  if (found.behindBytes === 0) return null;
  return (
    <p className="page-note" data-testid="behind">
      <span>Still indexing {bytes(found.behindBytes)} of output: what is in there is not found yet.</span>
      <button type="button" className="button" onClick={found.again} disabled={found.busy}>
        Search again
      </button>
    </p>
  );
}

interface BodyProps {
  readonly q: string;
  readonly found: SearchResults;
  readonly sessions: readonly SessionInfo[];
}

function Body({ q, found, sessions }: BodyProps) {
  const icon = <SearchIcon />;
  if (q === '') {
    return (
      <Empty icon={icon} title="What are you looking for?" test="search-idle">
        <p>
          <code>error timeout</code> finds both words close together in a session’s output, <code>"exit code"</code> the
          phrase, <code>time*</code> every beginning, <code>-debug</code> leaves out.
        </p>
      </Empty>
    );
  }
  if (found.hits === undefined)
    return found.busy ? <Empty icon={icon} title="Searching…" waiting test="search-loading" /> : null;
  if (found.hits.length === 0) {
    return (
      <Empty icon={icon} title={`Nothing found for “${oneLine(q, 60)}”`} test="search-none">
        <p>
          Fewer words find more, and <code>time*</code> finds timeout. What is no longer kept is not searched.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <SearchHits hits={found.hits} sessions={sessions} />
      {found.next !== null && <More label="More hits" busy={found.busy} onMore={found.more} test="search-more" />}
    </>
  );
}
