// The page after the login: the sidebar, the pane of the route beside it, and overlays above both.

import type { Binnacle, Me, Muted } from '@binnacle/client';
import { type UsedConversations, useConversations } from '@binnacle/client/react';
import { allows, type ConversationInfo, type SessionInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import type { Command } from '../model/command.ts';
import { conversationTitle } from '../model/conversations.ts';
import { oneLine } from '../model/format.ts';
import type { Route } from '../model/route.ts';
import { title } from '../model/sessions.ts';
import { useFocusReport } from '../notifications/use-focus.ts';
import { Bell, Toasts } from '../plugins/plugin-notices.tsx';
import { usePluginNotices } from '../plugins/use-plugin-notices.ts';
import { useNews } from '../sidebar/last-seen.ts';
import { countWaiting, keyOf, type Row } from '../sidebar/rows.ts';
import { Sidebar } from '../sidebar/sidebar.tsx';
import { type Link, useLink } from '../state/use-connection.ts';
import { useRoute } from '../state/use-route.ts';
import { type RequestedSession, type SessionList, useSessionById, useSessionList } from '../state/use-session-list.ts';
import { ErrorBoundary } from '../ui/error-boundary.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { MenuIcon } from '../ui/icons.tsx';
import { type Theme, useSetting } from '../ui/theme.ts';
import { FrameNotices, prepareTerminal } from './detail-pane.tsx';
import { Overlay, type OverlayName } from './overlay.tsx';
import { pageCommands } from './page-commands.ts';
import { PhoneDialog } from './phone-dialog.tsx';
import { RoutePane } from './route-pane.tsx';
import { type PixelSize, useCreate } from './use-create.ts';
import { useShortcuts } from './use-shortcuts.ts';
import './app-shell.css';

interface AppShellProps {
  readonly client: Binnacle;
  readonly me: Me;
  /** The session in the address at the start, if it was requested already. */
  readonly requested: RequestedSession | undefined;
  /** True if the login outlives this page. */
  readonly isLoginStored: boolean;
  readonly theme: Theme;
  readonly onTheme: () => void;
  readonly onLeave: () => void;
  /** Called when the gateway no longer accepts this login. */
  readonly onShut: () => void;
}

/** Codes that mean the end of the login. */
const SHUT: ReadonlySet<string> = new Set(['unauthorized', 'revoked', 'login_incomplete']);

const BAR_PX = 54;

export function AppShell(props: AppShellProps) {
  const { client, me, isLoginStored, theme, onTheme, onLeave } = props;
  const shell = useShell(props);
  const { link, sessionList, conversationList, pluginNotices, route, screenReader, create, above, setAbove } = shell;
  const { drawer, setDrawer, pick, waiting, mayTalk, onTalk, onShell, onScreenReader } = shell;

  const notices = (
    <FrameNotices
      isLoginStored={isLoginStored}
      client={client}
      link={link}
      error={create.error ?? sessionList.error ?? conversationList.error}
      onClose={create.error === undefined ? undefined : create.forget}
    />
  );
  const menu = <MenuButton isOpen={drawer} onOpen={() => setDrawer(true)} />;

  return (
    <div className={drawer ? 'app-shell drawer' : 'app-shell'} data-testid="app-shell" data-link={link.kind}>
      {/* On a phone the sidebar with the name in it is hidden. */}
      <header className="sr-only">
        <h1>Binnacle</h1>
      </header>
      <Sidebar
        {...{
          me,
          link,
          sessionList,
          conversationList,
          route,
          theme,
          screenReader,
          mayTalk,
          onTalk,
          onTheme,
          onLeave,
          onShell,
          onScreenReader,
        }}
        isNews={shell.isNews}
        onOrder={shell.onOrder}
        starting={create.starting}
        bell={
          <>
            <PhoneDialog
              client={client}
              me={me}
              route={route}
              nameOf={(what) => nameOfMuted(what, sessionList, conversationList)}
            />
            <Bell
              all={pluginNotices.all}
              unseen={pluginNotices.unseen}
              isKnown={pluginNotices.isKnown}
              see={pluginNotices.see}
            />
          </>
        }
        onChoose={pick}
        onPalette={() => setAbove('palette')}
        onForm={() => setAbove('session')}
        onClose={() => setDrawer(false)}
      />
      <Shade onClose={() => setDrawer(false)} />
      <div className="main-area" ref={shell.main}>
        <ErrorBoundary key={route?.kind ?? 'nothing'} menu={menu}>
          <RoutePane
            {...{
              client,
              me,
              route,
              sessionList,
              conversationList,
              create,
              theme,
              screenReader,
            }}
            {...{ waiting, menu, notices, mayTalk, pick, onTalk, onShell }}
            unknownKind={shell.unknownKind}
            session={shell.session}
            talk={shell.talk}
            offered={shell.offered}
            mayCreate={shell.mayCreate}
            onSize={(size) => {
              shell.area.current = size;
            }}
          />
        </ErrorBoundary>
      </div>
      <Toasts toasts={pluginNotices.toasts} dismiss={pluginNotices.dismiss} />
      <Overlay
        {...{ client, above, sessionList, conversationList, create, pick }}
        commands={shell.commands}
        onClose={(which) => setAbove((now) => (which === undefined || now === which ? undefined : now))}
      />
    </div>
  );
}

/** The lists, the route, and what a user can do from anywhere. */
function useShell({ client, me, requested, theme, onTheme, onLeave, onShut }: AppShellProps) {
  const link = useLink(client);
  const sessionList = useSessionList();
  const conversationList = useConversations();
  const pluginNotices = usePluginNotices();
  const { route, unknownKind, choose } = useRoute();
  const [screenReader, setScreenReader] = useSetting('binnacle.screen-reader');
  const [drawer, setDrawer] = useState(false);
  /** The open overlay; at most one. */
  const [above, setAbove] = useState<OverlayName>();
  const main = useRef<HTMLDivElement>(null);
  const area = useRef<PixelSize>(undefined);
  const order = useRef<readonly Row[]>([]);
  /** Commands for the session or conversation in view. */
  const offered = useRef<readonly Command[]>([]);
  const isNews = useNews(keyOf(route));
  useLoginEnd(link, onShut);
  useTerminalAhead(sessionList);
  const { session, talk } = useRouteTarget(client, sessionList, conversationList, route, requested);
  const waiting = countWaiting(sessionList.sessions, conversationList.conversations);
  useTitle(nameOf(route, session, talk), waiting);

  const forget = useRef<() => void>(undefined);
  const pick = useCallback(
    (next: Route | undefined, isRefined = false) => {
      choose(next, isRefined);
      setDrawer(false);
      forget.current?.();
    },
    [choose],
  );
  const box = (): PixelSize => area.current ?? pixelSizeOf(main.current);
  const create = useCreate(client, conversationList, box, pick);
  forget.current = create.forget;
  const mayCreate = allows(me.scope, 'create');
  // True until the agents are known: mostly there are some, and a button that appeared later would move the list below
  // it.
  const mayTalk = allows(me.scope, 'input') && conversationList.agents?.length !== 0;
  const onShell = mayCreate ? create.shell : undefined;
  const onScreenReader = (): void => setScreenReader(!screenReader);
  const agents = conversationList.agents ?? [];
  const newTalk = (): void => (agents.length > 1 ? setAbove('conversation') : create.talk());
  const onTalk = mayTalk && agents.length > 0 ? newTalk : undefined;
  const onOrder = useCallback((rows: readonly Row[]) => {
    order.current = rows;
  }, []);
  useShortcuts({
    rows: () => order.current,
    route,
    pick,
    act: (act) => (act === 'filter' ? focusFilter() : setAbove(act)),
  });

  useFocusReport(client, route);
  const commands = pageCommands(
    { own: offered.current, isAdmin: allows(me.scope, 'admin'), theme, screenReader },
    {
      shell: onShell,
      command: mayCreate ? () => setAbove('session') : undefined,
      conversation: onTalk,
      theme: onTheme,
      screenReader: onScreenReader,
      shortcuts: () => setAbove('keys'),
      leave: onLeave,
    },
  );

  return {
    ...{ link, sessionList, conversationList, pluginNotices, route, unknownKind, session, talk, waiting, isNews },
    ...{ screenReader, onScreenReader, drawer, setDrawer, above, setAbove, main, area, offered, commands },
    ...{ create, pick, mayCreate, mayTalk, onTalk, onShell, onOrder },
  };
}

/** The button that opens the sidebar where it is a drawer. */
const MenuButton = ({ isOpen, onOpen }: { readonly isOpen: boolean; readonly onOpen: () => void }) => (
  <IconButton
    className="bar-menu"
    label="Conversations and sessions"
    aria-expanded={isOpen}
    onClick={onOpen}
    test="menu"
  >
    <MenuIcon />
  </IconButton>
);

/** The shade beside the sidebar where it is a drawer: a touch closes the sidebar. */
const Shade = ({ onClose }: { readonly onClose: () => void }) => (
  <button type="button" className="shade" aria-label="Close the list" tabIndex={-1} onClick={onClose} />
);

const focusFilter = (): void => document.querySelector<HTMLElement>('[data-testid="filter-text"]')?.focus();

/** Calls `onShut` once the gateway has refused this login. */
function useLoginEnd(link: Link, onShut: () => void): void {
  const shut = link.kind === 'stopped' && SHUT.has(link.code);
  useEffect(() => {
    if (shut) onShut();
  }, [shut, onShut]);
}

/** Loads the terminal code once the list is there: a terminal is the most likely next need. */
function useTerminalAhead({ loading }: SessionList): void {
  const isQuiet = !loading;
  useEffect(() => {
    if (isQuiet) prepareTerminal();
  }, [isQuiet]);
}

/** Returns the size available for a terminal, before one exists. */
const pixelSizeOf = (area: HTMLElement | null): PixelSize => ({
  width: area?.clientWidth ?? 0,
  height: (area?.clientHeight ?? 0) - BAR_PX,
});

interface RouteTarget {
  readonly session: SessionInfo | undefined;
  readonly talk: ConversationInfo | undefined;
}

/** Returns the session or conversation that the route names, once it is known. */
function useRouteTarget(
  client: Binnacle,
  sessionList: SessionList,
  conversationList: UsedConversations,
  route: Route | undefined,
  requested: RequestedSession | undefined,
): RouteTarget {
  const sessionId = route?.kind === 'session' ? route.id : undefined;
  const fetched = useSessionById(client, sessionList, sessionId, requested);
  const session =
    sessionId === undefined ? undefined : (sessionList.sessions.find(({ id }) => id === sessionId) ?? fetched);
  const talk =
    route?.kind === 'conversation' ? conversationList.conversations.find(({ key }) => key === route.key) : undefined;
  return { session, talk };
}

/** Returns the name of a muted session or conversation; undefined if the lists do not have it. */
function nameOfMuted(what: Muted, sessionList: SessionList, conversationList: UsedConversations): string | undefined {
  if ('session' in what) return sessionList.sessions.find(({ id }) => id === what.session)?.name;
  const muted = conversationList.conversations.find((info) => info.key === what.conversation);
  return muted && conversationTitle(muted);
}

/** Returns the name for the window's title; empty if nothing is in view. */
function nameOf(
  route: Route | undefined,
  session: SessionInfo | undefined,
  talk: ConversationInfo | undefined,
): string {
  if (session !== undefined) return oneLine(title(session), 60);
  if (talk !== undefined) return conversationTitle(talk);
  if (route?.kind === 'search') return route.q === '' ? 'Search' : `${oneLine(route.q, 40)} · Search`;
  if (route?.kind === 'plugins') return 'Plugins';
  if (route?.kind === 'tokens') return 'Tokens';
  if (route?.kind === 'recordings') return 'Recordings';
  return route?.kind === 'traffic' ? 'Remote programs' : '';
}

interface BadgeNavigator {
  setAppBadge?(count: number): Promise<void>;
  clearAppBadge?(): Promise<void>;
}

function useTitle(name: string, waiting: number): void {
  useEffect(() => {
    const title = name === '' ? 'Binnacle' : `${name} · Binnacle`;
    document.title = waiting === 0 ? title : `(${waiting}) ${title}`;
  }, [name, waiting]);
  useEffect(() => {
    const badged = navigator as BadgeNavigator;
    const set = waiting === 0 ? badged.clearAppBadge?.() : badged.setAppBadge?.(waiting);
    // Not every system shows a badge; the title says the same.
    set?.catch(() => undefined);
  }, [waiting]);
}
