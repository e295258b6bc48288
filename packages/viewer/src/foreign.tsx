// What a session's page says of a program that runs elsewhere: that it can only be watched, where from, and what is lost.

import type { SessionInfo } from '@binnacle/protocol';
import { addressOf } from './choice.ts';
import { ElsewhereIcon, TrafficIcon } from './icons.tsx';
import { Notice } from './notices.tsx';
import { useNow } from './use-client.ts';
import { age, bytes, oneLine, sender, shortId } from './words.ts';

interface ForeignStripProps {
  /** As the list knows it: it is told of changes, not of every event. */
  readonly info: SessionInfo;
  /** As its log says, ms since 1970. */
  readonly heardAt: number;
}

export function ForeignStrip({ info, heardAt }: ForeignStripProps) {
  const now = useNow();
  const { foreign } = info;
  if (foreign === null) return null;
  const producer = foreign.producer === null ? '' : `, producer ${oneLine(foreign.producer, 60)}`;
  return (
    <section className="foreign" aria-label="Where it runs" data-testid="foreign">
      <p className="foreign-words">
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
              href={addressOf({ kind: 'traffic', ask: { label: `${key}=${value}` } })}
              title="Traffic with this label"
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
            href={addressOf({ kind: 'traffic', ask: { session: info.id } })}
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
          {info.running && `, last heard ${heard(now - Math.max(heardAt, foreign.heardAt))}`}
        </li>
      </ul>
    </section>
  );
}

function heard(ms: number): string {
  const words = age(ms);
  return words === 'now' ? 'just now' : `${words} ago`;
}

/** What an emitter had no room for never came here: the output has holes. */
export function LostNotice({ lostBytes }: { readonly lostBytes: number }) {
  if (lostBytes === 0) return null;
  return (
    <Notice about="lost" tone="warn">
      {bytes(lostBytes)} of this output never came here. <small>The emitter had no room for them, and said so.</small>
    </Notice>
  );
}
