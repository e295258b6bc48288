// Events as a table, or as cards in a narrow space.

import type { SessionInfo, StoredEvent } from '@binnacle/protocol';
import { bytes, exactClockTime, oneLine } from '../model/format.ts';
import { addressOf } from '../model/route.ts';
import { shortId, title } from '../model/sessions.ts';
import { useNow } from '../state/use-clock.ts';
import { exitText, isFailure } from './format.ts';
import './traffic-table.css';

interface TrafficTableProps {
  readonly events: readonly StoredEvent[];
  /** The existing sessions: an event outlives its session. */
  readonly sessions: readonly SessionInfo[];
}

export function TrafficTable({ events, sessions }: TrafficTableProps) {
  const now = useNow();
  const names = new Map(sessions.map((info) => [info.id, title(info)]));
  return (
    <table className="traffic" aria-label="Events, newest first" data-testid="traffic-table">
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">Source</th>
          <th scope="col">Session</th>
          <th scope="col">Command</th>
          <th scope="col">Exit</th>
          <th scope="col" className="number">
            Size
          </th>
        </tr>
      </thead>
      <tbody>
        {events.map((event) => (
          <Row key={event.id} event={event} now={now} name={names.get(event.session)} />
        ))}
      </tbody>
    </table>
  );
}

interface RowProps {
  readonly event: StoredEvent;
  readonly now: number;
  /** Undefined if the session is gone. */
  readonly name: string | undefined;
}

function Row({ event, now, name }: RowProps) {
  const happened = event.timestamp ?? event.received_at;
  const failed = isFailure(event);
  const text = exitText(event);
  const label = shortId(event.session_id);
  const whole = oneLine(event.session_id, 200);
  return (
    <tr className={failed ? 'failed' : undefined} data-testid="traffic-row" data-event={event.id}>
      <td className="cell-time">
        <time dateTime={new Date(happened).toISOString()} title={`came ${exactClockTime(event.received_at, now)}`}>
          {exactClockTime(happened, now)}
        </time>
      </td>
      <td className="cell-source">{oneLine(event.source, 64)}</td>
      <td className="cell-session">
        {name === undefined ? (
          <span title={`${whole}: the session is not kept any more`}>
            {label} <small>(gone)</small>
          </span>
        ) : (
          <a
            href={addressOf({ kind: 'session', id: event.session, at: event.offset })}
            title={`${oneLine(name, 80)} (${whole}): show its output at this event`}
          >
            {label}
          </a>
        )}
      </td>
      <td className="cell-command">
        {event.command_preview !== null && <code>{oneLine(event.command_preview, 200)}</code>}
        {event.response_preview !== null && event.response_preview.trim() !== '' && (
          <small>{oneLine(event.response_preview, 160)}</small>
        )}
      </td>
      <td className="cell-exit">
        {text !== '' && (
          <span
            className={failed ? 'exit bad' : 'exit'}
            data-kind={event.signal === null && event.exit_code !== null ? 'code' : 'word'}
          >
            {failed && (
              <>
                <span aria-hidden="true">✕ </span>
                <span className="sr-only">failed: </span>
              </>
            )}
            <span className="exit-text">{text}</span>
          </span>
        )}
      </td>
      <td className="cell-size number">
        {bytes(event.size)}
        {event.lost_bytes > 0 && <small>{bytes(event.lost_bytes)} lost</small>}
      </td>
    </tr>
  );
}
