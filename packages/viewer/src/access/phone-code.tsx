// A QR code that logs a phone in: a one-time link to this page, with at most the user's own rights. Renewed manually.

import type { Binnacle, Ticket } from '@binnacle/client';
import { allows, type Scope } from '@binnacle/protocol';
import { useId, useState } from 'react';
import { useCountdown } from '../state/use-clock.ts';
import { useRequest } from '../state/use-request.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Failure } from '../ui/failure.tsx';
import { Qr } from '../ui/qr.tsx';
import '../ui/phone-part.css';
import './phone-code.css';

interface PhoneCodeProps {
  readonly client: Binnacle;
  readonly scope: Scope;
}

const CHOICES: readonly { readonly scope: Scope; readonly label: string }[] = [
  { scope: 'admin', label: 'everything, as an administrator' },
  { scope: 'create', label: 'look, type and start sessions' },
  { scope: 'input', label: 'look, type and approve' },
  { scope: 'view', label: 'look only' },
];
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/**
 * Returns the link, by this page's address unless the gateway knows a public URL: a proxy may hide its path from the
 * gateway.
 */
const linkOf = ({ ticket, url }: Ticket): string =>
  new URL(url).origin === location.origin ? `${location.origin}${location.pathname}#ticket=${ticket}` : url;

export function PhoneCode({ client, scope: own }: PhoneCodeProps) {
  const choices = CHOICES.filter(({ scope }) => allows(own, scope));
  const [scope, setScope] = useState<Scope>(choices[0]?.scope ?? 'view');
  const [made, setMade] = useState<{ readonly ticket: Ticket; readonly until: number }>();
  const { busy, error, run } = useRequest();
  const left = useCountdown(made?.until);
  const id = useId();
  const make = (): void =>
    run(client.createTicket(scope), (ticket) => setMade({ ticket, until: performance.now() + ticket.expiresInMs }));
  const link = made === undefined ? '' : linkOf(made.ticket);
  return (
    <section className="phone-part" aria-labelledby={id} data-testid="phone-code">
      <h3 id={id}>Open on your phone</h3>
      {LOOPBACK.test(link === '' ? location.hostname : new URL(link).hostname) && (
        <p className="phone-local" data-testid="phone-local">
          This page came from <code>{location.host}</code>: no other device reaches that. Let a tunnel or a proxy with
          TLS lead here, e.g. <code>tailscale serve {location.port || '80'}</code>, start Binnacle with{' '}
          <code>--public-url</code> and the address of that: the code will lead there.
        </p>
      )}
      {made === undefined || left === 0 ? (
        <>
          <p>
            {made === undefined
              ? 'A code logs the phone in as you. It works once, for ten minutes.'
              : 'The code has run out. Nobody can use it any more.'}
          </p>
          <div className="phone-row">
            <label>
              <span>It may</span>
              <select
                value={scope}
                onChange={(event) => setScope(event.target.value as Scope)}
                data-testid="phone-scope"
              >
                {choices.map((one) => (
                  <option key={one.scope} value={one.scope}>
                    {one.label}
                  </option>
                ))}
              </select>
            </label>
            <button type="button" className="button" onClick={make} disabled={busy} data-testid="phone-make">
              {made === undefined ? 'Show a code' : 'Make a new one'}
            </button>
          </div>
        </>
      ) : (
        <>
          <Qr text={link} label="Code that logs a phone in" />
          <p className="phone-left" data-testid="phone-left">
            Scan it with the phone’s camera. It works once, for {Math.floor(left / 60)}:
            {String(left % 60).padStart(2, '0')} more.
          </p>
          <div className="phone-row">
            <CopyButton text={link} what="the login link" />
            <button type="button" className="button" onClick={make} disabled={busy} data-testid="phone-renew">
              Make a new one
            </button>
          </div>
        </>
      )}
      {error !== undefined && <Failure error={error} />}
    </section>
  );
}
