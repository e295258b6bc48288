// The page after the login: the sidebar, the pane of the route beside it, and overlays above both.

import type { Binnacle, Me, Muted } from '@binnacle/client';
import { allows, type ConversationInfo, type SessionInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import type { Command } from '../model/command.ts';
import { conversationTitle } from '../model/conversations.ts';
import { oneLine } from '../model/format.ts';
import type { Choice } from '../model/route.ts';
import { title } from '../model/sessions.ts';
import { useLook } from '../notifications/use-focus.ts';
import { Bell, Toasts } from '../plugins/plugin-notices.tsx';
import { useTold } from '../plugins/use-plugin-notices.ts';
import { useLooked } from '../sidebar/last-seen.ts';
import { countWaiting, keyOf, type Row } from '../sidebar/rows.ts';
import { Side } from '../sidebar/sidebar.tsx';
import { type Link, useLink } from '../state/use-connection.ts';
import { type Talks, useConversations } from '../state/use-conversations.ts';
import { useAddress } from '../state/use-route.ts';
import { type Fleet, useFleet, useSought } from '../state/use-session-list.ts';
import { Mishap } from '../ui/error-boundary.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { MenuIcon } from '../ui/icons.tsx';
import { type Theme, useSetting } from '../ui/theme.ts';
import { FrameNotices, prepareTerminal } from './detail-pane.tsx';
import { Overlay, type OverlayName } from './overlay.tsx';
import { pageCommands } from './page-commands.ts';
import { Phone } from './phone-dialog.tsx';
import { RoutePane } from './route-pane.tsx';
import { type Box, useBegin } from './use-create.ts';
import { useDeckKeys } from './use-shortcuts.ts';
import { useTitle } from './use-title.ts';
import './app-shell.css';

interface DeckProps {
  readonly client: Binnacle;
  readonly me: Me;
  /** True if the login outlives this page. */
  readonly isKept: boolean;
  readonly theme: Theme;
  readonly onTheme: () => void;
  readonly onLeave: () => void;
  /** Called when the gateway no longer accepts this login. */
  readonly onShut: () => void;
}

/** Codes that mean the end of the login. */
const SHUT: ReadonlySet<string> = new Set(['unauthorized', 'revoked', 'login_incomplete']);

const BAR_PX = 54;

export function Deck({ client, me, isKept, theme, onTheme, onLeave, onShut }: DeckProps) {
  const link = useLink(client);
  const fleet = useFleet(client);
  const talks = useConversations(client);
  const told = useTold(client);
  const { chosen, stray, choose } = useAddress();
  const [screenReader, setScreenReader] = useSetting('binnacle.screen-reader');
  const [drawer, setDrawer] = useState(false);
  /** The open overlay; at most one. */
  const [above, setAbove] = useState<OverlayName>();
  const main = useRef<HTMLDivElement>(null);
  const area = useRef<Box>(undefined);
  const order = useRef<readonly Row[]>([]);
  /** Commands for the session or conversation in view. */
  const offered = useRef<readonly Command[]>([]);
  const isNews = useLooked(keyOf(chosen));
  useLoginEnd(link, onShut);
  useTerminalAhead(fleet);
  const { session, talk } = useSubject(client, fleet, talks, chosen);
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
  const box = (): Box => area.current ?? boxIn(main.current);
  const begin = useBegin(client, talks, box, pick);
  forget.current = begin.forget;
  const mayCreate = allows(me.scope, 'create');
  // True until the agents are known: mostly there are some, and a button that appeared later would move the list below
  // it.
  const mayTalk = allows(me.scope, 'input') && talks.agents?.length !== 0;
  const shell = mayCreate ? begin.shell : undefined;
  const agents = talks.agents ?? [];
  const newTalk = (): void => (agents.length > 1 ? setAbove('conversation') : begin.talk());
  const onTalk = mayTalk && agents.length > 0 ? newTalk : undefined;
  const onOrder = useCallback((rows: readonly Row[]) => {
    order.current = rows;
  }, []);
  useDeckKeys({
    rows: () => order.current,
    chosen,
    pick,
    act: (act) => (act === 'filter' ? focusFilter() : setAbove(act)),
  });

  useLook(client, chosen);
  const commands = pageCommands(
    { own: offered.current, isAdmin: allows(me.scope, 'admin'), theme, screenReader },
    {
      shell,
      command: mayCreate ? () => setAbove('session') : undefined,
      conversation: onTalk,
      theme: onTheme,
      screenReader: () => setScreenReader(!screenReader),
      shortcuts: () => setAbove('keys'),
      leave: onLeave,
    },
  );

  const notices = (
    <FrameNotices
      isKept={isKept}
      client={client}
      link={link}
      error={begin.error ?? fleet.error ?? talks.error}
      onClose={begin.error === undefined ? undefined : begin.forget}
    />
  );
  const menu = <MenuButton isOpen={drawer} onOpen={() => setDrawer(true)} />;

  return (
    <div className={drawer ? 'deck drawer' : 'deck'} data-testid="deck" data-link={link.kind}>
      {/* On a phone the sidebar with the name in it is hidden. */}
      <header className="sr-only">
        <h1>Binnacle</h1>
      </header>
      <Side
        {...{ me, link, fleet, talks, chosen, theme, screenReader, isNews, mayTalk, onTalk, onTheme, onLeave, onOrder }}
        starting={begin.starting}
        bell={
          <>
            <Phone client={client} me={me} chosen={chosen} nameOf={(what) => nameOfMuted(what, fleet, talks)} />
            <Bell all={told.all} unseen={told.unseen} isKnown={told.isKnown} see={told.see} />
          </>
        }
        onChoose={pick}
        onPalette={() => setAbove('palette')}
        onShell={shell}
        onForm={() => setAbove('session')}
        onScreenReader={() => setScreenReader(!screenReader)}
        onClose={() => setDrawer(false)}
      />
      <Shade onClose={() => setDrawer(false)} />
      <div className="main-area" ref={main}>
        <Mishap key={chosen?.kind ?? 'nothing'} menu={menu}>
          <RoutePane
            {...{ client, me, chosen, stray, fleet, talks, begin, session, talk, theme, screenReader }}
            {...{ waiting, menu, notices, offered, mayCreate, mayTalk, pick, onTalk }}
            onShell={shell}
            onSize={(size) => {
              area.current = size;
            }}
          />
        </Mishap>
      </div>
      <Toasts toasts={told.toasts} dismiss={told.dismiss} />
      <Overlay
        {...{ client, above, fleet, talks, begin, commands, pick }}
        onClose={(which) => setAbove((now) => (which === undefined || now === which ? undefined : now))}
      />
    </div>
  );
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

const focusFilter = (): void => document.querySelector<HTMLElement>('[data-testid="filter-words"]')?.focus();

/** Calls `onShut` once the gateway has refused this login. */
function useLoginEnd(link: Link, onShut: () => void): void {
  const shut = link.kind === 'stopped' && SHUT.has(link.code);
  useEffect(() => {
    if (shut) onShut();
  }, [shut, onShut]);
}

/** Loads the terminal code once the list is there: a terminal is the most likely next need. */
function useTerminalAhead({ loading }: Fleet): void {
  const isQuiet = !loading;
  useEffect(() => {
    if (isQuiet) prepareTerminal();
  }, [isQuiet]);
}

/** Returns the size available for a terminal, before one exists. */
const boxIn = (area: HTMLElement | null): Box => ({
  width: area?.clientWidth ?? 0,
  height: (area?.clientHeight ?? 0) - BAR_PX,
});

interface SubjectInfo {
  readonly session: SessionInfo | undefined;
  readonly talk: ConversationInfo | undefined;
}

/** Returns the session or conversation that the route names, once it is known. */
function useSubject(client: Binnacle, fleet: Fleet, talks: Talks, chosen: Choice | undefined): SubjectInfo {
  const wanted = chosen?.kind === 'session' ? chosen.id : undefined;
  const sought = useSought(client, fleet, wanted);
  const session = wanted === undefined ? undefined : (fleet.sessions.find(({ id }) => id === wanted) ?? sought);
  const talk = chosen?.kind === 'conversation' ? talks.conversations.find(({ key }) => key === chosen.key) : undefined;
  return { session, talk };
}

/** Returns the name of a muted session or conversation; undefined if the lists do not have it. */
function nameOfMuted(what: Muted, fleet: Fleet, talks: Talks): string | undefined {
  if ('session' in what) return fleet.sessions.find(({ id }) => id === what.session)?.name;
  const muted = talks.conversations.find((info) => info.key === what.conversation);
  return muted && conversationTitle(muted);
}

/** Returns the name for the window's title; empty if nothing is in view. */
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
