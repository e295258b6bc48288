// The login page: how to get a login link, and a field for one.

import type { BinnacleError, Code } from '@binnacle/protocol';
import { type FormEvent, useId, useState } from 'react';
import { Failure } from '../ui/failure.tsx';
import { Compass } from '../ui/icons.tsx';
import { ticketIn } from './ticket.ts';
import './login.css';

/** Codes whose hints are for programs: a person needs another link. */
const EXPLAINED: ReadonlySet<Code> = new Set(['unauthorized', 'login_incomplete']);

interface LoginProps {
  /** The reason why the last attempt failed. */
  readonly error: BinnacleError | undefined;
  readonly onTicket: (ticket: string) => void;
}

export function Login({ error, onTicket }: LoginProps) {
  const [text, setText] = useState('');
  const [unclear, setUnclear] = useState(false);
  const field = useId();

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const ticket = ticketIn(text);
    setUnclear(ticket === undefined);
    if (ticket !== undefined) onTicket(ticket);
  };

  return (
    <main className="login" data-testid="login">
      <div className="login-card">
        <Compass large />
        <h1>Binnacle</h1>
        <p className="login-lead">Sign in with a link</p>
        <ol className="login-steps">
          <li>
            On the machine that runs it, type <kbd className="command">binnacle token link</kbd> or, in the folder of
            its code, <kbd className="command">npx binnacle token link</kbd>
          </li>
          <li>Open the link that it prints, or scan its code. It works once, for ten minutes.</li>
        </ol>
        <form onSubmit={submit}>
          <label htmlFor={field}>Paste the link</label>
          <div className="login-row">
            <input
              id={field}
              data-testid="ticket"
              value={text}
              onChange={(event) => setText(event.target.value)}
              autoComplete="off"
              autoCapitalize="off"
              autoCorrect="off"
              spellCheck={false}
              placeholder="http://…/#ticket=…"
              aria-invalid={unclear}
            />
            <button type="submit" className="button primary" disabled={text.trim() === ''} data-testid="enter">
              Open
            </button>
          </div>
        </form>
        {unclear && (
          <p className="failure" role="alert" data-testid="failure" data-code="no_ticket">
            That is not a login link. A login link ends in <code>#ticket=…</code>
          </p>
        )}
        {!unclear && error?.code === 'unauthorized' && (
          <p className="failure" role="alert" data-testid="failure" data-code={error.code}>
            This link was used or has expired. Create a new one: <kbd className="command">binnacle token link</kbd>
          </p>
        )}
        {!unclear && error?.code === 'login_incomplete' && (
          <p className="failure" role="alert" data-testid="failure" data-code={error.code}>
            {error.details?.missing === 'cookie'
              ? 'This browser did not send the cookie of its login. Something else on this host has put its own in the place, or cookies are blocked here. '
              : 'This browser’s login is from before an upgrade, or its storage was cleared. '}
            Sign in again with a new link.
          </p>
        )}
        {!unclear && error !== undefined && !EXPLAINED.has(error.code) && <Failure error={error} />}
      </div>
    </main>
  );
}
