// The answer of an agent in one run, as it is shown: text, thoughts, tool calls and approvals in their order. Pure.

import {
  type Approval,
  type ApprovalAnswer,
  type Author,
  type ConversationRun,
  type EndEvent,
  type MessageInfo,
  type RunEnd,
  retryOf,
  type SilenceInfo,
  type ToolCall,
  type Usage,
} from '@binnacle/protocol';

/**
 * A part of an answer, in the order in which it came: text or thoughts, a tool call, a request for approval (`answer`
 * is null while it waits), a message that was injected into the run, or other news of the agent (`plan`, `mode`,
 * `status`, `note`; the latest of each name, of `note` all).
 */
export type AnswerPart =
  /** Never empty. What comes behind a tool call, or another stream, is another part. */
  | { readonly kind: 'said' | 'thought'; readonly text: string }
  /** The present state of a tool call, at the place where it began. */
  | { readonly kind: 'tool'; readonly tool: ToolCall }
  /** `answer`: null while it waits. */
  | { readonly kind: 'approval'; readonly approval: Approval; readonly answer: ApprovalAnswer | null }
  /** A message that was handed into the run. */
  | { readonly kind: 'message'; readonly message: MessageInfo }
  /** `plan`, `mode`, `status`: the latest of each name, where it first came. `note`: all of them. */
  | { readonly kind: 'agent'; readonly name: string; readonly data: unknown };

/** Answer of an agent in one run. */
export interface Answer {
  /** `answer`. */
  readonly kind: 'answer';
  /** Id of the run. A conversation has one answer per run. */
  readonly run: string;
  /** State of the run. */
  readonly state: 'running' | RunEnd['state'];
  /** Everything that was said: the `said` parts, joined. */
  readonly text: string;
  /** The parts in the order in which they came. A tool call stays where it began. */
  readonly parts: readonly AnswerPart[];
  /** Author of the message; null if the beginning of the run is not known. */
  readonly by: Author | null;
  /** Unix time in milliseconds; null if not known. */
  readonly startedAt: number | null;
  /** Unix time in milliseconds; null while it runs, or if not known. */
  readonly endedAt: number | null;
  /** The gateway's last report that nothing comes; null when something has come since. */
  readonly silence: SilenceInfo | null;
  /** How the run ended; null while it runs. */
  readonly end: RunEnd | null;
  /** Tokens and cost of the run; null if the agent reported none. */
  readonly usage: Usage | null;
}

/** Returns the answer of a run whose beginning is not known. */
export const unheard = (run: string): Answer => ({
  kind: 'answer',
  run,
  state: 'running',
  text: '',
  parts: [],
  by: null,
  startedAt: null,
  endedAt: null,
  silence: null,
  end: null,
  usage: null,
});

export function answerOfRun(run: ConversationRun): Answer {
  const { id, by, startedAt, endedAt, end, usage, text, silence = null } = run;
  const answer: Answer = { ...unheard(id), by, startedAt, endedAt, end, usage, state: end?.state ?? 'running' };
  return { ...withDelta(answer, 'said', text, false), silence };
}

/** Returns an answer from a page of history, which has only its text. */
export function answerOfMessage(message: MessageInfo): Answer {
  const state = message.ended ?? 'final';
  const answer: Answer = {
    ...unheard(message.run ?? message.id),
    state,
    endedAt: message.at,
    usage: message.usage ?? null,
  };
  return withDelta(answer, 'said', message.text, false);
}

export function withDelta(answer: Answer, stream: 'said' | 'thought', text: string, replace: boolean): Answer {
  if (text === '' && !replace) return answer;
  // A text that takes the place of all that was said comes where it was said: at the end. Were it put where the old one
  // began, what follows would be put elsewhere when both come as one delta.
  const remaining = replace ? answer.parts.filter((part) => part.kind !== stream) : answer.parts;
  const last = remaining.at(-1);
  let parts = remaining;
  if (text !== '') {
    parts =
      last?.kind === stream
        ? [...remaining.slice(0, -1), { kind: stream, text: last.text + text }]
        : [...remaining, { kind: stream, text }];
  }
  if (stream === 'thought') return { ...answer, parts };
  return { ...answer, parts, text: replace ? text : answer.text + text };
}

export const withTool = (answer: Answer, tool: ToolCall): Answer =>
  withPart(answer, { kind: 'tool', tool }, (part) => part.kind === 'tool' && part.tool.id === tool.id);

export function withAgent(answer: Answer, name: string, data: unknown, at: number): Answer {
  // A retry belongs to the silence, and usage to the whole answer: neither is a part of it.
  const retry = name === 'retry' ? retryOf(data) : undefined;
  if (retry !== undefined) return withSilence(answer, { at, silentMs: 0, waitsFor: { kind: 'model', retry } });
  if (name === 'usage' && typeof data === 'object' && data !== null) return { ...answer, usage: data as Usage };
  return withPart(
    answer,
    { kind: 'agent', name, data },
    (part) => part.kind === 'agent' && part.name === name && name !== 'note',
  );
}

export const withMessage = (answer: Answer, message: MessageInfo): Answer =>
  withPart(answer, { kind: 'message', message }, (part) => part.kind === 'message' && part.message.id === message.id);

export function withApproval(answer: Answer, approval: Approval, reply: ApprovalAnswer | null): Answer {
  return withPart(answer, { kind: 'approval', approval, answer: reply }, (part) => isApproval(part, approval.id));
}

export function withApprovalAnswer(answer: Answer, id: string, reply: ApprovalAnswer): Answer {
  const approvalPart = answer.parts.find((part) => isApproval(part, id));
  return approvalPart?.kind === 'approval' ? withApproval(answer, approvalPart.approval, reply) : answer;
}

export function withSilence(answer: Answer, { at, silentMs, waitsFor, isLong }: SilenceInfo): Answer {
  return { ...answer, silence: { at, silentMs, waitsFor, ...(isLong === undefined ? {} : { isLong }) } };
}

/**
 * Returns the answer with its end. The text of the end is complete, so that deltas which were not received are there
 * now.
 */
export function withEnd(answer: Answer, event: EndEvent): Answer {
  const whole = event.text === answer.text ? answer : withDelta(answer, 'said', event.text, true);
  const usage = event.type === 'final' ? (event.usage ?? answer.usage) : answer.usage;
  return { ...whole, state: event.type, end: endOf(event), endedAt: event.at, usage, silence: null };
}

function endOf(event: EndEvent): RunEnd {
  switch (event.type) {
    case 'final':
      return event.stopReason === undefined ? { state: 'final' } : { state: 'final', stopReason: event.stopReason };
    case 'error':
      return { state: 'error', error: event.error };
    case 'aborted':
      return { state: 'aborted', via: event.via, by: event.by };
  }
}

function isApproval(part: AnswerPart, id: string): boolean {
  return part.kind === 'approval' && part.approval.id === id;
}

/** In the place of the one that it is another state of, else at the end. */
function withPart(answer: Answer, part: AnswerPart, isSame: (other: AnswerPart) => boolean): Answer {
  const at = answer.parts.findIndex(isSame);
  return { ...answer, parts: at < 0 ? [...answer.parts, part] : answer.parts.with(at, part) };
}
