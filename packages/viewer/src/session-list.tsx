// The list of sessions, newest first. It shows and chooses; it does not fetch.

import type { SessionInfo } from '@binnacle/protocol';
import { HelmIcon } from './icons.tsx';
import { useNow } from './use-client.ts';
import { age, commandLine, mark, oneLine, stateWord, title } from './words.ts';

interface SessionListProps {
  readonly sessions: readonly SessionInfo[];
  readonly loading: boolean;
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
}

export function SessionList({ sessions, loading, chosen, onChoose }: SessionListProps) {
  const now = useNow();
  if (sessions.length === 0) {
    return (
      <p className="sessions-none" data-testid="no-sessions">
        {loading ? 'Looking…' : 'No sessions yet.'}
      </p>
    );
  }
  return (
    <ul className="sessions" aria-label="Sessions" data-testid="sessions">
      {sessions.map((info) => (
        <li key={info.id}>
          <SessionRow info={info} now={now} current={info.id === chosen} onChoose={onChoose} />
        </li>
      ))}
    </ul>
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
  return (
    <button
      type="button"
      className="session"
      aria-current={current}
      onClick={() => onChoose(info.id)}
      data-testid="session"
      data-session={info.id}
      data-state={info.state}
    >
      <span className={`dot ${how}`} />
      <span className="session-name">{name}</span>
      <time className="session-age" dateTime={new Date(info.createdAt).toISOString()}>
        {age(Math.max(now, info.createdAt) - info.createdAt)}
      </time>
      <span className="session-more">
        <span className={`session-state ${how}`}>{stateWord(info)}</span>
        {info.lease !== null && (
          <span className="session-helm" title={`${oneLine(info.lease.holder, 40)} has the helm`}>
            <HelmIcon />
            <span className="sr-only">{oneLine(info.lease.holder, 40)} has the helm</span>
          </span>
        )}
        {command !== name && <code>{command}</code>}
      </span>
    </button>
  );
}
