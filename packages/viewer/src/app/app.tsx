// The page: the login, or the app shell behind it.

import type { Binnacle } from '@binnacle/client';
import { BinnacleProvider } from '@binnacle/client/react';
import { useCallback, useEffect, useState } from 'react';
import { Authorize, authorizationIn } from '../access/authorize.tsx';
import { Login } from '../access/login.tsx';
import { enter, type LoginState, takeTicket } from '../access/sign-in.ts';
import { asFailure } from '../model/failure.ts';
import { sendLogin } from '../notifications/register-worker.ts';
import type { RequestedSession } from '../state/use-session-list.ts';
import { useTheme } from '../ui/theme.ts';
import { AppShell } from './app-shell.tsx';
import { useVisibleHeight } from './use-visible-height.ts';

interface AppProps {
  readonly client: Binnacle;
  /** The login attempt, begun before the first render, because a ticket works once. */
  readonly entering: Promise<LoginState>;
  /** The session in the address, if it was requested already. */
  readonly requested: RequestedSession | undefined;
}

export function App({ client, entering, requested }: AppProps) {
  const [login, setLogin] = useState<LoginState>();
  const [theme, toggleTheme] = useTheme();
  const [query, setQuery] = useState(() => authorizationIn(location.hash));
  /** Dropped by a later login, which may be that of another user. */
  const [early, setEarly] = useState(requested);
  useVisibleHeight();

  useEffect(() => {
    entering.then(setLogin, (cause: unknown) => setLogin({ kind: 'login', error: asFailure(cause) }));
  }, [entering]);
  const logIn = useCallback(
    (ticket: string | undefined) => {
      setEarly(undefined);
      enter(client, ticket).then(setLogin, (cause: unknown) => setLogin({ kind: 'login', error: asFailure(cause) }));
    },
    [client],
  );
  useEffect(() => {
    // A login link was opened in a tab that already shows the page.
    const changed = (): void => {
      const ticket = takeTicket();
      if (ticket !== undefined) logIn(ticket);
      setQuery(authorizationIn(location.hash));
    };
    window.addEventListener('hashchange', changed);
    return () => window.removeEventListener('hashchange', changed);
  }, [logIn]);

  const isAtLogin = login?.kind === 'login';
  useEffect(() => {
    if (!isAtLogin || query === undefined) return;
    // The login link was opened in another tab: this tab then continues with its authorization request.
    const again = (): void => logIn(undefined);
    window.addEventListener('focus', again);
    return () => window.removeEventListener('focus', again);
  }, [isAtLogin, query, logIn]);

  if (login === undefined) return <main className="login" aria-busy="true" />;
  if (login.kind === 'login') return <Login key={login.error?.code} error={login.error} onTicket={logIn} />;
  if (query !== undefined) {
    const done = (): void => {
      history.replaceState(null, '', location.pathname);
      setQuery(undefined);
    };
    return <Authorize key={query} client={client} me={login.me} query={query} onLeave={done} />;
  }
  const leave = (): void => {
    void Promise.allSettled([client.logout(), sendLogin({})]).then(() => location.reload());
  };
  return (
    <BinnacleProvider client={client}>
      <AppShell
        client={client}
        me={login.me}
        requested={early}
        isLoginStored={login.isLoginStored}
        theme={theme}
        onTheme={toggleTheme}
        onLeave={leave}
        onShut={() => logIn(undefined)}
      />
    </BinnacleProvider>
  );
}
