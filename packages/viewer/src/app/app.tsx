// The page: the login, or the app shell behind it.

import type { Binnacle } from '@binnacle/client';
import { useCallback, useEffect, useState } from 'react';
import { Authorize, authorizationIn } from '../access/authorize.tsx';
import { Login } from '../access/login.tsx';
import { type Entry, enter, takeTicket } from '../access/sign-in.ts';
import { asFailure } from '../model/failure.ts';
import { tellLogin } from '../notifications/register-worker.ts';
import { useTheme } from '../ui/theme.ts';
import { Deck } from './app-shell.tsx';
import { useVisibleHeight } from './use-visible-height.ts';

interface AppProps {
  readonly client: Binnacle;
  /** The login attempt, begun before the first render, because a ticket works once. */
  readonly entering: Promise<Entry>;
}

export function App({ client, entering }: AppProps) {
  const [entry, setEntry] = useState<Entry>();
  const [theme, toggleTheme] = useTheme();
  const [query, setQuery] = useState(() => authorizationIn(location.hash));
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
    // A login link was opened in a tab that already shows the page.
    const changed = (): void => {
      const ticket = takeTicket();
      if (ticket !== undefined) come(ticket);
      setQuery(authorizationIn(location.hash));
    };
    window.addEventListener('hashchange', changed);
    return () => window.removeEventListener('hashchange', changed);
  }, [come]);

  const isAtDoor = entry?.kind === 'door';
  useEffect(() => {
    if (!isAtDoor || query === undefined) return;
    // The login link was opened in another tab: this tab then continues with its authorization request.
    const again = (): void => come(undefined);
    window.addEventListener('focus', again);
    return () => window.removeEventListener('focus', again);
  }, [isAtDoor, query, come]);

  if (entry === undefined) return <main className="door" aria-busy="true" />;
  if (entry.kind === 'door') return <Login key={entry.error?.code} error={entry.error} onTicket={come} />;
  if (query !== undefined) {
    const done = (): void => {
      history.replaceState(null, '', location.pathname);
      setQuery(undefined);
    };
    return <Authorize key={query} client={client} me={entry.me} query={query} onLeave={done} />;
  }
  const leave = (): void => {
    void Promise.allSettled([client.logout(), tellLogin({})]).then(() => location.reload());
  };
  return (
    <Deck
      client={client}
      me={entry.me}
      isKept={entry.isKept}
      theme={theme}
      onTheme={toggleTheme}
      onLeave={leave}
      onShut={() => come(undefined)}
    />
  );
}
