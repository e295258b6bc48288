// The OAuth consent page: a program wants to act for the logged-in user. Shows the program, the destination of the
// answer, and the requested rights. Opening the page grants nothing.

import type { Authorization, Binnacle, Me } from '@binnacle/client';
import type { BinnacleError, Scope } from '@binnacle/protocol';
import { useEffect, useId, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { oneLine, person } from '../model/format.ts';
import { Failure } from '../ui/failure.tsx';
import '../ui/radio-cards.css';
import './login.css';
import './authorize.css';

const PREFIX = '#authorize=';

/** Returns the authorization query that a program sent with the browser; undefined for other addresses. */
export function authorizationIn(hash: string): string | undefined {
  if (!hash.startsWith(PREFIX)) return undefined;
  try {
    return decodeURIComponent(hash.slice(PREFIX.length));
  } catch {
    return ''; // The gateway reports the error.
  }
}

const MAY: Readonly<Partial<Record<Scope, { readonly name: string; readonly text: string }>>> = {
  view: { name: 'Watch', text: 'see all sessions that you may see, and read their output' },
  input: { name: 'Watch and type', text: 'type into programs that run, and send them signals' },
  create: {
    name: 'Start commands',
    text: 'start any command on this machine, as the user that runs Binnacle, and end it',
  },
};
const DESTINATIONS: Readonly<Record<Authorization['destination']['kind'], string>> = {
  here: 'a program on the machine of this browser',
  web: 'a website',
  program: 'whatever program has this kind of address',
};

interface AuthorizeProps {
  readonly client: Binnacle;
  readonly me: Me;
  readonly query: string;
  /** Called when the user is done here without an answer. */
  readonly onLeave: () => void;
}

/** Returns the lowest scope that the program requests: a user who only clicks grants no more. More is a choice. */
function leastRequested(query: string, choices: readonly Scope[]): Scope | undefined {
  const scopes = (new URLSearchParams(query).get('scope') ?? '').split(' ');
  return choices.find((one) => scopes.includes(one)) ?? choices[0];
}

export function Authorize({ client, me, query, onLeave }: AuthorizeProps) {
  const [request, setRequest] = useState<Authorization>();
  const [error, setError] = useState<BinnacleError>();
  const [scope, setScope] = useState<Scope>();
  const [answered, setAnswered] = useState<'allow' | 'deny'>();
  const name = useId();

  useEffect(() => {
    client.authorization(query).then(
      (found) => {
        setRequest(found);
        setScope(leastRequested(query, found.choices));
      },
      (cause: unknown) => setError(asFailure(cause)),
    );
  }, [client, query]);

  const answer = (decision: 'allow' | 'deny'): void => {
    setAnswered(decision);
    setError(undefined);
    client.authorize(query, decision, decision === 'allow' ? scope : undefined).then(
      // Replaced in the history: a code works once.
      (redirect) => location.replace(redirect),
      (cause: unknown) => {
        setAnswered(undefined);
        setError(asFailure(cause));
      },
    );
  };

  if (request === undefined) {
    return (
      <main className="login" aria-busy={error === undefined} data-testid="authorize">
        {error !== undefined && (
          <div className="login-card">
            <h1>That cannot be allowed</h1>
            <Failure error={error} />
            <div className="login-acts">
              <button type="button" className="button" onClick={onLeave} data-testid="authorize-leave">
                To the sessions
              </button>
              {typeof error.details?.back === 'string' && <Back to={error.details.back} />}
            </div>
          </div>
        )}
      </main>
    );
  }
  const { destination, choices } = request;
  return (
    <main className="login" data-testid="authorize">
      <div className="login-card">
        <h1>Allow access?</h1>
        <p className="login-lead">
          A program that calls itself{' '}
          <strong className="authorize-name" data-testid="authorize-client">
            <bdi>{oneLine(request.client, 80)}</bdi>
          </strong>{' '}
          wants to use Binnacle for you.
        </p>
        <dl className="authorize-facts">
          <dt>Goes to</dt>
          <dd>
            <code data-testid="authorize-host">{destination.text}</code>
            <span className={destination.kind === 'here' ? 'authorize-note' : 'authorize-note warned'}>
              {DESTINATIONS[destination.kind]}
            </span>
          </dd>
          <dt>As</dt>
          <dd data-testid="authorize-user">{person(me.user)}</dd>
        </dl>
        {choices.length > 0 && (
          <fieldset className="share-modes authorize-scopes" disabled={answered !== undefined}>
            <legend>It may</legend>
            {choices.map((one) => (
              <label key={one} className={one === scope ? 'share-mode chosen' : 'share-mode'}>
                <input
                  type="radio"
                  name={name}
                  checked={scope === one}
                  onChange={() => setScope(one)}
                  data-testid={`authorize-${one}`}
                />
                <span>
                  {MAY[one]?.name ?? one}
                  <small>{MAY[one]?.text}</small>
                </span>
              </label>
            ))}
          </fieldset>
        )}
        <p className="authorize-end">
          Allow it only if you have just asked that program to connect: anybody can call a program so. It ends after 30
          days without use, or with <kbd className="command">binnacle token revoke</kbd>
        </p>
        {error !== undefined && <Failure error={error} />}
        <div className="login-acts">
          <button
            type="button"
            className="button"
            disabled={answered !== undefined}
            onClick={() => answer('deny')}
            data-testid="authorize-deny"
          >
            Deny
          </button>
          <button
            type="button"
            className="button primary"
            disabled={answered !== undefined || scope === undefined}
            onClick={() => answer('allow')}
            data-testid="authorize-allow"
          >
            {answered === 'allow' ? 'Going back…' : 'Allow'}
          </button>
        </div>
      </div>
    </main>
  );
}

/** The link back to the program, which then learns of the error. The gateway has verified the program's address. */
function Back({ to }: { readonly to: string }) {
  return (
    <button type="button" className="button primary" onClick={() => location.replace(to)} data-testid="authorize-back">
      Back to the program
    </button>
  );
}
