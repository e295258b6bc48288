// The list of sessions, newest first, and its filter. It shows and chooses; it does not fetch.

import type { SessionInfo } from '@binnacle/protocol';
import { useMemo, useState } from 'react';
import { ElsewhereIcon, HelmIcon } from './icons.tsx';
import { choices, filtered, isFiltering, NO_FILTER, type SessionFilter } from './session-filter.ts';
import { SessionFilterBar } from './session-filter-bar.tsx';
import { useNow } from './use-client.ts';
import { age, commandLine, mark, oneLine, stateWord, title } from './words.ts';

interface SessionListProps {
  readonly sessions: readonly SessionInfo[];
  readonly loading: boolean;
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
}

// Emitters make thousands; more rows than this nobody reads through, and the filter finds the rest.
const SHOWN_AT_FIRST = 100;

export function SessionList({ sessions, loading, chosen, onChoose }: SessionListProps) {
  const now = useNow();
  const [filter, setFilter] = useState<SessionFilter>(NO_FILTER);
  const [all, setAll] = useState(false);
  const { sources, labels } = useMemo(() => choices(sessions), [sessions]);
  const found = useMemo(() => filtered(sessions, filter), [sessions, filter]);
  if (sessions.length === 0) {
    return (
      <p className="sessions-none" data-testid="no-sessions">
        {loading ? 'Looking…' : 'No sessions yet.'}
      </p>
    );
  }
  const shown = all ? found : found.filter((info, at) => at < SHOWN_AT_FIRST || info.id === chosen);
  return (
    <>
      <SessionFilterBar filter={filter} sources={sources} labels={labels} onChange={setFilter} />
      <p className="sr-only" role="status">
        {isFiltering(filter) ? `${found.length} of ${sessions.length} sessions` : ''}
      </p>
      {found.length === 0 ? (
        <div className="sessions-none" data-testid="none-match">
          <p>None of {sessions.length} sessions fits the filter.</p>
          <button type="button" className="button quiet" onClick={() => setFilter(NO_FILTER)}>
            Show all sessions
          </button>
        </div>
      ) : (
        <ul className="sessions" aria-label="Sessions" data-testid="sessions">
          {shown.map((info) => (
            <li key={info.id}>
              <SessionRow info={info} now={now} current={info.id === chosen} onChoose={onChoose} />
            </li>
          ))}
        </ul>
      )}
      {shown.length < found.length && (
        <button type="button" className="button quiet side-all" onClick={() => setAll(true)}>
          Show all {found.length}
        </button>
      )}
    </>
  );
}

interface RowProps {
  readonly info: SessionInfo;
  readonly now: number;
  readonly current: boolean;
  readonly onChoose: (id: string) => void;
}

function SessionRow({ info, now, current, onChoose }: RowProps) {
  const how = mark(info);
  const name = oneLine(title(info));
  const command = oneLine(commandLine(info));
  // A name that was made of the command says the same, cut or not.
  const isNamed = !command.startsWith(name.replace(/…$/, ''));
  return (
    <button
      type="button"
      className="session"
      aria-current={current}
      onClick={() => onChoose(info.id)}
      data-testid="session"
      data-session={info.id}
      data-state={info.state}
      data-where={info.foreign === null ? 'here' : 'elsewhere'}
    >
      <span className={`dot ${how}`} />
      <span className="session-name">{name}</span>
      <time className="session-age" dateTime={new Date(info.createdAt).toISOString()}>
        {age(Math.max(now, info.createdAt) - info.createdAt)}
      </time>
      <span className="session-more">
        <span className={`session-state ${how}`}>{stateWord(info)}</span>
        {info.foreign !== null && (
          <span className="session-source" title={`Runs elsewhere, from ${oneLine(info.foreign.source, 64)}`}>
            <ElsewhereIcon />
            <span className="sr-only">runs elsewhere, from </span>
            <span className="session-source-name">{oneLine(info.foreign.source, 64)}</span>
          </span>
        )}
        {info.lease !== null && (
          <span className="session-helm" title={`${oneLine(info.lease.holder, 40)} has the helm`}>
            <HelmIcon />
            <span className="sr-only">{oneLine(info.lease.holder, 40)} has the helm</span>
          </span>
        )}
        {isNamed && <code>{command}</code>}
      </span>
    </button>
  );
}
