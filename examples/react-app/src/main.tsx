// Sessions, and of the chosen one its terminal and its log: all that the package has, in one page.

import '@xterm/xterm/css/xterm.css';
import '@binnacle/client/react.css';
import './app.css';
import { connect } from '@binnacle/client';
import { BinnacleProvider, SessionLog, SessionTerminal, useBinnacle, useSessions } from '@binnacle/client/react';
import { StrictMode, type SubmitEvent, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

// Made once, outside of components. No token: a browser logs in with a ticket, and is known from then on.
const client = connect({ url: location.origin });
// Requested once, also in React's strict mode. Without a login, the browser's console shows the answer as a 401.
const known = client.me().then(
  () => true,
  () => false,
);

function App() {
  const [isIn, setIn] = useState<boolean>();
  useEffect(() => {
    void known.then(setIn);
  }, []);
  if (isIn === undefined) return null;
  return isIn ? <SessionsPage /> : <Login onIn={() => setIn(true)} />;
}

function Login({ onIn }: { readonly onIn: () => void }) {
  const [link, setLink] = useState(location.hash);
  const [problem, setProblem] = useState('');
  const login = (event: SubmitEvent): void => {
    event.preventDefault();
    const ticket = /ticket=([^&\s]+)/.exec(link)?.[1] ?? link.trim();
    client.login(ticket).then(onIn, (error: Error) => setProblem(error.message));
  };
  return (
    <form className="login" onSubmit={login}>
      <label>
        Login link, from <code>binnacle token link</code>:{' '}
        <input name="link" value={link} onChange={(event) => setLink(event.target.value)} size={60} />
      </label>{' '}
      <button type="submit">Log in</button> <span role="alert">{problem}</span>
    </form>
  );
}

function SessionsPage() {
  const { sessions, state, error } = useSessions();
  const [chosen, setChosen] = useState<string>();
  const binnacle = useBinnacle();
  const start = (): void => {
    binnacle.sessions.create().then(
      ({ id }) => setChosen(id),
      (problem: Error) => alert(problem.message),
    );
  };
  return (
    <main className="app">
      <nav className="list" aria-label="Sessions">
        <button type="button" onClick={start}>
          New shell
        </button>
        {state !== 'live' && <p role="status">{error?.message ?? `${state}…`}</p>}
        {sessions.map((info) => (
          <button type="button" key={info.id} onClick={() => setChosen(info.id)} aria-current={info.id === chosen}>
            {info.name || info.argv.join(' ')} <small>{info.running ? 'running' : info.state}</small>
          </button>
        ))}
      </nav>
      {chosen === undefined ? (
        <p className="login">Choose a session.</p>
      ) : (
        <div className="session" key={chosen}>
          <SessionTerminal id={chosen} autoFocus />
          <SessionLog id={chosen} />
        </div>
      )}
    </main>
  );
}

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <BinnacleProvider client={client}>
      <App />
    </BinnacleProvider>
  </StrictMode>,
);
