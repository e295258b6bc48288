// Detects when sessions and conversations begin and cease to wait, and when a long turn has ended.

import {
  type ConversationEvent,
  type ConversationRun,
  describeWait,
  type EndEvent,
  endsSilence,
  isEndEvent,
} from '@binnacle/protocol';
import type { Conversation } from '../conversations/conversation.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { Session } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { slotOf, type UserWait, type Waits } from './waits.ts';

export interface WaitWatchParts {
  readonly sessions: Pick<Sessions, 'watch'>;
  readonly conversations: Pick<Conversations, 'listen' | 'working'>;
  readonly waits: Pick<Waits, 'set' | 'forget' | 'longTurnMs'>;
  /** Called for a deleted session or conversation. */
  readonly forget: (what: Pick<UserWait, 'kind' | 'id'>) => void;
  /** Monotonic, ms. Default: the machine's. */
  readonly now?: () => number;
}

/** Watches sessions and conversations. Returns the function that ends it. */
export function watchWaits({ sessions, conversations, waits, forget, now }: WaitWatchParts): () => void {
  const turns = new TurnTimes(now);
  // An earlier gateway has notified of these.
  const isOld = new Set(conversations.working().flatMap(({ approvals }) => approvals.map(({ id }) => id)));
  /** Slot of the wait for a silent turn, by conversation. */
  const silent = new Map<string, string>();
  const handleEvent = (conversation: Conversation, event: ConversationEvent): void => {
    const { id } = conversation.record;
    const slot = silent.get(id);
    if (slot !== undefined && endsSilence(event)) {
      silent.delete(id);
      waits.set(slot, undefined);
    }
    const wait = event.type === 'silent' ? silenceIn(conversation, event) : undefined;
    if (wait === undefined) handleTurnEvent(conversation, event, waits, turns);
    else {
      silent.set(id, slotOf(wait));
      waits.set(slotOf(wait), wait);
    }
  };
  const onDelete = (kind: UserWait['kind'], id: string): void => {
    waits.forget(id);
    silent.delete(id);
    forget({ kind, id });
  };
  const undo = [
    sessions.watch({
      changed: (session) => waits.set(session.id, waitOf(session)),
      deleted: ({ id }) => onDelete('session', id),
    }),
    conversations.listen({
      changed: (conversation, events) => {
        waits.set(conversation.record.id, approvalIn(conversation, isOld));
        for (const event of events) handleEvent(conversation, event);
      },
      deleted: ({ record: { id } }) => {
        turns.forget(id);
        onDelete('conversation', id);
      },
    }),
  ];
  return () => {
    for (const end of undo) end();
  };
}

function waitOf(session: Session): UserWait | undefined {
  const { id, record } = session;
  // A hidden session must not be revealed.
  const activity = record.hidden ? null : session.info.activity;
  // The conversation reports approvals, once for all of its terminals.
  if (activity === null || activity.state !== 'waiting_input') return undefined;
  const { state, since, text } = activity;
  const mark = `${state} ${since}`;
  const isOld = session.isOldActivity;
  return { ...{ kind: 'session', id, key: id, for: null }, state, mark, since, isOld, title: record.name, text };
}

function approvalIn(conversation: Conversation, old: ReadonlySet<string>): UserWait | undefined {
  const { approvals } = conversation;
  const newest = approvals.at(-1);
  if (newest === undefined) return undefined;
  const { id, askedAt: since, title } = newest;
  return {
    ...{ ...nameOf(conversation), state: 'waiting_approval', for: null, mark: id, since, text: title },
    isOld: old.has(id),
    others: approvals.map((approval) => approval.id),
  };
}

/** Returns the wait for a silent turn; undefined if it is not long enough yet or has no user. */
function silenceIn(
  conversation: Conversation,
  { run, at, isLong, waitsFor }: Extract<ConversationEvent, { type: 'silent' }>,
): UserWait | undefined {
  const user = isLong === true ? personOf(conversation.findRun(run), conversation) : null;
  if (user === null) return undefined;
  const text = describeWait(waitsFor);
  return { ...nameOf(conversation), state: 'silent', for: user, mark: `${run} silent ${at}`, since: at, text };
}

/** Handles the start of a turn as well: a user who has sent another message knows of the end of the one before. */
function handleTurnEvent(
  conversation: Conversation,
  event: ConversationEvent,
  waits: WaitWatchParts['waits'],
  turns: TurnTimes,
): void {
  const { id } = conversation.record;
  if (event.type === 'message') turns.begin(id, event.message.id);
  // The message was added to the run of another message.
  const isInjected = event.type === 'message_delivered' && event.id !== event.run;
  if (event.type === 'message_cancelled' || isInjected) turns.cancel(id, event.id);
  const isEnd = isEndEvent(event);
  if (!isEnd && event.type !== 'run_started') return;
  const run = isEnd ? conversation.findRun(event.run) : event.run;
  const durationMs = isEnd ? turns.end(id, run.id, event.at - run.queuedAt) : 0;
  const user = personOf(run, conversation);
  if (user === null) return;
  const slot = slotOf({ id, for: user });
  const isLong = isEnd && durationMs >= waits.longTurnMs;
  const end = isLong ? endOf(event, user) : undefined;
  waits.set(
    slot,
    end && { ...nameOf(conversation), ...end, for: user, mark: `${run.id} ${end.state}`, since: event.at },
  );
}

/** Durations of turns, from message to end, independent of changes of the wall clock. */
class TurnTimes {
  readonly #now: () => number;
  /** Start times by conversation and run. */
  readonly #begun = new Map<string, Map<string, number>>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  begin(conversation: string, run: string): void {
    const begun = this.#begun.get(conversation) ?? new Map<string, number>();
    this.#begun.set(conversation, begun.set(run, this.#now()));
  }

  cancel(conversation: string, run: string): void {
    this.#take(conversation, run);
  }

  /**
   * Returns the duration. `wallClockMs`: for a turn that began in an earlier gateway. A negative value means that the
   * clock was set back, and counts as long.
   */
  end(conversation: string, run: string, wallClockMs: number): number {
    const begun = this.#take(conversation, run);
    if (begun !== undefined) return this.#now() - begun;
    return wallClockMs < 0 ? Number.POSITIVE_INFINITY : wallClockMs;
  }

  forget(conversation: string): void {
    this.#begun.delete(conversation);
  }

  #take(conversation: string, run: string): number | undefined {
    const begun = this.#begun.get(conversation);
    const at = begun?.get(run);
    begun?.delete(run);
    if (begun?.size === 0) this.#begun.delete(conversation);
    return at;
  }
}

/** Returns the user whose turn follows a run: the sender of its message, or the owner if no user sent it. */
const personOf = ({ by }: ConversationRun, { record }: Conversation): string | null => by.user ?? record.owner;

/** Returns undefined if the user ended the turn, the conversation is being deleted, or the gateway is stopping. */
function endOf(event: EndEvent, user: string): Pick<UserWait, 'state' | 'text'> | undefined {
  if (event.type === 'final') return { state: 'done', text: lastParagraph(event.text) };
  if (event.type === 'error') return { state: 'failed', text: event.error.message };
  const { via, by } = event;
  if (by.user === user || via === 'deleted' || via === 'shutdown') return undefined;
  return { state: 'stopped', text: via === 'timeout' ? 'it took too long' : `by ${by.name}` };
}

/** Returns the last paragraph, in which agents usually state the result. */
function lastParagraph(text: string): string | null {
  const whole = text.trimEnd();
  const last = whole.slice(whole.lastIndexOf('\n\n') + 1).trim();
  return last === '' ? null : last;
}

function nameOf({ record: { id, key, title, agent } }: Conversation): Pick<UserWait, 'kind' | 'id' | 'key' | 'title'> {
  return { kind: 'conversation', id, key, title: title === '' ? agent : title };
}
