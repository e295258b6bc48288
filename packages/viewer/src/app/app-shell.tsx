// The deck: the list beside the one thing that is looked at, and what opens above both.

import type { Binnacle, Me, Muted } from '@binnacle/client';
import { allows, type ConversationInfo, type SessionInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { TokensView } from '../access/tokens-view.tsx';
import { NewConversation } from '../conversation/new-conversation.tsx';
import type { Command } from '../model/command.ts';
import { conversationTitle } from '../model/conversations.ts';
import { oneLine } from '../model/format.ts';
import type { Choice } from '../model/route.ts';
import { title } from '../model/sessions.ts';
import { useLook } from '../notifications/use-focus.ts';
import { Bell, Toasts } from '../plugins/plugin-notices.tsx';
import { PluginsView } from '../plugins/plugins-view.tsx';
import { useTold } from '../plugins/use-plugin-notices.ts';
import { RecordingsView } from '../recordings/recordings-view.tsx';
import { SearchView } from '../search/search-view.tsx';
import { NewSession } from '../session/new-session.tsx';
import { useLooked } from '../sidebar/last-seen.ts';
import { countWaiting, keyOf, type Row } from '../sidebar/rows.ts';
import { Side } from '../sidebar/sidebar.tsx';
import { useLink } from '../state/use-connection.ts';
import { useConversations } from '../state/use-conversations.ts';
import { useAddress } from '../state/use-route.ts';
import { useFleet, useSought } from '../state/use-session-list.ts';
import { TrafficView } from '../traffic/traffic-view.tsx';
import { Mishap } from '../ui/error-boundary.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { MenuIcon } from '../ui/icons.tsx';
import { type Theme, useSetting } from '../ui/theme.ts';
import { FrameNotices, Opening, prepareTerminal, Subject } from './detail-pane.tsx';
import { EmptyDeck } from './empty-pane.tsx';
import { Palette } from './palette.tsx';
import { Phone } from './phone-dialog.tsx';
import { KeysDialog } from './shortcuts-dialog.tsx';
import { type Box, useBegin } from './use-create.ts';
import { useDeckKeys } from './use-shortcuts.ts';
import { useTitle } from './use-title.ts';
import './app-shell.css';

interface DeckProps {
  readonly client: Binnacle;
  readonly me: Me;
  /** The login outlives this page. */
  readonly isKept: boolean;
  readonly theme: Theme;
  readonly onTheme: () => void;
  readonly onLeave: () => void;
  /** The gateway does not know us any more. */
  readonly onShut: () => void;
}

/** The login is over. */
const SHUT: ReadonlySet<string> = new Set(['unauthorized', 'revoked', 'login_incomplete']);

type Above = 'palette' | 'keys' | 'session' | 'conversation';

const BAR_PX = 54;

export function Deck({ client, me, isKept, theme, onTheme, onLeave, onShut }: DeckProps) {
  const link = useLink(client);
  const fleet = useFleet(client);
  const talks = useConversations(client);
  const told = useTold(client);
  const { chosen, stray, choose } = useAddress();
  const [screenReader, setScreenReader] = useSetting('binnacle.screen-reader');
  const [drawer, setDrawer] = useState(false);
  /** One at a time. */
  const [above, setAbove] = useState<Above>();
  const main = useRef<HTMLDivElement>(null);
  const area = useRef<Box>(undefined);
  const order = useRef<readonly Row[]>([]);
  /** What can be done with what is looked at. */
  const offered = useRef<readonly Command[]>([]);
  const isNews = useLooked(keyOf(chosen));

  const shut = link.kind === 'stopped' && SHUT.has(link.code);
  useEffect(() => {
    if (shut) onShut();
  }, [shut, onShut]);
  // When the lists are there, nothing is as likely to be wanted next.
  const isQuiet = !fleet.loading;
  useEffect(() => {
    if (isQuiet) prepareTerminal();
  }, [isQuiet]);

  const wanted = chosen?.kind === 'session' ? chosen.id : undefined;
  const sought = useSought(client, fleet, wanted);
  const session = wanted === undefined ? undefined : (fleet.sessions.find(({ id }) => id === wanted) ?? sought);
  const talk = chosen?.kind === 'conversation' ? talks.conversations.find(({ key }) => key === chosen.key) : undefined;
  const waiting = countWaiting(fleet.sessions, talks.conversations);
  useTitle(nameOf(chosen, session, talk), waiting);

  const forget = useRef<() => void>(undefined);
  const pick = useCallback(
    (choice: Choice | undefined, isRefined = false) => {
      choose(choice, isRefined);
      setDrawer(false);
      forget.current?.();
    },
    [choose],
  );
  const box = (): Box =>
    area.current ?? {
      width: main.current?.clientWidth ?? 0,
      height: (main.current?.clientHeight ?? 0) - BAR_PX,
    };
  const begin = useBegin(client, talks, box, pick);
  forget.current = begin.forget;
  const mayCreate = allows(me.scope, 'create');
  // There mostly is one: a button that came later would move the list below it.
  const mayTalk = allows(me.scope, 'input') && talks.agents?.length !== 0;
  const shell = mayCreate ? begin.shell : undefined;
  const agents = talks.agents ?? [];
  const newTalk = (): void => (agents.length > 1 ? setAbove('conversation') : begin.talk());
  const onTalk = mayTalk && agents.length > 0 ? newTalk : undefined;

  const toSession = useCallback((id: string) => pick({ kind: 'session', id }), [pick]);
  const leaveTalk = useCallback(() => pick(undefined), [pick]);
  const onOrder = useCallback((rows: readonly Row[]) => {
    order.current = rows;
  }, []);
  useDeckKeys({
    rows: () => order.current,
    chosen,
    pick,
    act: (act) => {
      if (act === 'filter') document.querySelector<HTMLElement>('[data-testid="filter-words"]')?.focus();
      else setAbove(act);
    },
  });

  useLook(client, chosen);
  const nameOfMuted = (what: Muted): string | undefined => {
    if ('session' in what) return fleet.sessions.find(({ id }) => id === what.session)?.name;
    const muted = talks.conversations.find((info) => info.key === what.conversation);
    return muted && conversationTitle(muted);
  };

  const commands: readonly Command[] = [
    ...offered.current,
    ...(shell === undefined ? [] : [{ name: 'New shell', act: { run: shell } }]),
    ...(mayCreate ? [{ name: 'New session with a command…', act: { run: () => setAbove('session') } }] : []),
    ...(onTalk === undefined ? [] : [{ name: 'New conversation', act: { run: onTalk } }]),
    { name: 'Search all output', act: { to: { kind: 'search', q: '' } } },
    { name: 'Traffic', act: { to: { kind: 'traffic', ask: {} } } },
    { name: 'Recordings', act: { to: { kind: 'recordings' } } },
    ...(allows(me.scope, 'admin')
      ? ([
          { name: 'Plugins', act: { to: { kind: 'plugins' } } },
          { name: 'Tokens and logins', act: { to: { kind: 'tokens' } } },
        ] as const)
      : []),
    { name: theme === 'dark' ? 'Change to light' : 'Change to dark', also: 'theme colours', act: { run: onTheme } },
    {
      name: `Screen reader support in the terminal: ${screenReader ? 'off' : 'on'}`,
      act: { run: () => setScreenReader(!screenReader) },
    },
    { name: 'Keyboard shortcuts', also: 'keys help ?', act: { run: () => setAbove('keys') } },
    { name: 'Log out', act: { run: onLeave } },
  ];

  const notices = (
    <FrameNotices
      isKept={isKept}
      client={client}
      link={link}
      error={begin.error ?? fleet.error ?? talks.error}
      onClose={begin.error === undefined ? undefined : begin.forget}
    />
  );
  const menu = (
    <IconButton
      className="bar-menu"
      label="Conversations and sessions"
      aria-expanded={drawer}
      onClick={() => setDrawer(true)}
      test="menu"
    >
      <MenuIcon />
    </IconButton>
  );
  const page = { client, menu, linkNotice: notices };
  const subject = session !== undefined ? { session } : talk !== undefined ? { talk } : undefined;
  // An old session is on a page of the list that comes later.
  const isComing =
    (chosen?.kind === 'session' && !fleet.isWhole && fleet.error === undefined) ||
    (chosen?.kind === 'conversation' && talks.loading && talks.error === undefined);

  return (
    <div className={drawer ? 'deck drawer' : 'deck'} data-testid="deck" data-link={link.kind}>
      {/* On a phone the list with the name in it is away. */}
      <header className="sr-only">
        <h1>Binnacle</h1>
      </header>
      <Side
        me={me}
        link={link}
        fleet={fleet}
        talks={talks}
        chosen={chosen}
        theme={theme}
        screenReader={screenReader}
        starting={begin.starting}
        bell={
          <>
            <Phone client={client} me={me} chosen={chosen} nameOf={nameOfMuted} />
            <Bell all={told.all} unseen={told.unseen} isKnown={told.isKnown} see={told.see} />
          </>
        }
        isNews={isNews}
        onChoose={pick}
        onOrder={onOrder}
        onPalette={() => setAbove('palette')}
        onShell={shell}
        onForm={() => setAbove('session')}
        mayTalk={mayTalk}
        onTalk={onTalk}
        onTheme={onTheme}
        onScreenReader={() => setScreenReader(!screenReader)}
        onLeave={onLeave}
        onClose={() => setDrawer(false)}
      />
      <button
        type="button"
        className="shade"
        aria-label="Close the list"
        tabIndex={-1}
        onClick={() => setDrawer(false)}
      />
      <div className="main-area" ref={main}>
        <Mishap key={chosen?.kind ?? 'nothing'} menu={menu}>
          {chosen?.kind === 'search' ? (
            <SearchView {...page} asked={chosen} sessions={fleet.sessions} onSearch={pick} />
          ) : chosen?.kind === 'traffic' ? (
            <TrafficView
              {...page}
              ask={chosen.ask}
              sessions={fleet.sessions}
              onAsk={(ask) => pick({ kind: 'traffic', ask }, true)}
            />
          ) : chosen?.kind === 'recordings' ? (
            <RecordingsView
              client={client}
              sessions={fleet.sessions}
              loading={fleet.loading}
              mayImport={mayCreate}
              menu={menu}
              linkNotice={notices}
            />
          ) : chosen?.kind === 'plugins' ? (
            <PluginsView {...page} />
          ) : chosen?.kind === 'tokens' ? (
            <TokensView {...page} />
          ) : subject !== undefined ? (
            <Subject
              client={client}
              me={me}
              of={subject}
              sessions={fleet.sessions}
              theme={theme}
              screenReader={screenReader}
              at={chosen?.kind === 'session' ? chosen.at : undefined}
              fresh={chosen?.kind === 'session' && chosen.id === begin.fresh}
              menu={menu}
              notices={notices}
              offered={offered}
              onSession={toSession}
              onGone={leaveTalk}
              onSize={(size) => {
                area.current = size;
              }}
              onLive={() => chosen?.kind === 'session' && toSession(chosen.id)}
            />
          ) : isComing ? (
            <Opening name="" menu={menu} />
          ) : (
            <EmptyDeck
              gone={fleet.error === undefined && talks.error === undefined ? chosen?.kind : undefined}
              stray={stray}
              waiting={waiting}
              starting={begin.starting}
              menu={menu}
              notices={notices}
              onShell={shell}
              mayTalk={mayTalk}
              onTalk={onTalk}
            />
          )}
        </Mishap>
      </div>
      <Toasts toasts={told.toasts} dismiss={told.dismiss} />
      {above === 'palette' && (
        <Palette
          sessions={fleet.sessions}
          conversations={talks.conversations}
          commands={commands}
          onChoose={pick}
          onClose={() => setAbove((now) => (now === 'palette' ? undefined : now))}
        />
      )}
      {above === 'keys' && <KeysDialog onClose={() => setAbove(undefined)} />}
      {above === 'conversation' && (
        <NewConversation
          agents={talks.agents ?? []}
          onCreate={begin.conversation}
          onClose={() => setAbove(undefined)}
        />
      )}
      {above === 'session' && (
        <NewSession client={client} onCreate={begin.session} onClose={() => setAbove(undefined)} />
      )}
    </div>
  );
}

/** For the window's title: empty where nothing is shown. */
function nameOf(
  chosen: Choice | undefined,
  session: SessionInfo | undefined,
  talk: ConversationInfo | undefined,
): string {
  if (session !== undefined) return oneLine(title(session), 60);
  if (talk !== undefined) return conversationTitle(talk);
  if (chosen?.kind === 'search') return chosen.q === '' ? 'Search' : `${oneLine(chosen.q, 40)} · Search`;
  if (chosen?.kind === 'plugins') return 'Plugins';
  if (chosen?.kind === 'tokens') return 'Tokens';
  if (chosen?.kind === 'recordings') return 'Recordings';
  return chosen?.kind === 'traffic' ? 'Traffic' : '';
}
