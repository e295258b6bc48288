// The page: the door, or the deck with its lists and one session or conversation.

import type { Binnacle, Me } from '@binnacle/client';
import { allows, type ConversationInfo, type CreateSession, type SessionInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { type Choice, isSameChoice, rowOf } from './choice.ts';
import { ConversationView } from './conversation-view.tsx';
import { byUrgency, conversationTitle } from './conversation-words.ts';
import { EmptyDeck } from './empty-deck.tsx';
import { type Entry, enter, takeTicket } from './entry.ts';
import { asFailure } from './failure.tsx';
import { MenuIcon } from './icons.tsx';
import { Login } from './login.tsx';
import { NewConversation } from './new-conversation.tsx';
import { NewSession } from './new-session.tsx';
import { ErrorNotice, LinkNotice } from './notices.tsx';
import { PluginsView } from './plugins-view.tsx';
import { isPageKey, sizeFor } from './screen.ts';
import { SearchView } from './search-view.tsx';
import { SessionView } from './session-view.tsx';
import { Side } from './side.tsx';
import { useSetting, useTheme } from './theme.ts';
import { Bell, Toasts } from './told.tsx';
import { TrafficView } from './traffic-view.tsx';
import { useAddress, useFleet, useLink } from './use-client.ts';
import { useConversations } from './use-conversations.ts';
import { useTold } from './use-told.ts';
import { useVisibleHeight } from './use-visible-height.ts';
import { oneLine, title } from './words.ts';

interface AppProps {
  readonly client: Binnacle;
  /** Begun before the first render, because a ticket works once. */
  readonly entering: Promise<Entry>;
}

export function App({ client, entering }: AppProps) {
  const [entry, setEntry] = useState<Entry>();
  const [theme, toggleTheme] = useTheme();
  useVisibleHeight();

  useEffect(() => {
    entering.then(setEntry, (thrown: unknown) => setEntry({ kind: 'door', error: asFailure(thrown) }));
  }, [entering]);
  const come = useCallback(
    (ticket: string | undefined) => {
      enter(client, ticket).then(setEntry, (thrown: unknown) => setEntry({ kind: 'door', error: asFailure(thrown) }));
    },
    [client],
  );
  useEffect(() => {
    // A login link that is opened in a tab where the page is already.
    const changed = (): void => {
      const ticket = takeTicket();
      if (ticket !== undefined) come(ticket);
    };
    window.addEventListener('hashchange', changed);
    return () => window.removeEventListener('hashchange', changed);
  }, [come]);

  if (entry === undefined) return <main className="door" aria-busy="true" />;
  if (entry.kind === 'door') return <Login key={entry.error?.code} error={entry.error} onTicket={come} />;
  const leave = (): void => {
    client.logout().then(
      () => location.reload(),
      () => location.reload(),
    );
  };
  return (
    <Deck
      client={client}
      me={entry.me}
      theme={theme}
      onTheme={toggleTheme}
      onLeave={leave}
      onShut={() => come(undefined)}
    />
  );
}

interface DeckProps {
  readonly client: Binnacle;
  readonly me: Me;
  readonly theme: 'dark' | 'light';
  readonly onTheme: () => void;
  readonly onLeave: () => void;
  /** The gateway does not know us any more. */
  readonly onShut: () => void;
}

function Deck({ client, me, theme, onTheme, onLeave, onShut }: DeckProps) {
  const link = useLink(client);
  const fleet = useFleet(client);
  const talks = useConversations(client);
  const told = useTold(client);
  const { chosen, stray, choose } = useAddress();
  const [screenReader, setScreenReader] = useSetting('binnacle.screen-reader');
  const [drawer, setDrawer] = useState(false);
  const [form, setForm] = useState(false);
  const [asking, setAsking] = useState(false);
  const [fresh, setFresh] = useState<string>();
  const [failed, setFailed] = useState<ReturnType<typeof asFailure>>();
  const [starting, setStarting] = useState(false);
  const main = useRef<HTMLDivElement>(null);
  const area = useRef<{ readonly width: number; readonly height: number }>(undefined);

  const shut = link.kind === 'stopped' && (link.code === 'unauthorized' || link.code === 'revoked');
  useEffect(() => {
    if (shut) onShut();
  }, [shut, onShut]);

  const current = chosen?.kind === 'session' ? fleet.sessions.find((info) => info.id === chosen.id) : undefined;
  const key = chosen?.kind === 'conversation' ? chosen.key : undefined;
  const talk = key === undefined ? undefined : talks.conversations.find((info) => info.key === key);
  const name = nameOf(chosen, current, talk);
  useEffect(() => {
    document.title = name === '' ? 'Binnacle' : `${name} · Binnacle`;
  }, [name]);

  const pick = useCallback(
    (choice: Choice | undefined, isRefined = false) => {
      choose(choice, isRefined);
      setDrawer(false);
      setFailed(undefined);
    },
    [choose],
  );

  const create = async (wanted: CreateSession): Promise<void> => {
    const box = area.current ?? {
      width: main.current?.clientWidth ?? 0,
      height: (main.current?.clientHeight ?? 0) - 54,
    };
    const size = sizeFor(box.width, box.height);
    const made = await client.sessions.create({ ...wanted, ...(size ?? {}) });
    setFresh(made.id);
    pick({ kind: 'session', id: made.id });
  };
  const createShell = (): void => {
    setStarting(true);
    setFailed(undefined);
    create({})
      .catch((thrown: unknown) => setFailed(asFailure(thrown)))
      .finally(() => setStarting(false));
  };

  const converse = async (agent?: string): Promise<void> => {
    const info = await client.conversations.create(agent === undefined ? {} : { agent });
    talks.add(info);
    pick({ kind: 'conversation', key: info.key });
  };
  const createTalk = (): void => {
    if (talks.agents.length > 1) {
      setAsking(true);
      return;
    }
    setStarting(true);
    setFailed(undefined);
    converse()
      .catch((thrown: unknown) => setFailed(asFailure(thrown)))
      .finally(() => setStarting(false));
  };
  const toSession = useCallback((id: string) => pick({ kind: 'session', id }), [pick]);
  const leaveTalk = useCallback(() => pick(undefined), [pick]);
  const sessionIds = fleet.sessions.map((info) => info.id).join(' ');
  const sessions = useMemo<ReadonlySet<string>>(() => new Set(sessionIds.split(' ')), [sessionIds]);

  const rows: readonly Choice[] = [
    ...[...talks.conversations].sort(byUrgency).map((info) => ({ kind: 'conversation' as const, key: info.key })),
    ...fleet.sessions.map((info) => ({ kind: 'session' as const, id: info.id })),
  ];
  const around = useRef({ rows, chosen });
  around.current = { rows, chosen };
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (!isPageKey(event)) return;
      event.preventDefault();
      if (event.key === 'ArrowLeft')
        document.querySelector<HTMLElement>('.session[aria-current="true"], .session')?.focus();
      if (event.key === 'ArrowRight')
        document
          .querySelector<HTMLElement>('.xterm-helper-textarea, .composer textarea, .page .hit, .page input')
          ?.focus();
      if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
      const at = around.current.rows.findIndex((row) => isSameChoice(row, rowOf(around.current.chosen)));
      const next = around.current.rows[event.key === 'ArrowUp' ? Math.max(0, at - 1) : at + 1];
      if (next !== undefined) pick(next);
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, [pick]);

  const linkNotice = <LinkNotice link={link} onRetry={() => client.wake()} />;
  const problem = failed ?? fleet.error ?? talks.error;
  const menu = (
    <button
      type="button"
      className="button quiet square bar-menu"
      aria-label="Conversations and sessions"
      aria-expanded={drawer}
      onClick={() => setDrawer(true)}
      data-testid="menu"
    >
      <MenuIcon />
    </button>
  );
  const mayCreate = allows(me.scope, 'create');
  const mayTalk = allows(me.scope, 'input') && talks.agents.length > 0;
  const loading = fleet.loading || talks.loading;
  const extra = (
    <>
      {linkNotice}
      {problem !== undefined && (
        <ErrorNotice error={problem} {...(failed === undefined ? {} : { onClose: () => setFailed(undefined) })} />
      )}
    </>
  );

  return (
    <div className={drawer ? 'deck drawer' : 'deck'} data-testid="deck" data-link={link.kind}>
      <Side
        me={me}
        link={link}
        fleet={fleet}
        talks={talks}
        chosen={chosen}
        theme={theme}
        screenReader={screenReader}
        starting={starting}
        bell={<Bell all={told.all} unseen={told.unseen} see={told.see} />}
        onChoose={pick}
        onShell={mayCreate ? createShell : undefined}
        onForm={() => setForm(true)}
        onTalk={mayTalk ? createTalk : undefined}
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
        {talk !== undefined ? (
          <ConversationView
            key={talk.key}
            client={client}
            info={talk}
            me={me}
            sessions={sessions}
            menu={menu}
            linkNotice={extra}
            onSession={toSession}
            onGone={leaveTalk}
          />
        ) : chosen?.kind === 'search' ? (
          <SearchView
            client={client}
            asked={chosen}
            sessions={fleet.sessions}
            menu={menu}
            linkNotice={extra}
            onSearch={pick}
          />
        ) : chosen?.kind === 'traffic' ? (
          <TrafficView
            client={client}
            ask={chosen.ask}
            sessions={fleet.sessions}
            menu={menu}
            linkNotice={extra}
            onAsk={(ask) => pick({ kind: 'traffic', ask }, true)}
          />
        ) : chosen?.kind === 'plugins' ? (
          <PluginsView client={client} menu={menu} linkNotice={extra} />
        ) : current === undefined ? (
          <EmptyDeck
            gone={loading ? undefined : chosen?.kind}
            stray={stray}
            starting={starting}
            menu={menu}
            notices={extra}
            onShell={mayCreate ? createShell : undefined}
            onTalk={mayTalk ? createTalk : undefined}
          />
        ) : (
          <SessionView
            key={current.id}
            client={client}
            info={current}
            scope={me.scope}
            at={chosen?.kind === 'session' ? chosen.at : undefined}
            theme={theme}
            screenReader={screenReader}
            fresh={current.id === fresh}
            menu={menu}
            linkNotice={extra}
            onSize={(size) => {
              area.current = size;
            }}
            onLive={() => toSession(current.id)}
          />
        )}
      </div>
      <Toasts toasts={told.toasts} dismiss={told.dismiss} />
      {asking && <NewConversation agents={talks.agents} onCreate={converse} onClose={() => setAsking(false)} />}
      {form && <NewSession onCreate={create} onClose={() => setForm(false)} />}
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
  return chosen?.kind === 'traffic' ? 'Traffic' : '';
}
