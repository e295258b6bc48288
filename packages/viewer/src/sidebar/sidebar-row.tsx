// A row of the list: a session or a conversation, its state, and its news mark.

import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { memo, type ReactNode } from 'react';
import { activityLabel, activityMark, activityOf, conversationTitle } from '../model/conversations.ts';
import { age, oneLine, person } from '../model/format.ts';
import { labelsOf } from '../model/session-facets.ts';
import { commandLine, mark, namesCommand, stateWord, title } from '../model/sessions.ts';
import { LeaseIcon } from '../ui/icons.tsx';
import { SessionSource } from '../ui/session-source.tsx';
import type { Row } from './rows.ts';
import './sidebar-row.css';

interface RowProps {
  readonly row: Row;
  readonly now: number;
  /** True if the row's session or conversation is in view beside the list. */
  readonly current: boolean;
  /** True for the one row that Tab reaches; arrow keys continue from there. */
  readonly first: boolean;
  readonly news: boolean;
  readonly onChoose: (row: Row) => void;
  readonly onFocus: (key: string) => void;
}

/** Maximum labels of a row: they share one line. The filter and the session's page have the others. */
const ROW_LABELS = 2;

export const ListRow = memo(function ListRow({ row, ...rest }: RowProps) {
  return row.kind === 'session' ? (
    <SessionRow row={row} info={row.info} {...rest} />
  ) : (
    <ConversationRow row={row} info={row.info} {...rest} />
  );
});

function SessionRow({ info, ...rest }: RowProps & { readonly info: SessionInfo }) {
  const how = mark(info);
  const name = oneLine(title(info));
  const command = oneLine(commandLine(info));
  const question = how === 'waits' ? info.activity?.text : undefined;
  const labels = labelsOf(info).map((label) => oneLine(label, 80));
  return (
    <RowButton
      {...rest}
      how={how}
      name={name}
      state={stateWord(info)}
      at={info.createdAt}
      data={{
        'data-session': info.id,
        'data-state': info.state,
        'data-activity': info.activity?.state,
        'data-where': info.foreign === null ? 'here' : 'elsewhere',
      }}
    >
      {typeof question === 'string' && <span>{oneLine(question, 80)}</span>}
      {info.foreign !== null && <SessionSource foreign={info.foreign} verb="Runs" />}
      {labels.length > 0 && (
        <span className="session-labels" title={labels.join(', ')} data-testid="row-labels">
          <span className="sr-only">labels </span>
          {labels.slice(0, ROW_LABELS).map((label) => (
            <span key={label} className="session-label">
              {label}
            </span>
          ))}
          {labels.length > ROW_LABELS && <span>+{labels.length - ROW_LABELS}</span>}
        </span>
      )}
      {info.lease !== null && (
        <span className="session-lease" title={`${person(info.lease.holder)} is in control`}>
          <LeaseIcon />
          <span className="sr-only">{person(info.lease.holder)} is in control</span>
        </span>
      )}
      {!namesCommand(info) && typeof question !== 'string' && <code>{command}</code>}
    </RowButton>
  );
}

function ConversationRow({ info, ...rest }: RowProps & { readonly info: ConversationInfo }) {
  return (
    <RowButton
      {...rest}
      how={activityMark(info)}
      name={conversationTitle(info)}
      state={activityLabel(info)}
      at={info.updatedAt}
      data={{ 'data-conversation': info.key, 'data-doing': activityOf(info) }}
    >
      <span>{oneLine(info.agent, 40)}</span>
      {info.queue.length > 0 && <span>{info.queue.length} waiting</span>}
      {!info.mine && info.owner !== null && <span>of {oneLine(info.owner, 24)}</span>}
    </RowButton>
  );
}

interface RowButtonProps extends RowProps {
  /** Class of the dot and of the word for the state. */
  readonly how: string;
  readonly name: string;
  readonly state: string;
  readonly at: number;
  readonly data: Readonly<Record<`data-${string}`, string | undefined>>;
  /** Further content of the row. */
  readonly children: ReactNode;
}

function RowButton(props: RowButtonProps) {
  const { row, now, current, first, news, onChoose, onFocus, how, name, state, at, data, children } = props;
  return (
    <button
      type="button"
      className="session"
      aria-current={current}
      tabIndex={first ? 0 : -1}
      onClick={() => onChoose(row)}
      onFocus={() => onFocus(row.key)}
      data-testid={row.kind}
      data-row={row.key}
      data-news={news}
      {...data}
    >
      <span className={`dot ${how}`} />
      <span className="session-name clip">{name}</span>
      <span className="session-aside">
        <time className="session-age" dateTime={new Date(at).toISOString()}>
          {age(Math.max(now, at) - at)}
        </time>
        {news && (
          <span className="session-news" title="New since you looked">
            <span className="sr-only">new since you looked</span>
          </span>
        )}
      </span>
      <span className="session-more">
        <span className={`session-state ${how}`}>{state}</span>
        {children}
      </span>
    </button>
  );
}
