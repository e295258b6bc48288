// The state of a conversation after a number of events: messages, answers, the queue, pending approvals. Pure.

import {
  type Approval,
  type Author,
  type ConversationEvent,
  type ConversationInfo,
  comparePositions,
  type EndEvent,
  endsSilence,
  isEndEvent,
  type MessageInfo,
  type MessagePage,
  parsePosition,
} from '@binnacle/protocol';
import {
  type Answer,
  answerOfMessage,
  answerOfRun,
  unheard,
  withAgent,
  withApproval,
  withApprovalAnswer,
  withDelta,
  withEnd,
  withMessage,
  withSilence,
  withTool,
} from './answer.ts';

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
    const draft = new Draft(state);
    for (const event of step.events) draft.add(event);
    return draft.done(step.position);
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

/** Puts an interrupting message in front of waiting ones, behind earlier interrupting ones. */
function enqueued(queue: readonly MessageInfo[], message: MessageInfo): readonly MessageInfo[] {
  const at = message.steer === 'interrupt' ? queue.findIndex(({ steer }) => steer !== 'interrupt') : -1;
  return at < 0 ? [...queue, message] : queue.toSpliced(at, 0, message);
}

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

/** Applies one batch: copies each changed part once per batch, not once per event. */
class Draft {
  private readonly before: ConversationState;
  private readonly items: ConversationItem[];
  private queue: readonly MessageInfo[];
  private approvals: readonly Approval[];
  private info: ConversationFacts;
  private run: string | null;

  constructor(state: ConversationState) {
    this.before = state;
    this.items = [...state.items];
    this.queue = state.queue;
    this.approvals = state.approvals;
    this.info = state.info;
    this.run = state.run;
  }

  done(position: string): ConversationState {
    const { before, items, queue, approvals, info, run } = this;
    return { ...before, items, queue, approvals, info, run, position };
  }

  add(event: ConversationEvent): void {
    // Joined deltas have one time, so only their text counts.
    if (event.type !== 'delta' && event.type !== 'silent')
      this.info = { ...this.info, updatedAt: Math.max(this.info.updatedAt, event.at) };
    if (isEndEvent(event)) {
      this.end(event);
      return;
    }
    switch (event.type) {
      case 'message':
        this.message(event.message);
        return;
      case 'message_edited':
        this.queue = this.queue.map((message) =>
          message.id === event.id ? { ...message, text: event.text } : message,
        );
        return;
      case 'message_cancelled':
        this.leaveQueue(event.id, (message) =>
          this.items.push(messageItem({ ...message, state: 'cancelled', run: null })),
        );
        return;
      case 'message_delivered':
        this.deliver(event.id, event.run);
        return;
      case 'run_started': {
        const { run } = event;
        this.deliver(run.id, run.id);
        this.run = run.id;
        // A run that begins again replaces what was known of it.
        this.change(run.id, () => answerOfRun({ ...run, text: '' }));
        return;
      }
      case 'delta':
        this.goOn(event, (answer) => withDelta(answer, event.stream, event.text, event.replace === true));
        return;
      case 'tool':
        this.goOn(event, (answer) => withTool(answer, event.tool));
        return;
      case 'agent':
        this.goOn(event, (answer) => withAgent(answer, event.name, event.data, event.at));
        return;
      case 'silent':
        this.goOn(event, (answer) => withSilence(answer, event));
        return;
      case 'approval': {
        const { approval } = event;
        this.approvals = [...this.approvals.filter(({ id }) => id !== approval.id), approval];
        this.goOn(event, (answer) => withApproval(answer, approval, null));
        return;
      }
      case 'approval_answered':
        this.approvals = this.approvals.filter(({ id }) => id !== event.id);
        this.changeKnown(event.run, (answer) =>
          withApprovalAnswer({ ...answer, silence: null }, event.id, event.answer),
        );
        return;
      case 'note': {
        const { at, text, by } = event;
        this.items.push({ kind: 'note', at, text, by });
        return;
      }
      case 'changed': {
        const { title = this.info.title, visibility = this.info.visibility } = event;
        this.info = { ...this.info, title, visibility };
        return;
      }
      default:
        return; // of a later version
    }
  }

  private message(message: MessageInfo): void {
    if (message.role === 'assistant') {
      if (this.at(message.run ?? message.id) < 0) this.items.push(answerOfMessage(message));
      return;
    }
    if (message.state === 'queued') {
      if (this.queue.some(({ id }) => id === message.id)) {
        this.queue = this.queue.map((other) => (other.id === message.id ? message : other));
      } else if (this.atMessage(message.id) < 0) {
        this.queue = enqueued(this.queue, message);
      }
      return;
    }
    this.queue = this.queue.filter(({ id }) => id !== message.id);
    const at = this.atMessage(message.id);
    if (at < 0) this.items.push(messageItem(message));
    else this.items[at] = messageItem(message);
  }

  /** Places a delivered message: one that was injected into a run stands where the answer was by then. */
  private deliver(id: string, run: string): void {
    this.leaveQueue(id, (waiting) => {
      const message: MessageInfo = { ...waiting, state: 'delivered', run };
      if (run === id || this.at(run) < 0) this.items.push(messageItem(message));
      else this.changeKnown(run, (answer) => withMessage({ ...answer, silence: null }, message));
    });
  }

  private leaveQueue(id: string, then: (message: MessageInfo) => void): void {
    const message = this.queue.find((waiting) => waiting.id === id);
    if (message === undefined) return;
    this.queue = this.queue.filter((waiting) => waiting.id !== id);
    then(message);
  }

  private end(event: EndEvent): void {
    if (this.run === event.run) this.run = null;
    this.approvals = this.approvals.filter(({ run }) => run !== event.run);
    this.change(event.run, (answer) => withEnd(answer ?? unheard(event.run), event));
  }

  /** Changes the answer of the current run. Nothing comes behind its end. */
  private goOn(event: Extract<ConversationEvent, { readonly run: string }>, change: (answer: Answer) => Answer): void {
    const { run } = event;
    const at = this.at(run);
    const there = at < 0 ? undefined : this.items[at];
    if (there?.kind === 'answer' && there.state !== 'running') return;
    this.run = run;
    this.change(run, (answer = unheard(run)) => {
      const next = change(answer);
      return next.silence !== null && endsSilence(event) ? { ...next, silence: null } : next;
    });
  }

  private changeKnown(run: string, change: (answer: Answer) => Answer): void {
    this.change(run, (answer) => (answer === undefined ? undefined : change(answer)));
  }

  private change(run: string, change: (answer: Answer | undefined) => Answer | undefined): void {
    const at = this.at(run);
    const there = at < 0 ? undefined : this.items[at];
    const answer = change(there?.kind === 'answer' ? there : undefined);
    if (answer === undefined) return;
    if (at < 0) this.items.push(answer);
    else this.items[at] = answer;
  }

  private at(run: string): number {
    return this.items.findLastIndex((item) => item.kind === 'answer' && item.run === run);
  }

  private atMessage(id: string): number {
    return this.items.findLastIndex((item) => item.kind === 'message' && item.message.id === id);
  }
}
