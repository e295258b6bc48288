// The entry point of the page.

import '../ui/tokens.css';
import '../ui/base.css';
import '../ui/controls.css';
import '../ui/dot.css';
import '../ui/bar.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { forgetGuest, isGuestTab, openShareLink, takeShare } from '../access/guest-entry.ts';
import { enter, gateway, takeTicket } from '../access/sign-in.ts';
import { parseRoute } from '../model/route.ts';
import { registerWorker } from '../notifications/register-worker.ts';
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
    // Requested first, because the terminal code arrives last.
    if (parseRoute(location.hash)?.kind === 'session') prepareTerminal();
    const client = gateway();
    registerWorker();
    const entering = enter(client, takeTicket());
    page.render(
      <StrictMode>
        <ErrorBoundary menu={undefined}>
          <App client={client} entering={entering} />
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
