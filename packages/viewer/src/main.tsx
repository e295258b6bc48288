// Where the page begins.

import './style.css';
import './layout.css';
import './side.css';
import './above.css';
import './conversation.css';
import './turns.css';
import './foreign.css';
import './pages.css';
import './plugins.css';
import './guest.css';
import './share.css';
import './tokens.css';
import './authorize.css';
import './phone.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { choiceIn } from './choice.ts';
import { enter, gateway, takeTicket } from './entry.ts';
import { forgetGuest, isGuestTab, knock, takeShare } from './guest.ts';
import { GuestPage } from './guest-page.tsx';
import { Mishap } from './mishap.tsx';
import { keepStylesOutOfLine } from './out-of-line.ts';
import { prepareTerminal } from './subject.tsx';
import { registerWorker } from './worker/register.ts';

keepStylesOutOfLine(document);
const root = document.getElementById('root');
if (root !== null) {
  const page = createRoot(root);
  let shown = 0;
  const show = (): void => {
    const secret = takeShare();
    if (secret !== undefined || isGuestTab()) {
      const door = knock(secret);
      shown += 1;
      page.render(
        <StrictMode>
          <Mishap key={shown} menu={undefined}>
            <GuestPage door={door} />
          </Mishap>
        </StrictMode>,
      );
      return;
    }
    // It is the last to come, so it is asked for first.
    if (choiceIn(location.hash)?.kind === 'session') prepareTerminal();
    const client = gateway();
    registerWorker();
    const entering = enter(client, takeTicket());
    page.render(
      <StrictMode>
        <Mishap menu={undefined}>
          <App client={client} entering={entering} />
        </Mishap>
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
