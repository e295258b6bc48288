// The main area for a route: the page of a feature, a session or conversation, or a placeholder.

import type { Binnacle, Me } from '@binnacle/client';
import type { UsedConversations } from '@binnacle/client/react';
import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { type ReactNode, useCallback } from 'react';
import { TokensView } from '../access/tokens-view.tsx';
import type { Command } from '../model/command.ts';
import type { Route } from '../model/route.ts';
import { PluginsView } from '../plugins/plugins-view.tsx';
import { RecordingsView } from '../recordings/recordings-view.tsx';
import { SearchView } from '../search/search-view.tsx';
import type { RouteState } from '../state/use-route.ts';
import type { SessionList } from '../state/use-session-list.ts';
import { TrafficView } from '../traffic/traffic-view.tsx';
import type { Theme } from '../ui/theme.ts';
import { DetailPane, LoadingPane } from './detail-pane.tsx';
import { EmptyPane } from './empty-pane.tsx';
import type { CreateActions, PixelSize } from './use-create.ts';

interface RoutePaneProps {
  readonly client: Binnacle;
  readonly me: Me;
  readonly route: Route | undefined;
  readonly unknownKind: RouteState['unknownKind'];
  readonly sessionList: SessionList;
  readonly conversationList: UsedConversations;
  readonly create: CreateActions;
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
  readonly pick: RouteState['choose'];
  readonly onShell: (() => void) | undefined;
  readonly onTalk: (() => void) | undefined;
  readonly onSize: (size: PixelSize) => void;
}

export function RoutePane(props: RoutePaneProps) {
  const { client, route, sessionList, conversationList, session, talk, menu, notices, pick } = props;
  const leaveConversation = useCallback(() => pick(undefined), [pick]);
  const toSession = useCallback((id: string) => pick({ kind: 'session', id }), [pick]);
  const page = { client, menu, linkNotice: notices };
  switch (route?.kind) {
    case 'search':
      return <SearchView {...page} route={route} sessions={sessionList.sessions} onSearch={pick} />;
    case 'traffic':
      return (
        <TrafficView
          {...page}
          filter={route.filter}
          sessions={sessionList.sessions}
          onFilter={(filter) => pick({ kind: 'traffic', filter }, true)}
        />
      );
    case 'recordings':
      return (
        <RecordingsView
          {...page}
          sessions={sessionList.sessions}
          loading={sessionList.loading}
          mayImport={props.mayCreate}
        />
      );
    case 'plugins':
      return <PluginsView {...page} />;
    case 'tokens':
      return <TokensView {...page} />;
  }
  const target = session !== undefined ? { session } : talk !== undefined ? { talk } : undefined;
  if (target !== undefined) {
    return (
      <DetailPane
        {...{ client, menu, notices }}
        me={props.me}
        of={target}
        sessions={sessionList.sessions}
        theme={props.theme}
        screenReader={props.screenReader}
        at={route?.kind === 'session' ? route.at : undefined}
        fresh={route?.kind === 'session' && route.id === props.create.fresh}
        offered={props.offered}
        onSession={toSession}
        onRemoved={leaveConversation}
        onSize={props.onSize}
        onLive={() => route?.kind === 'session' && toSession(route.id)}
      />
    );
  }
  // An old session is on a later page of the list.
  const isComing =
    (route?.kind === 'session' && !sessionList.isWhole && sessionList.error === undefined) ||
    (route?.kind === 'conversation' && conversationList.state === 'connecting' && conversationList.error === undefined);
  if (isComing) return <LoadingPane name="" menu={menu} />;
  return (
    <EmptyPane
      {...{ menu, notices }}
      missingKind={sessionList.error === undefined && conversationList.error === undefined ? route?.kind : undefined}
      unknownKind={props.unknownKind}
      waiting={props.waiting}
      starting={props.create.starting}
      onShell={props.onShell}
      mayTalk={props.mayTalk}
      onTalk={props.onTalk}
    />
  );
}
