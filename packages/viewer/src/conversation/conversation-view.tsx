// The page of one conversation: header, transcript, queue and composer.

import { type Answer, answerOf, type Binnacle, type ConversationItem, type Me } from '@binnacle/client';
import { allows, type ConversationInfo } from '@binnacle/protocol';
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { activityLabel, activityMark, conversationTitle } from '../model/conversations.ts';
import { oneLine, person } from '../model/format.ts';
import { MuteButton, useMute } from '../notifications/mute-button.tsx';
import { ExportDialog } from '../recordings/export-dialog.tsx';
import { ShareDialog } from '../sharing/share-dialog.tsx';
import { DialogButton } from '../ui/icon-button.tsx';
import { FileOutIcon, LockIcon, PeopleIcon, ShareIcon, ViewIcon } from '../ui/icons.tsx';
import { ErrorNotice, Notice } from '../ui/notices.tsx';
import { Composer, type OutgoingMessage } from './composer.tsx';
import { runEndText, runMs, usageText, visibilityText } from './format.ts';
import { EMPTY_TRANSCRIPT, TranscriptFollower, type TranscriptState } from './log-follower.ts';
import { Queue } from './queue.tsx';
import { ConversationSettings } from './settings-dialog.tsx';
import { TranscriptScroll } from './transcript-scroll.tsx';
import { AnswerTurn, MessageTurn, NoteTurn, type TurnContext } from './turns.tsx';
import './conversation-view.css';

interface ConversationViewProps {
  readonly client: Binnacle;
  /** The conversation as the list has it, live. */
  readonly info: ConversationInfo;
  readonly me: Me;
  /** Ids of the existing sessions. */
  readonly sessions: ReadonlySet<string>;
  /** True for a guest of a share link, who writes if allowed, and neither steers nor manages. */
  readonly guest?: boolean;
  readonly menu: ReactNode;
  /** Notices about the connection, placed above the conversation's own. */
  readonly linkNotice: ReactNode;
  readonly onSession: (id: string) => void;
  readonly onRemoved: () => void;
}

export function ConversationView(props: ConversationViewProps) {
  const { client, info, me, sessions, menu, linkNotice, onSession, onRemoved } = props;
  const isGuest = props.guest === true;
  const [transcript, setTranscript] = useState(EMPTY_TRANSCRIPT);
  const [isSettingsOpen, setSettingsOpen] = useState(false);
  const following = useRef<TranscriptFollower>(null);
  const { key } = info;

  const handle = useMemo(() => client.conversation(key), [client, key]);
  useEffect(() => {
    const follow = new TranscriptFollower(handle, (change: Partial<TranscriptState>) =>
      setTranscript((before) => ({ ...before, ...change })),
    );
    following.current = follow;
    follow.begin();
    return () => {
      following.current = null;
      follow.stop();
      setTranscript(EMPTY_TRANSCRIPT);
    };
  }, [handle]);
  useEffect(() => following.current?.know(info), [info]);

  const mute = useMute(client, 'conversation', isGuest ? undefined : key);
  const { state } = transcript;
  const maySteer = allows(me.scope, 'input') && info.mine;
  // A guest with a link that allows typing may write; stopping, answering and changing settings need more.
  const mayWrite = maySteer || (isGuest && allows(me.scope, 'input'));
  const mayChange = allows(me.scope, 'input') && (me.scope === 'admin' || info.owner === me.user);
  const run = state === undefined ? (info.run?.id ?? null) : state.run;
  const isWorking = run !== null;

  const answer = useCallback((approval: string, option: string) => handle.answer(approval, option), [handle]);
  const hasSession = useCallback((id: string) => sessions.has(id), [sessions]);
  // Rounded to seconds, the shown precision: each ping measures the offset anew.
  const clockOffsetMs = Math.round((client.clockOffsetMs ?? 0) / 1000) * 1000;
  const context = useMemo<TurnContext>(
    () => ({
      client,
      agent: info.agent,
      user: me.user,
      clockOffsetMs,
      onAnswer: maySteer ? answer : undefined,
      onSession,
      hasSession,
    }),
    [client, info.agent, me.user, clockOffsetMs, maySteer, answer, onSession, hasSession],
  );
  const items = state?.items ?? NOTHING;
  const entries = useMemo(() => items.map(entryOf), [items]);
  const render = useCallback((item: ConversationItem) => turnOf(item, context), [context]);

  const queue = state?.queue ?? info.queue;
  const approvals = state?.approvals ?? info.approvals;
  const name = conversationTitle(info);
  const used = usageText(info.usage);
  const isShared = info.visibility.kind !== 'private';
  // The conversation's own state is newer than the list's.
  const silence = state === undefined || run === null ? undefined : answerOf(state, run)?.silence;
  const now = { run: run === null ? null : { silence }, queue, approvals };

  return (
    <main
      className="main"
      aria-label={`Conversation ${name}`}
      data-testid="conversation-view"
      data-conversation={key}
      data-phase={transcript.phase}
      data-working={isWorking}
    >
      <header className="bar">
        {menu}
        <div className="bar-name">
          <h2>
            <span className={`dot ${activityMark(now)}`} />
            <span data-testid="conversation-title">{name}</span>
          </h2>
          <p>
            {activityLabel(now)} · {oneLine(info.agent, 60)}
            {info.owner !== null && info.owner !== me.user && ` · of ${oneLine(info.owner, 40)}`}
            {used !== undefined && (
              <span title="All runs together, as far as the agent tells" data-testid="conversation-usage">
                {' · '}
                {used}
              </span>
            )}
          </p>
        </div>
        {!isGuest && (
          <>
            <MuteButton kind="conversation" mute={mute} />
            <DialogButton
              label="Share by a link"
              test="share"
              dialog={(close) => (
                <ShareDialog {...{ client, name }} scope={me.scope} target={{ conversation: key }} onClose={close} />
              )}
            >
              <ShareIcon />
            </DialogButton>
            <DialogButton
              className="wide roomy"
              label="Export"
              test="export"
              dialog={(close) => (
                <ExportDialog
                  client={client}
                  path={`/v1/conversations/${encodeURIComponent(key)}/export`}
                  kind="conversation"
                  onClose={close}
                />
              )}
            >
              <FileOutIcon />
            </DialogButton>
          </>
        )}
        {!isGuest && (
          <button
            type="button"
            className={isShared ? 'button visibility shared' : 'button visibility'}
            onClick={() => setSettingsOpen(true)}
            aria-haspopup="dialog"
            aria-label={`${visibilityText(info.visibility)}. About this conversation`}
            title="Title, who may see it, removal…"
            data-testid="visibility"
            data-visibility={info.visibility.kind}
          >
            {isShared ? <PeopleIcon /> : <LockIcon />}
            <span className="visibility-text">{visibilityText(info.visibility)}</span>
          </button>
        )}
      </header>
      <Announcer items={items} pendingApprovals={approvals.length} phase={transcript.phase} agent={info.agent} />
      <TranscriptScroll
        entries={entries}
        render={render}
        loading={transcript.phase === 'past'}
        loadingOlder={transcript.loadingOlder}
        hasOlder={state !== undefined && state.earlier !== null}
        endLabel={approvals.length > 0 ? 'Approval needed' : undefined}
        onOlder={() => following.current?.older()}
        onTrim={() => following.current?.trim()}
        empty={
          <div className="talk-empty">
            <p>No messages yet.</p>
          </div>
        }
      />
      <div className="notices" aria-live="polite" data-testid="notices">
        {linkNotice}
        {transcript.error !== undefined && (
          <ErrorNotice
            error={transcript.error}
            {...(transcript.phase === 'over'
              ? {}
              : { onClose: () => setTranscript((before) => ({ ...before, error: undefined })) })}
          />
        )}
        {transcript.isDeleted && (
          <Notice about="deleted" tone="warn">
            This conversation was removed.
          </Notice>
        )}
        {info.lease !== null && (
          <Notice about="lease" tone="plain">
            {person(info.lease.holder)} is the only one who may write now.
          </Notice>
        )}
      </div>
      <div className="talk-foot">
        <Queue
          queue={queue}
          user={me.user}
          acts={
            maySteer
              ? {
                  edit: (id, text) => handle.edit(id, text),
                  cancel: (id) => handle.cancel(id),
                  stopAll: () => handle.abort(),
                }
              : undefined
          }
        />
        {mayWrite && transcript.phase !== 'over' ? (
          <Composer
            conversation={key}
            agent={oneLine(info.agent, 40)}
            steer={maySteer ? info.steer : info.steer.filter((mode) => mode !== 'interrupt')}
            working={isWorking}
            onSend={({ text, ...options }: OutgoingMessage) => handle.send(text, options).receipt}
            onStop={maySteer ? () => handle.abort(run ?? undefined) : undefined}
          />
        ) : (
          <p className="watching-only" data-testid="watching-only">
            <ViewIcon /> {readOnlyText(me, info, isGuest)}
          </p>
        )}
      </div>
      {isSettingsOpen && (
        <ConversationSettings
          info={info}
          user={me.user}
          acts={
            mayChange
              ? {
                  change: (change) => handle.update(change),
                  remove: async () => {
                    await handle.delete();
                    onRemoved();
                  },
                }
              : undefined
          }
          onClose={() => setSettingsOpen(false)}
        />
      )}
    </main>
  );
}

const NOTHING: readonly ConversationItem[] = [];

function readOnlyText(me: Me, info: ConversationInfo, isGuest: boolean): string {
  if (isGuest && !allows(me.scope, 'input')) return 'You are watching: this link is for looking, not for writing.';
  if (!allows(me.scope, 'input')) return 'You are watching: this login may look, and not write (scope view).';
  if (!info.mine && !isGuest) {
    return info.owner === null
      ? 'You are watching: a channel began this conversation.'
      : `You are watching: this conversation is ${oneLine(info.owner, 40)}’s.`;
  }
  return 'Nothing can be sent here any more.';
}

/** Pairs an item with its key, for the list and for finding the item again when older ones are put before it. */
function entryOf(item: ConversationItem, at: number): { readonly key: string; readonly item: ConversationItem } {
  if (item.kind === 'message') return { key: `m-${item.message.id}`, item };
  if (item.kind === 'answer') return { key: `a-${item.run}`, item };
  return { key: item.kind === 'note' ? `n-${item.at}-${item.text.slice(0, 40)}` : `g-${at}`, item };
}

function turnOf(item: ConversationItem, context: TurnContext): ReactNode {
  switch (item.kind) {
    case 'message':
      return <MessageTurn message={item.message} context={context} />;
    case 'answer':
      return <AnswerTurn answer={item} context={context} />;
    case 'note':
      return <NoteTurn text={item.text} by={item.by} at={item.at} />;
    case 'gap':
      return (
        <p className="turn-gap" role="note" data-testid="gap">
          {item.reason === 'retention' ? 'What was here is no longer kept.' : 'What was here is damaged, and left out.'}
        </p>
      );
    default:
      return null; // a newer client has items that this page cannot draw
  }
}

interface AnnouncerProps {
  readonly items: readonly ConversationItem[];
  /** Number of requests that wait for an answer. */
  readonly pendingApprovals: number;
  readonly phase: TranscriptState['phase'];
  readonly agent: string;
}

// Maximum characters that are announced: nobody listens to more, and the text itself is there to be read.
const SPOKEN_CHARACTERS = 400;

/** Announces to screen readers a finished answer, not each word, and a new request. */
function Announcer({ items, pendingApprovals, phase, agent }: AnnouncerProps) {
  const [announcement, setAnnouncement] = useState('');
  const running = useRef<ReadonlySet<string>>(new Set());
  const announcedApprovals = useRef(0);
  useEffect(() => {
    if (phase !== 'live') return;
    const ended = items.findLast(
      (item): item is Answer => item.kind === 'answer' && item.end !== null && running.current.has(item.run),
    );
    running.current = new Set(items.flatMap((item) => (item.kind === 'answer' && item.end === null ? [item.run] : [])));
    if (ended !== undefined) setAnnouncement(endOf(ended, agent));
    if (pendingApprovals > announcedApprovals.current) setAnnouncement(`${agent} asks for approval.`);
    announcedApprovals.current = pendingApprovals;
  }, [items, pendingApprovals, phase, agent]);
  return (
    <p className="sr-only" role="status" aria-live="polite" data-testid="status">
      {announcement}
    </p>
  );
}

function endOf({ end, text, startedAt, endedAt }: Answer, agent: string): string {
  const how = end === null ? undefined : runEndText(end, runMs({ startedAt, endedAt }));
  const spoken = oneLine(text.replace(/\s+/g, ' '), SPOKEN_CHARACTERS);
  return [`${agent}:`, spoken, how].filter(Boolean).join(' ');
}
