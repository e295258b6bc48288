// Notifications in this browser: on or off with the reason, a test, and the muted sessions and conversations.

import type { Binnacle, Muted } from '@binnacle/client';
import type { BinnacleError } from '@binnacle/protocol';
import { type ReactNode, useEffect, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { oneLine } from '../model/format.ts';
import type { Route } from '../model/route.ts';
import { Failure } from '../ui/failure.tsx';
import { MuteBox } from './mute-button.tsx';
import { type NotificationState, useNotifications } from './use-notifications.ts';
import '../ui/phone-part.css';
import './tick-box.css';
import './notification-settings.css';

interface NotificationSettingsProps {
  readonly client: Binnacle;
  /** The route in view. */
  readonly route: Route | undefined;
  /** Returns the name of a session or conversation in the lists; undefined if it is not in them. */
  readonly nameOf: (what: Muted) => string | undefined;
}

const TEXTS: Readonly<Record<NotificationState, ReactNode>> = {
  loading: 'Asking this browser…',
  on: 'This browser notifies you when something waits for you, unless it is in view.',
  off: 'This browser can notify you when an agent asks for approval or is done, and when a program waits for you.',
  refused:
    'Notifications from this page are blocked in this browser. Allow them in its settings for this site, then come back.',
  insecure:
    'Browsers notify only from pages that came over https, or from localhost. Open this page there, and turn it on.',
  install: 'On an iPhone or iPad: tap Share, then Add to Home Screen, and open Binnacle from there.',
  none: 'This browser cannot be notified from a page.',
  stopped: 'Notifications in browsers are switched off on this server.',
};

export function NotificationSettings({ client, route, nameOf }: NotificationSettingsProps) {
  const shortName = (what: Muted): string => oneLine(nameOf(what) ?? 'this', 40);
  const { state, busy, error, sent, done, setDone, turnOn, turnOff, test } = useNotifications(client);
  return (
    <section
      className="phone-part"
      aria-labelledby="notifications-title"
      data-testid="notifications"
      data-state={state}
    >
      <h3 id="notifications-title">Notifications</h3>
      <p aria-live="polite">{TEXTS[state]}</p>
      {state === 'off' && (
        <button type="button" className="button primary" onClick={turnOn} disabled={busy} data-testid="notify-on">
          Turn on in this browser
        </button>
      )}
      {state === 'on' && (
        <div className="phone-row">
          <button type="button" className="button" onClick={test} disabled={busy} data-testid="notify-test">
            Send a test
          </button>
          <button type="button" className="button" onClick={turnOff} disabled={busy} data-testid="notify-off">
            Turn off
          </button>
        </div>
      )}
      {state === 'on' && done !== undefined && (
        <fieldset className="notify-when" data-testid="notify-when" data-done={done}>
          <legend>Notify me</legend>
          <label>
            <input type="radio" name="notify-when" checked={!done} onChange={() => setDone(false)} />
            when an agent waits
          </label>
          <label>
            <input type="radio" name="notify-when" checked={done} onChange={() => setDone(true)} />
            and when it is done
          </label>
          <p>The same in all of your browsers. Short answers cause no notification.</p>
        </fieldset>
      )}
      {sent && (
        <p role="status" data-testid="notify-sent">
          Sent. If nothing comes, look at what this device does with notifications of the browser.
        </p>
      )}
      {error !== undefined && <Failure error={error} />}
      {route?.kind === 'session' && (
        <MuteBox client={client} kind="session" id={route.id} name={shortName({ session: route.id })} />
      )}
      {route?.kind === 'conversation' && (
        <MuteBox client={client} kind="conversation" id={route.key} name={shortName({ conversation: route.key })} />
      )}
      <MutedList client={client} nameOf={nameOf} />
    </section>
  );
}

function MutedList({ client, nameOf }: Omit<NotificationSettingsProps, 'route'>) {
  const [muted, setMuted] = useState<readonly Muted[]>([]);
  const [error, setError] = useState<BinnacleError>();
  useEffect(() => {
    let isUnmounted = false;
    client.push.mutes().then(
      ({ sessions, conversations }) => {
        if (isUnmounted) return;
        setMuted([
          ...conversations.map((conversation) => ({ conversation })),
          ...sessions.map((session) => ({ session })),
        ]);
      },
      (cause: unknown) => !isUnmounted && setError(asFailure(cause)),
    );
    return () => {
      isUnmounted = true;
    };
  }, [client]);
  const unmute = (what: Muted): void => {
    client.push.unmute(what).then(
      () => setMuted((all) => all.filter((one) => one !== what)),
      (cause: unknown) => setError(asFailure(cause)),
    );
  };
  return (
    <>
      {muted.length > 0 && (
        <>
          <h4>Muted</h4>
          <ul className="muted-list" data-testid="muted-list">
            {muted.map((what) => {
              const id = 'session' in what ? what.session : what.conversation;
              const name = oneLine(nameOf(what) ?? id, 60);
              return (
                <li key={id}>
                  <span>{name}</span>
                  <button type="button" className="button" onClick={() => unmute(what)} aria-label={`Unmute ${name}`}>
                    Unmute
                  </button>
                </li>
              );
            })}
          </ul>
        </>
      )}
      {error !== undefined && <Failure error={error} />}
    </>
  );
}
