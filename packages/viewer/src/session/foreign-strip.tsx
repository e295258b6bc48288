// The strip below a session's header. A foreign session: watch only, its origin, and what is lost. A local session: its
// labels.

import type { SessionInfo } from '@binnacle/protocol';
import { age, bytes, oneLine } from '../model/format.ts';
import { addressOf } from '../model/route.ts';
import { isRecording, sender, shortId } from '../model/sessions.ts';
import { durationText } from '../recordings/format.ts';
import { useNow } from '../state/use-clock.ts';
import { ElsewhereIcon, FilmIcon, TrafficIcon } from '../ui/icons.tsx';
import { Notice } from '../ui/notices.tsx';
import '../ui/chip.css';
import './foreign-strip.css';

interface ForeignStripProps {
  /** The session as the list has it: the list follows changes, not every event. */
  readonly info: SessionInfo;
  /** Time of the last event in the log, ms since 1970. */
  readonly heardAt: number;
}

export function ForeignStrip({ info, heardAt }: ForeignStripProps) {
  const now = useNow();
  const { foreign } = info;
  if (foreign === null) return <OwnLabels info={info} />;
  if (isRecording(info)) return <RecordingStrip info={info} foreign={foreign} now={now} />;
  const producer = foreign.producer === null ? '' : `, producer ${oneLine(foreign.producer, 60)}`;
  return (
    <section className="foreign" aria-label="Where it runs" data-testid="foreign">
      <p className="foreign-text">
        <ElsewhereIcon />
        <strong>{info.running ? 'Runs elsewhere: you can watch it here' : 'Ran elsewhere'}</strong>
      </p>
      <ul className="foreign-facts">
        <li className="chip source" title="Source" data-testid="foreign-source">
          <span className="sr-only">Source </span>
          {oneLine(foreign.source, 64)}
        </li>
        {Object.entries(foreign.labels).map(([key, value]) => (
          <li key={key}>
            <a
              className="chip"
              href={addressOf({ kind: 'traffic', filter: { label: `${key}=${value}` } })}
              title="Events with this label"
              data-testid="foreign-label"
            >
              <span className="sr-only">Label </span>
              {oneLine(key, 64)}
              <b>{oneLine(value, 80)}</b>
            </a>
          </li>
        ))}
        <li>
          <a
            className="chip"
            href={addressOf({ kind: 'traffic', filter: { session: info.id } })}
            data-testid="foreign-events"
          >
            <TrafficIcon /> Events
          </a>
        </li>
        <li
          className="foreign-who"
          title={`${oneLine(foreign.sessionId, 200)}, sent by ${oneLine(foreign.user, 64)}${producer}`}
        >
          sent by {sender(foreign.user)} as <code>{shortId(foreign.sessionId)}</code>
          {info.running && `, last heard ${ageText(now - Math.max(heardAt, foreign.heardAt))}`}
        </li>
      </ul>
    </section>
  );
}

/** Shows the labels of a local session; renders nothing without labels. */
function OwnLabels({ info }: { readonly info: SessionInfo }) {
  const labels = Object.entries(info.labels);
  if (labels.length === 0) return null;
  return (
    <section className="foreign" aria-label="Labels" data-testid="labels">
      <ul className="foreign-facts">
        {labels.map(([key, value]) => (
          <li key={key} className="chip" title={oneLine(`${key}=${value}`, 330)} data-testid="label">
            <span className="sr-only">Label </span>
            {oneLine(key, 64)}
            <b>{oneLine(value, 80)}</b>
          </li>
        ))}
      </ul>
    </section>
  );
}

function ageText(ms: number): string {
  const text = age(ms);
  return text === 'now' ? 'just now' : `${text} ago`;
}

interface RecordingStripProps {
  readonly info: SessionInfo;
  readonly foreign: NonNullable<SessionInfo['foreign']>;
  readonly now: number;
}

/** The strip of a recording: the program once ran elsewhere, and no more output will come. */
function RecordingStrip({ info, foreign, now }: RecordingStripProps) {
  const made = new Date(info.createdAt);
  return (
    <section className="foreign" aria-label="A recording" data-testid="foreign" data-recording="true">
      <p className="foreign-text">
        <FilmIcon />
        <strong>A recording</strong>
      </p>
      <ul className="foreign-facts">
        <li>
          made <time dateTime={made.toISOString()}>{made.toLocaleString()}</time>
        </li>
        {info.exitedAt !== null && <li>{durationText(info.exitedAt - info.createdAt)} long</li>}
        <li className="foreign-who">
          imported by {sender(foreign.user)} {ageText(now - foreign.heardAt)}
        </li>
      </ul>
    </section>
  );
}

/** Reports output that the emitter dropped for lack of room: the log has holes. */
export function LostNotice({ lostBytes }: { readonly lostBytes: number }) {
  if (lostBytes === 0) return null;
  return (
    <Notice about="lost" tone="warn">
      {bytes(lostBytes)} of this output never came here. <small>The emitter had no room for them, and said so.</small>
    </Notice>
  );
}
