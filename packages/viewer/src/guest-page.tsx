// What somebody sees who came by a share link: the one session or conversation, or why there is none to see any more.

import type { ConversationInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useState } from 'react';
import { ConversationView } from './conversation-view.tsx';
import { asFailure, Failure } from './failure.tsx';
import { forgetGuest, type Guest } from './guest.ts';
import { Compass } from './icons.tsx';
import { ErrorNotice, LinkNotice } from './notices.tsx';
import { SessionView } from './session-view.tsx';
import { useTheme } from './theme.ts';
import { useFleet, useLink } from './use-client.ts';
import { useVisibleHeight } from './use-visible-height.ts';

/** A conversation that is shared tells of its own events itself; this is for its state in the header. */
const LOOK_EVERY_MS = 5000;

type Failed = ReturnType<typeof asFailure>;

/** `entering`: begun before the first render, because a link may open once. */
export function GuestPage({ entering }: { readonly entering: Promise<Guest> }) {
  const [guest, setGuest] = useState<Guest>();
  const [error, setError] = useState<Failed>();
  useVisibleHeight();
  useEffect(() => {
    entering.then(setGuest, (thrown: unknown) => setError(asFailure(thrown)));
  }, [entering]);
  if (error !== undefined) return <Shut error={error} />;
  if (guest === undefined) return <main className="door" aria-busy="true" />;
  return <Shown guest={guest} onShut={setError} />;
}

function Shown({ guest, onShut }: { readonly guest: Guest; readonly onShut: (why: Failed) => void }) {
  const { client, me, shared } = guest;
  const link = useLink(client);
  const fleet = useFleet(client, true);
  const [theme] = useTheme();
  const [chosen, setChosen] = useState(shared.session);
  const [talk, setTalk] = useState<ConversationInfo>();

  const isStopped = link.kind === 'stopped';
  useEffect(() => {
    // The socket says that it is over; only a request tells why in words.
    if (isStopped)
      client.me().then(
        () => undefined,
        (thrown: unknown) => onShut(asFailure(thrown)),
      );
  }, [isStopped, client, onShut]);

  const key = shared.conversation;
  useEffect(() => {
    if (key === null) return;
    const look = (): void => {
      client.conversations.get(key).then(setTalk, (thrown: unknown) => {
        const failure = asFailure(thrown);
        if (failure.code === 'conversation_not_found') onShut(failure);
      });
    };
    look();
    const timer = setInterval(look, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [client, key, onShut]);

  const current = fleet.sessions.find(({ id }) => id === chosen);
  const toSession = useCallback((id: string) => setChosen(id), []);
  const toTalk = useCallback(() => setChosen(null), []);
  const sessions = new Set(fleet.sessions.map(({ id }) => id as string));
  const notices = (
    <>
      <LinkNotice link={link} onRetry={() => client.wake()} />
      {fleet.error !== undefined && <ErrorNotice error={fleet.error} />}
    </>
  );
  const back =
    key !== null && chosen !== null ? (
      <button type="button" className="button quiet" onClick={toTalk} data-testid="guest-back">
        Back to the conversation
      </button>
    ) : undefined;

  return (
    <div className="deck guest" data-testid="guest" data-link={link.kind} data-mode={shared.mode}>
      <div className="main-area">
        {current !== undefined ? (
          <SessionView
            key={current.id}
            client={client}
            info={current}
            scope={me.scope}
            at={undefined}
            theme={theme}
            screenReader={false}
            fresh={false}
            guest
            menu={back}
            linkNotice={notices}
            onSize={() => undefined}
            onLive={() => undefined}
          />
        ) : talk !== undefined && chosen === null ? (
          <ConversationView
            client={client}
            info={talk}
            me={me}
            sessions={sessions}
            menu={undefined}
            linkNotice={notices}
            onSession={toSession}
            onGone={() => undefined}
          />
        ) : (
          <main className="door" aria-busy={fleet.loading}>
            {!fleet.loading && key === null && <p data-testid="guest-gone">What was shared is not there any more.</p>}
          </main>
        )}
      </div>
    </div>
  );
}

function Shut({ error }: { readonly error: Failed }) {
  const leave = (): void => {
    forgetGuest();
    location.reload();
  };
  return (
    <main className="door" data-testid="guest-shut">
      <div className="door-card">
        <Compass large />
        <h1>Binnacle</h1>
        <Failure error={error} />
        {error.retryable && (
          <button type="button" className="button primary" onClick={() => location.reload()} data-testid="guest-again">
            Try again
          </button>
        )}
        <button type="button" className="button" onClick={leave} data-testid="guest-leave">
          Leave
        </button>
      </div>
    </main>
  );
}
