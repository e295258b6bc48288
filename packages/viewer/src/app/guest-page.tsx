// The page of a guest of a share link: the one session or conversation, or the reason why there is nothing to see any
// more.

import { BinnacleError, type ConversationInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useState } from 'react';
import { type Door, enterAsGuest, type Guest } from '../access/guest-entry.ts';
import { GuestDoor, GuestShut } from '../access/guest-welcome.tsx';
import { asFailure } from '../model/failure.ts';
import { useLink } from '../state/use-connection.ts';
import { useFleet } from '../state/use-session-list.ts';
import { useTheme } from '../ui/theme.ts';
import { FrameNotices, Opening, Subject } from './detail-pane.tsx';
import { useVisibleHeight } from './use-visible-height.ts';
import './guest-page.css';

type Failed = ReturnType<typeof asFailure>;

/** `door`: the result of opening the share link; begun before the first render, which React may run twice. */
export function GuestPage({ door }: { readonly door: Promise<Door> }) {
  const [guest, setGuest] = useState<Guest>();
  const [found, setFound] = useState<Extract<Door, { readonly kind: 'new' }>>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Failed>();
  useVisibleHeight();
  useTheme();
  const enter = useCallback((secret?: string, name?: string): void => {
    setBusy(true);
    enterAsGuest(secret, name).then(setGuest, (thrown: unknown) => setError(asFailure(thrown)));
  }, []);
  useEffect(() => {
    let isOver = false;
    door.then(
      (known) => {
        if (isOver) return;
        if (known.kind === 'new') setFound(known);
        else enter();
      },
      (thrown: unknown) => setError(asFailure(thrown)),
    );
    return () => {
      isOver = true;
    };
  }, [door, enter]);
  if (error !== undefined) return <GuestShut error={error} />;
  if (guest !== undefined) return <Shown guest={guest} onShut={setError} />;
  if (found === undefined) return <main className="door" aria-busy="true" />;
  return <GuestDoor outlook={found.outlook} busy={busy} onEnter={(name) => enter(found.secret, name)} />;
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
    // The socket only reports the end; a request returns the reason.
    if (isStopped)
      client.me().then(
        () => undefined,
        (thrown: unknown) => onShut(asFailure(thrown)),
      );
  }, [isStopped, client, onShut]);

  const key = shared.conversation;
  useEffect(() => {
    if (key === null) return;
    const watch = client.conversations.watchShared(key);
    const run = async (): Promise<void> => {
      for await (const event of watch) {
        if (event.type === 'list') setTalk(event.conversations[0]);
        else if (event.type === 'conversation') setTalk(event.info);
        else if (event.type === 'deleted') throw new BinnacleError('conversation_not_found');
      }
    };
    run().catch((thrown: unknown) => {
      const failure = asFailure(thrown);
      // The end of the link is reported by the request above, with its reason.
      if (failure.code === 'conversation_not_found') onShut(failure);
    });
    return () => watch.stop();
  }, [client, key, onShut]);

  const current = fleet.sessions.find(({ id }) => id === chosen);
  const toSession = useCallback((id: string) => setChosen(id), []);
  const toTalk = useCallback(() => setChosen(null), []);
  const subject =
    current !== undefined ? { session: current } : talk !== undefined && chosen === null ? { talk } : undefined;
  const isComing = key === null ? !fleet.isWhole && fleet.error === undefined : talk === undefined;
  const back =
    key !== null && chosen !== null ? (
      <button type="button" className="button quiet" onClick={toTalk} data-testid="guest-back">
        Back to the conversation
      </button>
    ) : undefined;

  return (
    <div className="deck guest" data-testid="guest" data-link={link.kind} data-mode={shared.mode}>
      <div className="main-area">
        {subject !== undefined ? (
          <Subject
            client={client}
            me={me}
            of={subject}
            sessions={fleet.sessions}
            theme={theme}
            guest
            menu={back}
            notices={<FrameNotices client={client} link={link} error={fleet.error} />}
            onSession={toSession}
          />
        ) : isComing ? (
          <Opening name="" menu={back} />
        ) : (
          <main className="door">
            <p data-testid="guest-gone">What was shared is not there any more.</p>
          </main>
        )}
      </div>
    </div>
  );
}
