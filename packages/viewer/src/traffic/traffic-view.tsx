// The page of traffic: events of programs that run elsewhere, newest first, with filters and the last hours.

import type { Binnacle } from '@binnacle/client';
import type { SessionInfo, StoredEventList } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { counted } from '../model/format.ts';
import { isAskEmpty, type TrafficAsk } from '../model/traffic-query.ts';
import { TrafficIcon } from '../ui/icons.tsx';
import { ErrorNotice } from '../ui/notices.tsx';
import { Empty, Failed, More, Page } from '../ui/page.tsx';
import { TrafficStrip } from './last-day.tsx';
import { TrafficFilters } from './traffic-filters.tsx';
import { TrafficTable } from './traffic-table.tsx';
import { type Heard, useTraffic } from './use-traffic.ts';
import './traffic-view.css';

interface TrafficViewProps {
  readonly client: Binnacle;
  readonly ask: TrafficAsk;
  readonly sessions: readonly SessionInfo[];
  readonly menu: ReactNode;
  readonly linkNotice: ReactNode;
  readonly onAsk: (ask: TrafficAsk) => void;
}

export function TrafficView({ client, ask, sessions, menu, linkNotice, onAsk }: TrafficViewProps) {
  const heard = useTraffic(client, ask);
  const { list, stats, error } = heard;
  return (
    <Page
      title="Traffic"
      icon={<TrafficIcon />}
      words="What programs that run elsewhere sent here"
      menu={menu}
      notices={
        <>
          {linkNotice}
          {error !== undefined && list !== undefined && <ErrorNotice error={error} />}
        </>
      }
      busy={heard.busy}
      test="traffic-view"
    >
      <TrafficStrip stats={stats} source={ask.source} isWider={!isAskEmpty({ ...ask, source: undefined })} />
      <TrafficFilters ask={ask} sessions={sessions} onAsk={onAsk} />
      <p
        className={isAskEmpty(ask) || !list?.events.length ? 'sr-only' : 'traffic-found'}
        role="status"
        data-testid="traffic-status"
      >
        {list === undefined ? '' : foundWords(list, isAskEmpty(ask))}
      </p>
      {error !== undefined && list === undefined && <Failed error={error} onAgain={heard.again} />}
      <Body ask={ask} heard={heard} sessions={sessions} onAsk={onAsk} />
    </Page>
  );
}

function foundWords({ events, next }: StoredEventList, isAll: boolean): string {
  const words = `${counted(events.length, 'event')}${next === null ? '' : ' and more'}`;
  if (isAll) return words;
  return events.length === 1 && next === null ? `${words} fits the filters` : `${words} fit the filters`;
}

interface BodyProps {
  readonly ask: TrafficAsk;
  readonly heard: Heard;
  readonly sessions: readonly SessionInfo[];
  readonly onAsk: (ask: TrafficAsk) => void;
}

function Body({ ask, heard, sessions, onAsk }: BodyProps) {
  const { list } = heard;
  const icon = <TrafficIcon />;
  if (list === undefined)
    return heard.error === undefined ? <Empty icon={icon} title="Looking…" waiting test="traffic-loading" /> : null;
  if (list.events.length > 0) {
    return (
      <>
        <TrafficTable events={list.events} sessions={sessions} />
        {list.next !== null && (
          <More words="Earlier events" busy={heard.busy} onMore={heard.more} test="traffic-more" />
        )}
      </>
    );
  }
  if (!isAskEmpty(ask)) {
    return (
      <Empty icon={icon} title="No event fits the filters" test="traffic-none">
        <button type="button" className="button" onClick={() => onAsk({})}>
          Show all events
        </button>
      </Empty>
    );
  }
  return (
    <Empty icon={icon} title="Nothing came yet" test="traffic-none">
      <p>
        What a program prints on another machine comes here with <code>binnacle emit -- CMD</code> and a token of scope{' '}
        <code>ingest</code>.
      </p>
    </Empty>
  );
}
