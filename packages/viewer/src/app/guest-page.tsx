// The page of a guest of a share link: the one session or conversation, or the reason why there is nothing to see any
// more.

import { BinnacleProvider, useConversations } from '@binnacle/client/react';
import { BinnacleError, type ConversationInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useState } from 'react';
import { enterAsGuest, type Guest, type ShareEntry } from '../access/guest-entry.ts';
import { GuestError, GuestWelcome } from '../access/guest-welcome.tsx';
import { asFailure } from '../model/failure.ts';
import { useLink } from '../state/use-connection.ts';
import { useSessionList } from '../state/use-session-list.ts';
import { useTheme } from '../ui/theme.ts';
import { DetailPane, FrameNotices, LoadingPane } from './detail-pane.tsx';
import { useVisibleHeight } from './use-visible-height.ts';
import './guest-page.css';

type PageError = ReturnType<typeof asFailure>;

/** `entry`: the result of opening the share link; begun before the first render, which React may run twice. */
export function GuestPage({ entry }: { readonly entry: Promise<ShareEntry> }) {
  const [guest, setGuest] = useState<Guest>();
  const [found, setFound] = useState<Extract<ShareEntry, { readonly kind: 'new' }>>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<PageError>();
  useVisibleHeight();
  useTheme();
  const enter = useCallback((secret?: string, name?: string): void => {
    setBusy(true);
    enterAsGuest(secret, name).then(setGuest, (cause: unknown) => setError(asFailure(cause)));
  }, []);
  useEffect(() => {
    let isOver = false;
    entry.then(
      (known) => {
        if (isOver) return;
        if (known.kind === 'new') setFound(known);
        else enter();
      },
      (cause: unknown) => setError(asFailure(cause)),
    );
    return () => {
      isOver = true;
    };
  }, [entry, enter]);
  if (error !== undefined) return <GuestError error={error} />;
  if (guest !== undefined) {
    return (
      <BinnacleProvider client={guest.client}>
        <SharedView guest={guest} onShut={setError} />
      </BinnacleProvider>
    );
  }
  if (found === undefined) return <main className="login" aria-busy="true" />;
  return <GuestWelcome outlook={found.outlook} busy={busy} onEnter={(name) => enter(found.secret, name)} />;
}

function SharedView({ guest, onShut }: { readonly guest: Guest; readonly onShut: (why: PageError) => void }) {
  const { client, me, shared } = guest;
  const link = useLink(client);
  const sessionList = useSessionList(true);
  const [theme] = useTheme();
  const [sessionId, setSessionId] = useState(shared.session);
  const [talk, setTalk] = useState<ConversationInfo>();

  const isStopped = link.kind === 'stopped';
  useEffect(() => {
    // The socket only reports the end; a request returns the reason.
    if (isStopped)
      client.me().then(
        () => undefined,
        (cause: unknown) => onShut(asFailure(cause)),
      );
  }, [isStopped, client, onShut]);

  const key = shared.conversation;
  const current = sessionList.sessions.find(({ id }) => id === sessionId);
  const toSession = useCallback((id: string) => setSessionId(id), []);
  const toTalk = useCallback(() => setSessionId(null), []);
  const target =
    current !== undefined ? { session: current } : talk !== undefined && sessionId === null ? { talk } : undefined;
  const isComing = key === null ? !sessionList.isWhole && sessionList.error === undefined : talk === undefined;
  const back =
    key !== null && sessionId !== null ? (
      <button type="button" className="button quiet" onClick={toTalk} data-testid="guest-back">
        Back to the conversation
      </button>
    ) : undefined;

  return (
    <div className="app-shell guest" data-testid="guest" data-link={link.kind} data-mode={shared.mode}>
      {key !== null && <SharedConversation of={key} onInfo={setTalk} onRemoved={onShut} />}
      <div className="main-area">
        {target !== undefined ? (
          <DetailPane
            client={client}
            me={me}
            of={target}
            sessions={sessionList.sessions}
            theme={theme}
            guest
            menu={back}
            notices={<FrameNotices client={client} link={link} error={sessionList.error} />}
            onSession={toSession}
          />
        ) : isComing ? (
          <LoadingPane name="" menu={back} />
        ) : (
          <main className="login">
            <p data-testid="guest-ended">What was shared is not there any more.</p>
          </main>
        )}
      </div>
    </div>
  );
}

interface SharedConversationProps {
  readonly of: string;
  readonly onInfo: (info: ConversationInfo | undefined) => void;
  /** Called when the conversation is not there any more. The end of the link is reported elsewhere, with its reason. */
  readonly onRemoved: (why: PageError) => void;
}

/** Follows the conversation that the link shows. Draws nothing. */
function SharedConversation({ of, onInfo, onRemoved }: SharedConversationProps) {
  const { state, conversations, error } = useConversations({ shared: of });
  const [info] = conversations;
  useEffect(() => onInfo(info), [info, onInfo]);
  const isRemoved = error?.code === 'conversation_not_found' || (state === 'live' && info === undefined);
  useEffect(() => {
    if (isRemoved) onRemoved(error ?? new BinnacleError('conversation_not_found'));
  }, [isRemoved, error, onRemoved]);
  return null;
}
