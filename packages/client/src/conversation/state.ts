// What a conversation looks like after what was heard of it: messages, answers, the queue, open questions. Pure.

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

/** What of a ConversationInfo does not change with each event. */
export type ConversationFacts = Omit<ConversationInfo, 'position' | 'run' | 'queue' | 'approvals' | 'usage'>;

export type ConversationItem =
  /** Of a person or a channel, once the agent has it or it was cancelled. What waits is in the queue. */
  | { readonly kind: 'message'; readonly message: MessageInfo }
  | Answer
  | { readonly kind: 'note'; readonly at: number; readonly text: string; readonly by: Author }
  /** Events that were here are not kept any more, or are damaged. */
  | { readonly kind: 'gap'; readonly reason: 'retention' | 'damaged' };

export interface ConversationState {
  readonly info: ConversationFacts;
  /** Behind the last event that is in here. */
  readonly position: string;
  /** In the order in which the agent had them. */
  readonly items: readonly ConversationItem[];
  /** Messages that wait for their turn, in order. */
  readonly queue: readonly MessageInfo[];
  /** Requests that wait for somebody's answer, in the order in which they were asked. */
  readonly approvals: readonly Approval[];
  /** The run that is under way; its answer is among the items. */
  readonly run: string | null;
  /** Pass as `before` for the page before these items; null at the beginning, undefined until a page was added. */
  readonly earlier: string | null | undefined;
}

/** `position` is behind the last of the events: an `events` of a feed, or a frame. */
export interface EventBatch {
  readonly position: string;
  readonly events: readonly ConversationEvent[];
}

/** Something that a feed told, see `Conversation.subscribe`. */
export type ConversationStep =
  | ({ readonly type: 'events' } & EventBatch)
  | { readonly type: 'gap'; readonly position: string; readonly reason: 'retention' | 'damaged' }
  | { readonly type: 'following' | 'reconnected'; readonly position: string; readonly info: ConversationInfo }
  | { readonly type: 'deleted' };

/**
 * What is known before the first event. `from`: where the events begin that will be reduced. Default: at the info's own
 * position, so that the run under way is there with what it has said so far. From an earlier position the events tell it.
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
 * The state after more events, the same however they were cut into batches and adjacent deltas were joined. A batch that
 * is not behind the state's position was there before, and changes nothing.
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

/** What else is known of it by a later info (a `conversation` change): the lease, the title, who may see it. */
export function withInfo(state: ConversationState, info: ConversationInfo): ConversationState {
  const { position, run, queue, approvals, usage, ...facts } = info;
  return { ...state, info: facts };
}

/** Puts a page of history before the items. What is here already stays as it is. */
export function withHistory(state: ConversationState, page: MessagePage): ConversationState {
  const isKnown = known(state);
  // Behind the first that is known there is only what the events tell better, now or soon.
  const firstKnown = page.messages.findIndex(isKnown);
  const fresh = firstKnown < 0 ? page.messages : page.messages.slice(0, firstKnown);
  const items = fresh
    .filter((message) => message.state !== 'queued')
    .map(
      (message): ConversationItem => (message.role === 'assistant' ? answerOfMessage(message) : messageItem(message)),
    );
  return { ...state, items: [...items, ...state.items], earlier: page.before };
}

/** Lets go of all but the last `count` items; `withHistory` brings them back, from a page that is asked for anew. */
export function withoutOldest(state: ConversationState, count: number): ConversationState {
  if (state.items.length <= count) return state;
  return { ...state, items: state.items.slice(-count), earlier: undefined };
}

/** The answer of a run, if it is among the items. */
export function answerOf(state: ConversationState, run: string): Answer | undefined {
  return state.items.findLast((item): item is Answer => item.kind === 'answer' && item.run === run);
}

const messageItem = (message: MessageInfo): ConversationItem => ({ kind: 'message', message });

/** What interrupts comes before what waits, behind what interrupted before. */
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

/** One batch: copies what it changes once, not once an event. */
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
    // Of deltas only the text counts: joined ones have one time.
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
        // Told once more from its beginning, it is what is told.
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

  /** It began the run, or was handed into it: then it is shown where the answer was by then. */
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

  /** Of a run that is under way. Nothing comes behind its end. */
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
