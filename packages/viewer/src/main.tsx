// Where the page begins.

import '@xterm/xterm/css/xterm.css';
import './style.css';
import './layout.css';
import './conversation.css';
import './turns.css';
import './foreign.css';
import './pages.css';
import './plugins.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { enter, gateway, takeTicket } from './entry.ts';

const root = document.getElementById('root');
if (root !== null) {
  const client = gateway();
  const entering = enter(client, takeTicket());
  createRoot(root).render(
    <StrictMode>
      <App client={client} entering={entering} />
    </StrictMode>,
  );
}
