// The page: the door, or what lies behind it.

import type { Binnacle } from '@binnacle/client';
import { useCallback, useEffect, useState } from 'react';
import { Deck } from './deck.tsx';
import { type Entry, enter, takeTicket } from './entry.ts';
import { asFailure } from './failure.tsx';
import { Login } from './login.tsx';
import { useTheme } from './theme.ts';
import { useVisibleHeight } from './use-visible-height.ts';
import { tellLogin } from './worker/register.ts';

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
