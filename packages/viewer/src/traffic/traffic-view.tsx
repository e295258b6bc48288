// The page of traffic: events of programs that run elsewhere, newest first, with filters and the last hours.

import type { Binnacle } from '@binnacle/client';
import type { SessionInfo, StoredEventList } from '@binnacle/protocol';
import type { ReactNode } from 'react';
import { counted } from '../model/format.ts';
import { isFilterEmpty, type TrafficFilter } from '../model/traffic-query.ts';
import { TrafficIcon } from '../ui/icons.tsx';
import { ErrorNotice } from '../ui/notices.tsx';
import { Empty, Failed, More, Page } from '../ui/page.tsx';
import { LastDay } from './last-day.tsx';
import { TrafficFilters } from './traffic-filters.tsx';
import { TrafficTable } from './traffic-table.tsx';
import { type TrafficState, useTraffic } from './use-traffic.ts';
import './traffic-view.css';

interface TrafficViewProps {
  readonly client: Binnacle;
  readonly filter: TrafficFilter;
  readonly sessions: readonly SessionInfo[];
  readonly menu: ReactNode;
  readonly linkNotice: ReactNode;
  readonly onFilter: (filter: TrafficFilter) => void;
}

export function TrafficView({ client, filter, sessions, menu, linkNotice, onFilter }: TrafficViewProps) {
  const traffic = useTraffic(client, filter);
  const { list, stats, error } = traffic;
  return (
    <Page
      title="Remote programs"
      icon={<TrafficIcon />}
      subtitle="Output of programs that run elsewhere"
      menu={menu}
      notices={
        <>
          {linkNotice}
          {error !== undefined && list !== undefined && <ErrorNotice error={error} />}
        </>
      }
      busy={traffic.busy}
      test="traffic-view"
    >
      <LastDay stats={stats} source={filter.source} isWider={!isFilterEmpty({ ...filter, source: undefined })} />
      <TrafficFilters filter={filter} sessions={sessions} onFilter={onFilter} />
      <p
        className={isFilterEmpty(filter) || !list?.events.length ? 'sr-only' : 'traffic-found'}
        role="status"
        data-testid="traffic-status"
      >
        {list === undefined ? '' : foundText(list, isFilterEmpty(filter))}
      </p>
      {error !== undefined && list === undefined && <Failed error={error} onAgain={traffic.again} />}
      <Body filter={filter} traffic={traffic} sessions={sessions} onFilter={onFilter} />
    </Page>
  );
}

function foundText({ events, next }: StoredEventList, isAll: boolean): string {
  const text = `${counted(events.length, 'event')}${next === null ? '' : ' and more'}`;
  if (isAll) return events.length === 0 ? 'Nothing yet' : text;
  return events.length === 1 && next === null ? `${text} fits the filters` : `${text} fit the filters`;
}

interface BodyProps {
  readonly filter: TrafficFilter;
  readonly traffic: TrafficState;
  readonly sessions: readonly SessionInfo[];
  readonly onFilter: (filter: TrafficFilter) => void;
}

function Body({ filter, traffic, sessions, onFilter }: BodyProps) {
  const { list } = traffic;
  const icon = <TrafficIcon />;
  if (list === undefined)
    return traffic.error === undefined ? <Empty icon={icon} title="Looking…" waiting test="traffic-loading" /> : null;
  if (list.events.length > 0) {
    return (
      <>
        <TrafficTable events={list.events} sessions={sessions} />
        {list.next !== null && (
          <More label="Earlier events" busy={traffic.busy} onMore={traffic.more} test="traffic-more" />
        )}
      </>
    );
  }
  if (!isFilterEmpty(filter)) {
    return (
      <Empty icon={icon} title="No event fits the filters" test="traffic-none">
        <button type="button" className="button" onClick={() => onFilter({})}>
          Show all events
        </button>
      </Empty>
    );
  }
  return (
    <Empty icon={icon} title="Nothing yet" test="traffic-none">
      <p>
        What a program prints on another machine comes here with <code>binnacle emit -- CMD</code> and a token of scope{' '}
        <code>ingest</code>.
      </p>
    </Empty>
  );
}
