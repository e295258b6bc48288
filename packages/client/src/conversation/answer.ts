// What an agent answered in one run, as it is shown: text, thoughts, tool calls and questions in their order. Pure.

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

export type AnswerPart =
  /** Never empty. What comes behind a tool call, or another stream, is another part. */
  | { readonly kind: 'said' | 'thought'; readonly text: string }
  /** As it is now; it stays where it began. */
  | { readonly kind: 'tool'; readonly tool: ToolCall }
  /** `answer`: null while it waits. */
  | { readonly kind: 'approval'; readonly approval: Approval; readonly answer: ApprovalAnswer | null }
  /** A message that was handed into the run. */
  | { readonly kind: 'message'; readonly message: MessageInfo }
  /** `plan`, `mode`, `status`: the latest of each name, where it first came. `note`: all of them. */
  | { readonly kind: 'agent'; readonly name: string; readonly data: unknown };

export interface Answer {
  readonly kind: 'answer';
  /** Of several with one run there is one: the run is its id. */
  readonly run: string;
  readonly state: 'running' | RunEnd['state'];
  /** The whole of what was said: the `said` parts, joined. */
  readonly text: string;
  readonly parts: readonly AnswerPart[];
  /** Who sent the message; null where that was not heard. */
  readonly by: Author | null;
  /** Milliseconds since 1970; null where it was not heard. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** While nothing comes: what the gateway told of that. Null where something came. */
  readonly silence: SilenceInfo | null;
  /** Null while it runs. */
  readonly end: RunEnd | null;
  readonly usage: Usage | null;
}

/** Of a run whose beginning was not heard. */
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

/** From a page of history, which has the text only. */
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
  const kept = replace ? answer.parts.filter((part) => part.kind !== stream) : answer.parts;
  const last = kept.at(-1);
  let parts = kept;
  if (text !== '') {
    parts =
      last?.kind === stream
        ? [...kept.slice(0, -1), { kind: stream, text: last.text + text }]
        : [...kept, { kind: stream, text }];
  }
  if (stream === 'thought') return { ...answer, parts };
  return { ...answer, parts, text: replace ? text : answer.text + text };
}

export const withTool = (answer: Answer, tool: ToolCall): Answer =>
  withPart(answer, { kind: 'tool', tool }, (part) => part.kind === 'tool' && part.tool.id === tool.id);

export function withAgent(answer: Answer, name: string, data: unknown, at: number): Answer {
  // Counts, which are of the answer and stand in no place of it. The gateway tells them in this shape.
  const retry = name === 'retry' ? retryOf(data) : undefined;
  // The silence ends with the next word, and stands in no place either.
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

export function withApproval(answer: Answer, approval: Approval, given: ApprovalAnswer | null): Answer {
  return withPart(answer, { kind: 'approval', approval, answer: given }, (part) => isApproval(part, approval.id));
}

export function withApprovalAnswer(answer: Answer, id: string, given: ApprovalAnswer): Answer {
  const asked = answer.parts.find((part) => isApproval(part, id));
  return asked?.kind === 'approval' ? withApproval(answer, asked.approval, given) : answer;
}

export function withSilence(answer: Answer, { at, silentMs, waitsFor, isLong }: SilenceInfo): Answer {
  return { ...answer, silence: { at, silentMs, waitsFor, ...(isLong === undefined ? {} : { isLong }) } };
}

/** The text of the end is the whole: what was not heard of it is there now. */
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
