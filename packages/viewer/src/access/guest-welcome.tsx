// The page before shared content: what the link shows, what the guest may do, and a name for the guest; or why there is
// nothing to see, and what to do.

import type { ShareMode, SharePreview } from '@binnacle/client';
import type { BinnacleError } from '@binnacle/protocol';
import { type FormEvent, useId, useState } from 'react';
import { oneLine, timeLeftText } from '../model/format.ts';
import { Failure } from '../ui/failure.tsx';
import { Compass } from '../ui/icons.tsx';
import { forgetGuest, MAX_NAME } from './guest-entry.ts';
import './login.css';
import './guest-welcome.css';

interface GuestWelcomeProps {
  readonly outlook: SharePreview;
  readonly busy: boolean;
  readonly onEnter: (name: string) => void;
}

/** Key of the name that a guest last typed, for the next link. */
const NAME_KEY = 'binnacle.guest-name';

const WHAT: Readonly<Record<SharePreview['kind'], string>> = {
  session: 'a terminal',
  conversation: 'a conversation with an agent',
};
const MAY: Readonly<Record<SharePreview['kind'], Readonly<Record<ShareMode, string>>>> = {
  session: {
    view: 'You may watch it live. What you do here changes nothing there.',
    type: 'You may watch it live, and type once you take control. Others see that it is you.',
  },
  conversation: {
    view: 'You may read along, live. What you do here changes nothing there.',
    type: 'You may read along, live, and write to the agent. Others see that it is you.',
  },
};

export function GuestWelcome({ outlook, busy, onEnter }: GuestWelcomeProps) {
  const [name, setName] = useState(storedName);
  const field = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    storeName(name.trim());
    onEnter(name.trim());
  };
  const { kind, mode, label, expiresAt, usesLeft } = outlook;
  return (
    <main className="login" data-testid="guest-welcome" data-mode={mode}>
      <div className="login-card">
        <Compass large />
        <h1>{label === '' ? 'Binnacle' : oneLine(label, 100)}</h1>
        <p className="login-lead">Someone shared {WHAT[kind]} with you.</p>
        <ul className="login-steps">
          <li>{MAY[kind][mode]}</li>
          <li>The link ends in {timeLeftText(expiresAt, Date.now())}.</li>
          {usesLeft === 1 && <li>It opens once: after you nobody else can use it.</li>}
        </ul>
        <form onSubmit={submit}>
          <label htmlFor={field}>Your name</label>
          <div className="login-row">
            <input
              id={field}
              value={name}
              maxLength={MAX_NAME}
              onChange={(event) => setName(event.target.value)}
              placeholder="guest"
              autoComplete="nickname"
              spellCheck={false}
              data-testid="guest-name"
            />
            <button type="submit" className="button primary" disabled={busy} data-testid="guest-enter">
              {busy ? 'Coming in…' : mode === 'view' ? 'Watch' : 'Come in'}
            </button>
          </div>
        </form>
      </div>
    </main>
  );
}

/** Advice for codes whose own hints are for programs. */
const NEXT: Readonly<Record<string, string>> = {
  conversation_not_found: 'The conversation was removed. Ask whoever sent you the link.',
  session_not_found: 'The session was removed. Ask whoever sent you the link.',
  session_gone: 'The session was removed. Ask whoever sent you the link.',
  unreachable: 'Binnacle does not answer. It may be restarting: try again in a moment.',
};

export function GuestError({ error }: { readonly error: BinnacleError }) {
  const leave = (): void => {
    forgetGuest();
    location.reload();
  };
  const next = NEXT[error.code];
  return (
    <main className="login" data-testid="guest-error">
      <div className="login-card">
        <Compass large />
        <h1>Binnacle</h1>
        {next === undefined ? (
          <Failure error={error} />
        ) : (
          <p className="failure" role="alert" data-testid="failure" data-code={error.code}>
            {next}
          </p>
        )}
        <div className="login-acts">
          {error.retryable && (
            <button
              type="button"
              className="button primary"
              onClick={() => location.reload()}
              data-testid="guest-again"
            >
              Try again
            </button>
          )}
          <button type="button" className="button" onClick={leave} data-testid="guest-leave">
            Leave
          </button>
        </div>
      </div>
    </main>
  );
}

function storedName(): string {
  try {
    return localStorage.getItem(NAME_KEY) ?? '';
  } catch {
    return ''; // storage may be forbidden
  }
}

function storeName(name: string): void {
  try {
    if (name === '') localStorage.removeItem(NAME_KEY);
    else localStorage.setItem(NAME_KEY, name);
  } catch {
    // Storage may be forbidden: the next visit asks again.
  }
}
