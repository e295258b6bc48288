// The answer of an agent in one run, as it is shown: text, thoughts, tool calls and approvals in their order. Pure.

import {
  type Approval,
  type ApprovalAnswer,
  type Author,
  type ConversationEvent,
  type ConversationRun,
  isEndEvent,
  type MessageInfo,
  type RunEnd,
  type ToolCall,
  type Usage,
} from './conversation.ts';
import { progressAfter, silenceAfter } from './conversation-fold.ts';
import { retryOf, type SilenceInfo } from './silence.ts';

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
  const parts = textAppended([], 'said', text);
  return { ...unheard(id), by, startedAt, endedAt, end, usage, state: end?.state ?? 'running', text, parts, silence };
}

/** Returns an answer from a page of history, which has only its text. */
export function answerOfMessage({ id, run, text, at, ended = 'final', usage }: MessageInfo): Answer {
  const parts = textAppended([], 'said', text);
  return { ...unheard(run ?? id), state: ended, text, parts, endedAt: at, usage: usage ?? null };
}

/** Returns an answer after one of the events of its run. One from history, whose end is not known, only ends. */
export function answerAfter(answer: Answer, event: ConversationEvent): Answer {
  if (answer.end !== null || (answer.state !== 'running' && !isEndEvent(event))) return answer;
  const silence = silenceAfter(answer.silence, event);
  return { ...progressAfter(answer, event), parts: partsAfter(answer, event), silence };
}

export const withMessage = (answer: Answer, message: MessageInfo): Answer => {
  const parts = withPart(
    answer.parts,
    { kind: 'message', message },
    (part) => part.kind === 'message' && part.message.id === message.id,
  );
  return { ...answer, parts, silence: null };
};

function partsAfter({ parts, text }: Answer, event: ConversationEvent): readonly AnswerPart[] {
  switch (event.type) {
    case 'delta':
      return event.replace === true
        ? textReplaced(parts, event.stream, event.text)
        : textAppended(parts, event.stream, event.text);
    case 'tool': {
      const { tool } = event;
      return withPart(parts, { kind: 'tool', tool }, (part) => part.kind === 'tool' && part.tool.id === tool.id);
    }
    case 'agent': {
      const { name, data } = event;
      // A retry belongs to the silence, and usage to the whole answer: neither is a part of it.
      if (name === 'retry' && retryOf(data) !== undefined) return parts;
      if (name === 'usage' && typeof data === 'object' && data !== null) return parts;
      const isSame = (part: AnswerPart): boolean => part.kind === 'agent' && part.name === name && name !== 'note';
      return withPart(parts, { kind: 'agent', name, data }, isSame);
    }
    case 'approval': {
      const { approval } = event;
      const isSame = (part: AnswerPart): boolean => part.kind === 'approval' && part.approval.id === approval.id;
      return withPart(parts, { kind: 'approval', approval, answer: null }, isSame);
    }
    case 'approval_answered':
      return parts.map((part) =>
        part.kind === 'approval' && part.approval.id === event.id ? { ...part, answer: event.answer } : part,
      );
    case 'final':
    case 'error':
    case 'aborted':
      // The text of an end is complete, so that deltas which were not received are there now.
      return event.text === text ? parts : textReplaced(parts, 'said', event.text);
    default:
      return parts;
  }
}

function textAppended(parts: readonly AnswerPart[], kind: 'said' | 'thought', text: string): readonly AnswerPart[] {
  if (text === '') return parts;
  const last = parts.at(-1);
  return last?.kind === kind ? [...parts.slice(0, -1), { kind, text: last.text + text }] : [...parts, { kind, text }];
}

/**
 * A text that takes the place of all that was said comes where it was said: at the end. Were it put where the old one
 * began, what follows would be put elsewhere when both come as one delta.
 */
const textReplaced = (parts: readonly AnswerPart[], kind: 'said' | 'thought', text: string): readonly AnswerPart[] =>
  textAppended(
    parts.filter((part) => part.kind !== kind),
    kind,
    text,
  );

/** In the place of the one that it is another state of, else at the end. */
function withPart(
  parts: readonly AnswerPart[],
  part: AnswerPart,
  isSame: (other: AnswerPart) => boolean,
): readonly AnswerPart[] {
  const at = parts.findIndex(isSame);
  return at < 0 ? [...parts, part] : parts.with(at, part);
}
