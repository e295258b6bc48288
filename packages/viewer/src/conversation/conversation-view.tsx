// The page of one conversation: header, transcript, queue and composer.

import {
  type Answer,
  answerOf,
  type Binnacle,
  type Conversation,
  type ConversationItem,
  type Me,
} from '@binnacle/client';
import { type ConversationOptions, type UsedConversation, useConversation } from '@binnacle/client/react';
import { allows, type BinnacleError, type ConversationInfo, type MessageInfo } from '@binnacle/protocol';
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { conversationTitle } from '../model/conversations.ts';
import { oneLine, person } from '../model/format.ts';
import { ViewIcon } from '../ui/icons.tsx';
import { ErrorNotice, Notice } from '../ui/notices.tsx';
import { Composer, type OutgoingMessage } from './composer.tsx';
import { ConversationHeader } from './conversation-header.tsx';
import { runEndText, runMs } from './format.ts';
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
  const { client, info, me, onRemoved } = props;
  const isGuest = props.guest === true;
  const { key } = info;
  const followed = useConversation(key, FOLLOW);
  const { turns } = followed;
  // The conversation's own state is newer than the list's.
  const known = followed.info === undefined ? undefined : followed;
  const phase = phaseOf(followed);
  const handle = useMemo(() => client.conversation(key), [client, key]);
  const [isSettingsOpen, setSettingsOpen] = useState(false);
  /** Why older turns could not be loaded. */
  const [problem, setProblem] = useState<BinnacleError>();
  const rights = rightsOf(me, info, isGuest);
  const context = useTurnContext(props, rights.maySteer ? handle : undefined);
  const entries = useMemo(() => turns.map(entryOf), [turns]);
  const render = useCallback((item: ConversationItem) => turnOf(item, context), [context]);

  const run = known === undefined ? (info.run?.id ?? null) : known.run;
  const { queue, approvals } = known ?? info;
  const silence = run === null ? undefined : answerOf({ items: turns }, run)?.silence;
  const name = conversationTitle(info);

  return (
    <main
      className="main"
      aria-label={`Conversation ${name}`}
      data-testid="conversation-view"
      data-conversation={key}
      data-phase={phase}
      data-working={run !== null}
    >
      <ConversationHeader
        {...{ client, info, me, isGuest, name }}
        menu={props.menu}
        now={{ run: run === null ? null : { silence }, queue, approvals }}
        onSettings={() => setSettingsOpen(true)}
      />
      <Announcer items={turns} pendingApprovals={approvals.length} phase={phase} agent={info.agent} />
      <TranscriptScroll
        entries={entries}
        render={render}
        loading={phase === 'past'}
        loadingOlder={followed.isLoadingOlder}
        hasOlder={followed.hasOlder}
        endLabel={approvals.length > 0 ? 'Approval needed' : undefined}
        onOlder={() => void followed.older().then((result) => !result.ok && setProblem(result.error))}
        onTrim={followed.trim}
        empty={
          <div className="talk-empty">
            <p>No messages yet.</p>
          </div>
        }
      />
      <div className="notices" aria-live="polite" data-testid="notices">
        {props.linkNotice}
        {followed.error !== undefined && <ErrorNotice error={followed.error} />}
        {problem !== undefined && <ErrorNotice error={problem} onClose={() => setProblem(undefined)} />}
        {followed.state === 'ended' && (
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
      <ConversationFoot {...{ info, me, isGuest, handle, rights, queue, run }} isOver={phase === 'over'} />
      {isSettingsOpen && (
        <ConversationSettings
          info={info}
          user={me.user}
          acts={
            rights.mayChange
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

/** Turns to keep; more stay while the reader is among them. */
const FOLLOW: ConversationOptions = { maxTurns: 200, trimming: 'manual' };

type Phase = 'past' | 'live' | 'over';

/** `past`: history is being read. `live`: reading has caught up. `over`: no more events will come. */
function phaseOf({ state, info }: UsedConversation): Phase {
  if (state === 'ended' || state === 'failed') return 'over';
  return info === undefined ? 'past' : 'live';
}

interface Rights {
  readonly maySteer: boolean;
  readonly mayWrite: boolean;
  /** May change the settings. */
  readonly mayChange: boolean;
}

function rightsOf(me: Me, info: ConversationInfo, isGuest: boolean): Rights {
  const hasInput = allows(me.scope, 'input');
  const maySteer = hasInput && info.mine;
  return {
    maySteer,
    // A guest with a link that allows typing may write; stopping, answering and changing settings need more.
    mayWrite: maySteer || (isGuest && hasInput),
    mayChange: hasInput && (me.scope === 'admin' || info.owner === me.user),
  };
}

/** Returns what turns need beside their own content. `handle`: undefined for people who may not answer. */
function useTurnContext(props: ConversationViewProps, handle: Conversation | undefined): TurnContext {
  const { client, info, me, sessions, onSession } = props;
  const onAnswer = useMemo(
    () => handle && ((approval: string, option: string) => handle.answer(approval, option)),
    [handle],
  );
  const hasSession = useCallback((id: string) => sessions.has(id), [sessions]);
  // Rounded to seconds, the shown precision: each ping measures the offset anew.
  const clockOffsetMs = Math.round((client.clockOffsetMs ?? 0) / 1000) * 1000;
  return useMemo(
    () => ({ agent: info.agent, user: me.user, clockOffsetMs, onAnswer, onSession, hasSession }),
    [info.agent, me.user, clockOffsetMs, onAnswer, onSession, hasSession],
  );
}

interface ConversationFootProps {
  readonly info: ConversationInfo;
  readonly me: Me;
  readonly isGuest: boolean;
  readonly handle: Conversation;
  readonly rights: Rights;
  readonly queue: readonly MessageInfo[];
  /** Id of the current run; null if there is none. */
  readonly run: string | null;
  readonly isOver: boolean;
}

/** The waiting messages, and the composer or why there is none. */
function ConversationFoot({ info, me, isGuest, handle, rights, queue, run, isOver }: ConversationFootProps) {
  const { maySteer } = rights;
  return (
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
      {rights.mayWrite && !isOver ? (
        <Composer
          conversation={info.key}
          agent={oneLine(info.agent, 40)}
          steer={maySteer ? info.steer : info.steer.filter((mode) => mode !== 'interrupt')}
          working={run !== null}
          onSend={({ text, ...options }: OutgoingMessage) => handle.send(text, options).receipt}
          onStop={maySteer ? () => handle.abort(run ?? undefined) : undefined}
        />
      ) : (
        <p className="watching-only" data-testid="watching-only">
          <ViewIcon /> {readOnlyText(me, info, isGuest)}
        </p>
      )}
    </div>
  );
}

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
  readonly phase: Phase;
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
