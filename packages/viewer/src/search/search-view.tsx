// The page of a search: its words, its scope, and its hits or the reason for none.

import type { Binnacle } from '@binnacle/client';
import {
  BinnacleError,
  CODES,
  defined,
  type MessageHit,
  type MessageSearchResult,
  type SearchHit,
  type SearchResult,
  type SessionInfo,
} from '@binnacle/protocol';
import { type ReactNode, useMemo } from 'react';
import { age, bytes, counted, exactClockTime, oneLine } from '../model/format.ts';
import { addressOf, type SearchRoute } from '../model/route.ts';
import { choices } from '../model/session-facets.ts';
import { stateWord, title } from '../model/sessions.ts';
import { CloseIcon, SearchIcon } from '../ui/icons.tsx';
import { Empty, Failed, More, Page } from '../ui/page.tsx';
import { Pick } from '../ui/pick.tsx';
import { SearchBox } from './search-box.tsx';
import { type SearchResults, useSearch } from './use-search.ts';
import './search-view.css';
import { useNow } from '../state/use-clock.ts';
import { SessionSource } from '../ui/session-source.tsx';
import './search-hits.css';

interface SearchViewProps {
  readonly client: Binnacle;
  readonly route: SearchRoute;
  readonly sessions: readonly SessionInfo[];
  readonly menu: ReactNode;
  readonly linkNotice: ReactNode;
  readonly onSearch: (route: SearchRoute) => void;
}

export function SearchView({ client, route, sessions, menu, linkNotice, onSearch }: SearchViewProps) {
  const { q, session, source } = route;
  const found = useSearch<SearchHit, SearchResult>(
    useMemo(
      () =>
        q === ''
          ? undefined
          : (options) => client.search(q, { ...options, ...defined({ session_id: session, source }) }),
      [client, q, session, source],
    ),
  );
  const isEverywhere = session === undefined && source === undefined;
  const messages = useSearch<MessageHit, MessageSearchResult>(
    useMemo(
      () => (q === '' || !isEverywhere ? undefined : (options) => client.searchMessages(q, options)),
      [client, q, isEverywhere],
    ),
  );
  const again = (): void => {
    found.again();
    messages.again();
  };
  const { sources } = choices(sessions);
  const only = sessions.find((info) => info.id === session || info.foreign?.sessionId === session);
  const search = (query: string): void => {
    // The same words again: newer output may contain them.
    if (query === q && q !== '') again();
    else onSearch({ ...route, q: query });
  };
  const { session: _session, ...anywhere } = route;
  const failures = failuresOf(found, messages, again);
  return (
    <Page
      title="Search"
      icon={<SearchIcon />}
      subtitle="In conversations, and in what all sessions printed, here and elsewhere"
      menu={menu}
      notices={linkNotice}
      busy={found.busy || messages.busy}
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
        {statusOf(q, found, messages)}
      </p>
      <IndexLag found={found} messages={messages} onAgain={again} />
      {failures.map(({ error, onAgain }) => (
        <Failed key={error.code} error={withQueryHint(error)} onAgain={onAgain} />
      ))}
      <Body q={q} found={found} messages={messages} sessions={sessions} />
    </Page>
  );
}

type FoundOutput = SearchResults<SearchHit, SearchResult>;
type FoundMessages = SearchResults<MessageHit, MessageSearchResult>;

function statusOf(q: string, found: FoundOutput, messages: FoundMessages): string {
  if (q === '' || found.error !== undefined || messages.error !== undefined) return '';
  if (found.hits === undefined || (messages.busy && messages.hits === undefined)) return 'Searching';
  const hits = found.hits.length + (messages.hits?.length ?? 0);
  const hasMore = found.page?.next != null || messages.page?.next != null;
  return `${counted(hits, 'hit')}${hasMore ? ', and more' : ''}`;
}

/** Returns what went wrong, once if both searches failed in the same way; the other one keeps what it has found. */
function failuresOf(
  found: FoundOutput,
  messages: FoundMessages,
  again: () => void,
): { readonly error: BinnacleError; readonly onAgain: () => void }[] {
  if (found.error !== undefined && found.error.code === messages.error?.code) {
    return [{ error: found.error, onAgain: again }];
  }
  return [found, messages].flatMap(({ error, again: onAgain }) => (error === undefined ? [] : [{ error, onAgain }]));
}

/** Adds to an error in the words that the words are the cause. */
function withQueryHint(error: BinnacleError): BinnacleError {
  const { message } = CODES.bad_query;
  return error.code === 'bad_query' && error.message !== message
    ? new BinnacleError('bad_query', { message: `${message} ${error.message}`, hint: error.hint })
    : error;
}

interface IndexLagProps {
  readonly found: FoundOutput;
  readonly messages: FoundMessages;
  readonly onAgain: () => void;
}

/** Warns that the index lags behind: hits may be missing. */
function IndexLag({ found, messages, onAgain }: IndexLagProps) {
  const lags = [
    ...(found.page !== undefined && found.page.behindBytes > 0 ? [`${bytes(found.page.behindBytes)} of output`] : []),
    ...(messages.page !== undefined && messages.page.behind > 0 ? [counted(messages.page.behind, 'message')] : []),
  ];
  if (lags.length === 0) return null;
  return (
    <p className="page-note" data-testid="behind">
      <span>Still indexing {lags.join(' and ')}: what is in there is not found yet.</span>
      <button type="button" className="button" onClick={onAgain} disabled={found.busy}>
        Search again
      </button>
    </p>
  );
}

interface BodyProps {
  readonly q: string;
  readonly found: FoundOutput;
  readonly messages: FoundMessages;
  readonly sessions: readonly SessionInfo[];
}

function Body({ q, found, messages, sessions }: BodyProps) {
  const icon = <SearchIcon />;
  if (q === '') {
    return (
      <Empty icon={icon} title="What are you looking for?" test="search-idle">
        <p>
          <code>error timeout</code> finds both words in a message, or close together in a session’s output,{' '}
          <code>"exit code"</code> the phrase, <code>time*</code> every beginning, <code>-debug</code> leaves out.
        </p>
      </Empty>
    );
  }
  const { hits = [] } = messages;
  const isEmpty = hits.length === 0 && (found.hits ?? []).length === 0;
  if (isEmpty && (found.busy || messages.busy)) {
    return <Empty icon={icon} title="Searching…" waiting test="search-loading" />;
  }
  if (isEmpty && (found.error !== undefined || messages.error !== undefined || found.hits === undefined)) return null;
  if (isEmpty) {
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
      {hits.length > 0 && (
        <section>
          <h3 className="hits-title">Conversations</h3>
          <MessageHits hits={hits} />
          {messages.page?.next != null && (
            <More label="More messages" busy={messages.busy} onMore={messages.more} test="search-more-messages" />
          )}
        </section>
      )}
      {found.hits !== undefined && found.hits.length > 0 && (
        <section>
          {hits.length > 0 && <h3 className="hits-title">Sessions</h3>}
          <SearchHits hits={found.hits} sessions={sessions} />
          {found.page?.next != null && (
            <More label="More hits" busy={found.busy} onMore={found.more} test="search-more" />
          )}
        </section>
      )}
    </>
  );
}

function MessageHits({ hits }: { readonly hits: readonly MessageHit[] }) {
  const now = useNow();
  return (
    <ol className="hits" aria-label="Messages, newest first" data-testid="message-hits">
      {hits.map((hit) => (
        <li key={`${hit.conversation} ${hit.message}`}>
          <a
            className="hit"
            href={addressOf({ kind: 'conversation', key: hit.conversation })}
            data-testid="message-hit"
            data-conversation={hit.conversation}
          >
            <span className="hit-head">
              <span className="hit-name">{oneLine(hit.title, 80) || oneLine(hit.conversation, 80)}</span>
              <span className="hit-state">{hit.role === 'assistant' ? 'the agent' : 'to the agent'}</span>
              <HitTime time={hit.time} now={now} />
            </span>
            <Snippet hit={hit} />
          </a>
        </li>
      ))}
    </ol>
  );
}

const HitTime = ({ time, now }: { readonly time: number; readonly now: number }) => (
  <time dateTime={new Date(time).toISOString()} title={exactClockTime(time, now)}>
    {age(Math.max(now, time) - time)}
  </time>
);

const Snippet = ({ hit }: { readonly hit: Pick<SearchHit, 'snippet' | 'matches'> }) => (
  <span className="hit-text">
    {pieces(hit.snippet, hit.matches).map((piece) =>
      piece.isMatch ? <mark key={piece.at}>{piece.text}</mark> : <span key={piece.at}>{piece.text}</span>,
    )}
  </span>
);

interface SearchHitsProps {
  readonly hits: readonly SearchHit[];
  /** The sessions of the list, so that states have the same words here and there. */
  readonly sessions: readonly SessionInfo[];
}

function SearchHits({ hits, sessions }: SearchHitsProps) {
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
              <HitTime time={hit.time} now={now} />
            </span>
            <Snippet hit={hit} />
          </a>
        </li>
      ))}
    </ol>
  );
}

/** A piece of a text that was cut at its matches, in order; overlapping and impossible ranges do no harm. */
interface SnippetPart {
  readonly text: string;
  readonly isMatch: boolean;
  /** Position of the piece in the text. */
  readonly at: number;
}

/** Cuts the snippet of a hit at its matches. */
export function pieces(text: string, matches: readonly (readonly [number, number])[]): readonly SnippetPart[] {
  const found: SnippetPart[] = [];
  let at = 0;
  const add = (to: number, isMatch: boolean): void => {
    if (to > at) found.push({ text: text.slice(at, to), isMatch, at });
    at = Math.max(at, to);
  };
  for (const [from, to] of [...matches].sort((a, b) => a[0] - b[0])) {
    add(Math.min(Math.max(from, 0), text.length), false);
    add(Math.min(to, text.length), true);
  }
  add(text.length, false);
  return found;
}
