// The entry point of the page.

import '../ui/tokens.css';
import '../ui/base.css';
import '../ui/controls.css';
import '../ui/dot.css';
import '../ui/bar.css';
import type { Binnacle } from '@binnacle/client';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { forgetGuest, isGuestTab, openShareLink, takeShare } from '../access/guest-entry.ts';
import { enter, gateway, openEarly, takeTicket } from '../access/sign-in.ts';
import { parseRoute } from '../model/route.ts';
import { registerWorker } from '../notifications/register-worker.ts';
import type { RequestedSession } from '../state/use-session-list.ts';
import { ErrorBoundary } from '../ui/error-boundary.tsx';
import { App } from './app.tsx';
import { keepStylesOutOfLine } from './csp-styles.ts';
import { prepareTerminal } from './detail-pane.tsx';
import { GuestPage } from './guest-page.tsx';

keepStylesOutOfLine(document);
const root = document.getElementById('root');
if (root !== null) {
  const page = createRoot(root);
  let shown = 0;
  const show = (): void => {
    const secret = takeShare();
    if (secret !== undefined || isGuestTab()) {
      const entry = openShareLink(secret);
      shown += 1;
      page.render(
        <StrictMode>
          <ErrorBoundary key={shown} menu={undefined}>
            <GuestPage entry={entry} />
          </ErrorBoundary>
        </StrictMode>,
      );
      return;
    }
    const client = gateway();
    // Requests go out before the terminal code is evaluated, which takes longer than the answers.
    const ticket = takeTicket();
    const entering = enter(client, ticket);
    const requested = ticket === undefined ? requestSession(client) : undefined;
    registerWorker();
    page.render(
      <StrictMode>
        <ErrorBoundary menu={undefined}>
          <App client={client} entering={entering} requested={requested} />
        </ErrorBoundary>
      </StrictMode>,
    );
  };
  // Opening a login link ends the guest login of this tab.
  if (location.hash.startsWith('#ticket=')) forgetGuest();
  show();
  window.addEventListener('hashchange', () => {
    // A share link was opened in a tab that already shows the page: everything earlier ends.
    if (location.hash.startsWith('#share=')) show();
    else if (location.hash.startsWith('#ticket=') && isGuestTab()) {
      forgetGuest();
      location.reload();
    }
  });
}

/**
 * Requests the session in the address, and loads the terminal code. With a stored login also opens the connection. Undefined
 * without a session in the address, or without a login.
 */
function requestSession(client: Binnacle): RequestedSession | undefined {
  const isLoggedIn = openEarly(client);
  const route = parseRoute(location.hash);
  if (route?.kind !== 'session') return undefined;
  const info = isLoggedIn ? client.session(route.id).info() : undefined;
  info?.catch(() => undefined);
  prepareTerminal();
  return info && { id: route.id, info };
}
