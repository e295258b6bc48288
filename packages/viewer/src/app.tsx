// The page: the door, or the deck with its list and one session.

import type { Binnacle, Me } from '@binnacle/client';
import { allows, type CreateSession } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { type Entry, enter, takeTicket } from './entry.ts';
import { asFailure } from './failure.tsx';
import { Compass, MenuIcon, PlusIcon } from './icons.tsx';
import { Login } from './login.tsx';
import { NewSession } from './new-session.tsx';
import { ErrorNotice, LinkNotice } from './notices.tsx';
import { isPageKey, sizeFor } from './screen.ts';
import { SessionView } from './session-view.tsx';
import { Side } from './side.tsx';
import { useSetting, useTheme } from './theme.ts';
import { useChoice, useFleet, useLink } from './use-client.ts';
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
  const [chosen, choose] = useChoice();
  const [screenReader, setScreenReader] = useSetting('binnacle.screen-reader');
  const [drawer, setDrawer] = useState(false);
  const [form, setForm] = useState(false);
  const [fresh, setFresh] = useState<string>();
  const [failed, setFailed] = useState<ReturnType<typeof asFailure>>();
  const [starting, setStarting] = useState(false);
  const main = useRef<HTMLDivElement>(null);
  const area = useRef<{ readonly width: number; readonly height: number }>(undefined);

  const shut = link.kind === 'stopped' && (link.code === 'unauthorized' || link.code === 'revoked');
  useEffect(() => {
    if (shut) onShut();
  }, [shut, onShut]);

  const current = fleet.sessions.find((info) => info.id === chosen);
  useEffect(() => {
    document.title = current === undefined ? 'Binnacle' : `${oneLine(title(current), 60)} · Binnacle`;
  }, [current]);

  const pick = useCallback(
    (id: string | undefined) => {
      choose(id);
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
    pick(made.id);
  };
  const createShell = (): void => {
    setStarting(true);
    setFailed(undefined);
    create({})
      .catch((thrown: unknown) => setFailed(asFailure(thrown)))
      .finally(() => setStarting(false));
  };

  const ids = fleet.sessions.map((info) => info.id as string);
  const around = useRef({ ids, chosen });
  around.current = { ids, chosen };
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (!isPageKey(event)) return;
      event.preventDefault();
      if (event.key === 'ArrowLeft')
        document.querySelector<HTMLElement>('.session[aria-current="true"], .session')?.focus();
      if (event.key === 'ArrowRight') document.querySelector<HTMLElement>('.xterm-helper-textarea')?.focus();
      if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
      const at = around.current.ids.indexOf(around.current.chosen ?? '');
      const next = around.current.ids[event.key === 'ArrowUp' ? Math.max(0, at - 1) : at + 1];
      if (next !== undefined) pick(next);
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, [pick]);

  const linkNotice = <LinkNotice link={link} onRetry={() => client.wake()} />;
  const problem = failed ?? fleet.error;
  const menu = (
    <button
      type="button"
      className="button quiet square bar-menu"
      aria-label="Sessions"
      aria-expanded={drawer}
      onClick={() => setDrawer(true)}
      data-testid="menu"
    >
      <MenuIcon />
    </button>
  );
  const mayCreate = allows(me.scope, 'create');
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
        chosen={chosen}
        theme={theme}
        screenReader={screenReader}
        starting={starting}
        onChoose={pick}
        onShell={mayCreate ? createShell : undefined}
        onForm={() => setForm(true)}
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
        {current === undefined ? (
          <main className="main">
            <header className="bar bar-bare">{menu}</header>
            <div className="empty" data-testid="empty">
              <Compass large />
              <h2>{chosen === undefined || fleet.loading ? 'All quiet on deck' : 'That session is gone'}</h2>
              <p>
                {mayCreate
                  ? 'Start a shell and steer it from here, or choose a session from the list. It goes on when you leave.'
                  : 'Choose a session from the list to watch it.'}
              </p>
              {mayCreate && (
                <button
                  type="button"
                  className="button primary"
                  onClick={createShell}
                  disabled={starting}
                  data-testid="empty-new-shell"
                >
                  <PlusIcon /> {starting ? 'Starting…' : 'New shell'}
                </button>
              )}
            </div>
            <div className="notices" aria-live="polite" data-testid="notices">
              {extra}
            </div>
          </main>
        ) : (
          <SessionView
            key={current.id}
            client={client}
            info={current}
            scope={me.scope}
            theme={theme}
            screenReader={screenReader}
            fresh={current.id === fresh}
            menu={menu}
            linkNotice={extra}
            onSize={(size) => {
              area.current = size;
            }}
          />
        )}
      </div>
      {form && <NewSession onCreate={create} onClose={() => setForm(false)} />}
    </div>
  );
}
