// The state of a conversation after a number of events: messages, answers, the queue, pending approvals. Pure.

import {
  type Approval,
  type Author,
  type ConversationEvent,
  type ConversationInfo,
  isEndEvent,
  type MessageInfo,
  type MessagePage,
} from './conversation.ts';
import { type Answer, answerAfter, answerOfMessage, answerOfRun, unheard, withMessage } from './conversation-answer.ts';
import { approvalsAfter, factsAfter, messageAfter, queueAfter } from './conversation-fold.ts';
import { comparePositions, parsePosition } from './position.ts';

/** The part of a `ConversationInfo` that does not change with each event. */
export type ConversationFacts = Omit<ConversationInfo, 'position' | 'run' | 'queue' | 'approvals' | 'usage'>;

/**
 * An item of a conversation: a message that the agent has or that was cancelled (waiting ones are in the queue), an
 * answer, a note, or a gap where events are gone.
 */
export type ConversationItem =
  /** Message of a person or a channel, once the agent has it or it was cancelled. Waiting ones are in the queue. */
  | { readonly kind: 'message'; readonly message: MessageInfo }
  | Answer
  | { readonly kind: 'note'; readonly at: number; readonly text: string; readonly by: Author }
  /** Events that were here are not kept any more, or are damaged. */
  | { readonly kind: 'gap'; readonly reason: 'retention' | 'damaged' };

/** The state of a conversation after a number of events. */
export interface ConversationState {
  /** Owner, title, visibility and other facts. */
  readonly info: ConversationFacts;
  /** Position behind the last event of this state. */
  readonly position: string;
  /** Items in the order in which the agent got them. */
  readonly items: readonly ConversationItem[];
  /** Waiting messages, in order. */
  readonly queue: readonly MessageInfo[];
  /** Pending requests for approval, oldest first. */
  readonly approvals: readonly Approval[];
  /** Id of the current run, whose answer is among the items; null if there is none. */
  readonly run: string | null;
  /** The `before` of the page in front of these items; null at the beginning, undefined until a page was added. */
  readonly earlier: string | null | undefined;
}

/** Events with the position behind the last of them. */
export interface EventBatch {
  /** Position behind the last event. */
  readonly position: string;
  /** Events in the order of the log. */
  readonly events: readonly ConversationEvent[];
}

/**
 * A step of a feed: events, a gap, the begin of following (`following`, `reconnected`), or the deletion of the
 * conversation.
 */
export type ConversationStep =
  | ({ readonly type: 'events' } & EventBatch)
  | { readonly type: 'gap'; readonly position: string; readonly reason: 'retention' | 'damaged' }
  | { readonly type: 'following' | 'reconnected'; readonly position: string; readonly info: ConversationInfo }
  | { readonly type: 'deleted' };

/**
 * Returns the state before the first event. `from` is where the events to reduce begin. Default: the position of
 * `info`, so that the current run is there with what it has said so far.
 */
export function emptyConversation(info: ConversationInfo, from: string = info.position): ConversationState {
  const { position, run, queue, approvals, usage, ...facts } = info;
  const isNow = from === position && run !== null;
  return {
    info: facts,
    position: from,
    items: isNow ? [answerOfRun(run)] : [],
    queue,
    approvals,
    run: isNow ? run.id : null,
    earlier: undefined,
  };
}

/**
 * Returns the state after a step. Pure. The result does not depend on how events are cut into batches or adjacent
 * deltas are joined, and a batch that is not behind the state's position changes nothing.
 *
 * @example
 * ```ts
 * import { answerOf, emptyConversation, reduceConversation } from '@binnacle/client';
 *
 * const info = await conversation.info();
 * let state = emptyConversation(info);
 * for await (const step of conversation.subscribe(info.position)) {
 *   state = reduceConversation(state, step);
 *   if (state.run !== null) console.log(answerOf(state, state.run)?.text);
 * }
 * ```
 */
export function reduceConversation(state: ConversationState, step: EventBatch | ConversationStep): ConversationState {
  if (!('type' in step) || step.type === 'events') {
    if (!isBehind(step.position, state.position)) return state;
    return { ...conversationAfter(state, step.events), position: step.position };
  }
  switch (step.type) {
    case 'gap': {
      if (!isBehind(step.position, state.position)) return state;
      const items = [...state.items, { kind: 'gap' as const, reason: step.reason }];
      return { ...state, items, position: step.position };
    }
    case 'following':
    case 'reconnected':
      return withInfo(state, step.info);
    case 'deleted':
      return state;
  }
}

/** Returns the state after events that follow it, at the same position: for events that are shown one by one. */
export function conversationAfter(state: ConversationState, events: readonly ConversationEvent[]): ConversationState {
  const draft = new Draft(state);
  for (const event of events) draft.add(event);
  return draft.state;
}

/** Returns the state with a later `ConversationInfo`: lease, title, visibility. */
export function withInfo(state: ConversationState, info: ConversationInfo): ConversationState {
  const { position, run, queue, approvals, usage, ...facts } = info;
  return { ...state, info: facts };
}

/** Returns the state with a page of history in front. Items that are there already stay as they are. */
export function withHistory(state: ConversationState, page: MessagePage): ConversationState {
  const isKnown = known(state);
  // Behind the first known message the events have more detail than the page.
  const firstKnown = page.messages.findIndex(isKnown);
  const fresh = firstKnown < 0 ? page.messages : page.messages.slice(0, firstKnown);
  const items = fresh
    .filter((message) => message.state !== 'queued')
    .map(
      (message): ConversationItem => (message.role === 'assistant' ? answerOfMessage(message) : messageItem(message)),
    );
  return { ...state, items: [...items, ...state.items], earlier: page.before };
}

/** Returns the state with its last `count` items. `withHistory` brings the others back from a new page. */
export function withoutOldest(state: ConversationState, count: number): ConversationState {
  if (state.items.length <= count) return state;
  return { ...state, items: state.items.slice(-count), earlier: undefined };
}

/** Returns the answer of a run if it is among the items. */
export function answerOf(state: Pick<ConversationState, 'items'>, run: string): Answer | undefined {
  return state.items.findLast((item): item is Answer => item.kind === 'answer' && item.run === run);
}

const messageItem = (message: MessageInfo): ConversationItem => ({ kind: 'message', message });

/** In another life of the log everything is new. */
function isBehind(position: string, than: string): boolean {
  const [a, b] = [parsePosition(position), parsePosition(than)];
  return a.epoch !== b.epoch || comparePositions(a, b) > 0;
}

function known(state: ConversationState): (message: MessageInfo) => boolean {
  const messages = new Set(state.queue.map(({ id }) => id));
  const runs = new Set<string>();
  for (const item of state.items) {
    if (item.kind === 'message') messages.add(item.message.id);
    if (item.kind !== 'answer') continue;
    runs.add(item.run);
    for (const part of item.parts) if (part.kind === 'message') messages.add(part.message.id);
  }
  return (message) => (message.role === 'assistant' ? runs.has(message.run ?? '') : messages.has(message.id));
}

/** Applies one batch: copies the items once per batch, not once per event. */
class Draft {
  readonly #before: ConversationState;
  readonly #items: ConversationItem[];
  #queue: readonly MessageInfo[];
  #approvals: readonly Approval[];
  #info: ConversationFacts;
  #run: string | null;

  constructor(state: ConversationState) {
    this.#before = state;
    this.#items = [...state.items];
    this.#queue = state.queue;
    this.#approvals = state.approvals;
    this.#info = state.info;
    this.#run = state.run;
  }

  get state(): ConversationState {
    const items = this.#items;
    return {
      ...this.#before,
      items,
      queue: this.#queue,
      approvals: this.#approvals,
      info: this.#info,
      run: this.#run,
    };
  }

  add(event: ConversationEvent): void {
    const facts = factsAfter(this.#info, event);
    // A reader that begins at an earlier position knows of later changes already.
    this.#info = { ...facts, updatedAt: Math.max(this.#info.updatedAt, facts.updatedAt) };
    this.#approvals = approvalsAfter(this.#approvals, event);
    switch (event.type) {
      case 'message':
        this.#message(event.message, event);
        return;
      case 'message_edited':
        this.#queue = queueAfter(this.#queue, event);
        return;
      case 'message_cancelled':
      case 'message_delivered':
        this.#leaveQueue(event);
        return;
      case 'run_started': {
        const { at, run } = event;
        this.#leaveQueue({ type: 'message_delivered', at, id: run.id, run: run.id });
        this.#run = run.id;
        // A run that begins again replaces what was known of it.
        this.#put(this.#at(run.id), answerOfRun({ ...run, text: '' }));
        return;
      }
      case 'run_allowed':
      case 'delta':
      case 'tool':
      case 'agent':
      case 'silent':
      case 'approval':
      case 'approval_answered':
      case 'final':
      case 'error':
      case 'aborted':
        this.#answer(event);
        return;
      case 'note': {
        const { at, text, by } = event;
        this.#items.push({ kind: 'note', at, text, by });
        return;
      }
      case 'changed':
        return;
      default:
        return; // of a later version
    }
  }

  #message(message: MessageInfo, event: ConversationEvent): void {
    if (message.role === 'assistant') {
      if (this.#at(message.run ?? message.id) < 0) this.#items.push(answerOfMessage(message));
      return;
    }
    const at = this.#items.findLastIndex((item) => item.kind === 'message' && item.message.id === message.id);
    // History has it as delivered or cancelled, if the events begin before the history ends.
    const isOld = message.state === 'queued' && at >= 0 && !this.#queue.some(({ id }) => id === message.id);
    if (!isOld) this.#queue = queueAfter(this.#queue, event);
    if (message.state !== 'queued') this.#put(at, messageItem(message));
  }

  /** Places a message: one that was injected into a run stands where the answer was by then. */
  #leaveQueue(event: Extract<ConversationEvent, { readonly type: 'message_cancelled' | 'message_delivered' }>): void {
    const waiting = this.#queue.find(({ id }) => id === event.id);
    if (waiting === undefined) return;
    this.#queue = queueAfter(this.#queue, event);
    const message = messageAfter(waiting, event);
    const at = message.run === null || message.run === message.id ? -1 : this.#at(message.run);
    const answer = this.#items[at];
    if (answer?.kind === 'answer') this.#put(at, withMessage(answer, message));
    else this.#items.push(messageItem(message));
  }

  /** Folds an event into the answer of its run, whose beginning may be unknown. */
  #answer(event: Extract<ConversationEvent, { readonly run: string }>): void {
    const { run } = event;
    const at = this.#at(run);
    const item = this.#items[at];
    if (item === undefined && event.type === 'approval_answered') return;
    const answer = answerAfter(item?.kind === 'answer' ? item : unheard(run), event);
    if (isEndEvent(event)) this.#run = this.#run === run ? null : this.#run;
    else if (answer.state === 'running') this.#run = run;
    this.#put(at, answer);
  }

  #put(at: number, item: ConversationItem): void {
    if (at < 0) this.#items.push(item);
    else this.#items[at] = item;
  }

  /** Returns where the answer of a run is; -1 if it is not there. */
  #at(run: string): number {
    return this.#items.findLastIndex((item) => item.kind === 'answer' && item.run === run);
  }
}
