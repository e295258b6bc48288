// Where the page begins.

import '@xterm/xterm/css/xterm.css';
import './style.css';
import './layout.css';
import './conversation.css';
import './turns.css';
import './foreign.css';
import './pages.css';
import './plugins.css';
import './guest.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { enter, gateway, takeTicket } from './entry.ts';
import { enterAsGuest, forgetGuest, isGuestTab, takeShare } from './guest.ts';
import { GuestPage } from './guest-page.tsx';

const root = document.getElementById('root');
if (root !== null) {
  const page = createRoot(root);
  let shown = 0;
  const show = (): void => {
    const secret = takeShare();
    if (secret !== undefined || isGuestTab()) {
      const entering = enterAsGuest(secret);
      shown += 1;
      page.render(
        <StrictMode>
          <GuestPage key={shown} entering={entering} />
        </StrictMode>,
      );
      return;
    }
    const client = gateway();
    const entering = enter(client, takeTicket());
    page.render(
      <StrictMode>
        <App client={client} entering={entering} />
      </StrictMode>,
    );
  };
  // A login link that is opened is what this tab is for from now on.
  if (location.hash.startsWith('#ticket=')) forgetGuest();
  show();
  window.addEventListener('hashchange', () => {
    // A share link that is opened in a tab where the page is already; nothing of before goes on.
    if (location.hash.startsWith('#share=')) show();
    else if (location.hash.startsWith('#ticket=') && isGuestTab()) {
      forgetGuest();
      location.reload();
    }
  });
}
