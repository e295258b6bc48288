// The main area for a route: the page of a feature, a session or conversation, or a placeholder.

import type { Binnacle, Me } from '@binnacle/client';
import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { type ReactNode, useCallback } from 'react';
import { TokensView } from '../access/tokens-view.tsx';
import type { Command } from '../model/command.ts';
import type { Choice } from '../model/route.ts';
import { PluginsView } from '../plugins/plugins-view.tsx';
import { RecordingsView } from '../recordings/recordings-view.tsx';
import { SearchView } from '../search/search-view.tsx';
import type { Talks } from '../state/use-conversations.ts';
import type { Address } from '../state/use-route.ts';
import type { Fleet } from '../state/use-session-list.ts';
import { TrafficView } from '../traffic/traffic-view.tsx';
import type { Theme } from '../ui/theme.ts';
import { Opening, Subject } from './detail-pane.tsx';
import { EmptyDeck } from './empty-pane.tsx';
import type { Begin, Box } from './use-create.ts';

interface RoutePaneProps {
  readonly client: Binnacle;
  readonly me: Me;
  readonly chosen: Choice | undefined;
  readonly stray: Address['stray'];
  readonly fleet: Fleet;
  readonly talks: Talks;
  readonly begin: Begin;
  /** The session or conversation that the route names, once it is known. */
  readonly session: SessionInfo | undefined;
  readonly talk: ConversationInfo | undefined;
  readonly theme: Theme;
  readonly screenReader: boolean;
  /** Number of sessions and conversations that wait for a person. */
  readonly waiting: number;
  readonly menu: ReactNode;
  readonly notices: ReactNode;
  /** Receives the commands of the session, for the palette. */
  readonly offered: { current: readonly Command[] };
  readonly mayCreate: boolean;
  readonly mayTalk: boolean;
  readonly pick: Address['choose'];
  readonly onShell: (() => void) | undefined;
  readonly onTalk: (() => void) | undefined;
  readonly onSize: (size: Box) => void;
}

export function RoutePane(props: RoutePaneProps) {
  const { client, chosen, fleet, talks, session, talk, menu, notices, pick } = props;
  const leaveTalk = useCallback(() => pick(undefined), [pick]);
  const toSession = useCallback((id: string) => pick({ kind: 'session', id }), [pick]);
  const page = { client, menu, linkNotice: notices };
  switch (chosen?.kind) {
    case 'search':
      return <SearchView {...page} asked={chosen} sessions={fleet.sessions} onSearch={pick} />;
    case 'traffic':
      return (
        <TrafficView
          {...page}
          ask={chosen.ask}
          sessions={fleet.sessions}
          onAsk={(ask) => pick({ kind: 'traffic', ask }, true)}
        />
      );
    case 'recordings':
      return <RecordingsView {...page} sessions={fleet.sessions} loading={fleet.loading} mayImport={props.mayCreate} />;
    case 'plugins':
      return <PluginsView {...page} />;
    case 'tokens':
      return <TokensView {...page} />;
  }
  const subject = session !== undefined ? { session } : talk !== undefined ? { talk } : undefined;
  if (subject !== undefined) {
    return (
      <Subject
        {...{ client, menu, notices }}
        me={props.me}
        of={subject}
        sessions={fleet.sessions}
        theme={props.theme}
        screenReader={props.screenReader}
        at={chosen?.kind === 'session' ? chosen.at : undefined}
        fresh={chosen?.kind === 'session' && chosen.id === props.begin.fresh}
        offered={props.offered}
        onSession={toSession}
        onGone={leaveTalk}
        onSize={props.onSize}
        onLive={() => chosen?.kind === 'session' && toSession(chosen.id)}
      />
    );
  }
  // An old session is on a later page of the list.
  const isComing =
    (chosen?.kind === 'session' && !fleet.isWhole && fleet.error === undefined) ||
    (chosen?.kind === 'conversation' && talks.loading && talks.error === undefined);
  if (isComing) return <Opening name="" menu={menu} />;
  return (
    <EmptyDeck
      {...{ menu, notices }}
      gone={fleet.error === undefined && talks.error === undefined ? chosen?.kind : undefined}
      stray={props.stray}
      waiting={props.waiting}
      starting={props.begin.starting}
      onShell={props.onShell}
      mayTalk={props.mayTalk}
      onTalk={props.onTalk}
    />
  );
}
