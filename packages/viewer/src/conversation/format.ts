// Text inside a conversation: authors, ends of runs, answers, tools, usage and plans. Pure.

import { optionLabel, visibleLine, visibleText } from '@binnacle/client';
import {
  type ApprovalAnswer,
  type ApprovalOption,
  type Author,
  type RunEnd,
  type SteerMode,
  type ToolCall,
  type Usage,
  type Visibility,
  withoutColours,
} from '@binnacle/protocol';
import { isRecord } from '../model/conversations.ts';
import { oneLine, person } from '../model/format.ts';

/** Returns an author's name. The gateway names a login after its token; "(browser)" is redundant here. */
export const nameOf = (by: Author): string => person(by.name.replace(/ \(browser\)$/, '')) || by.user || 'somebody';

/** Returns the duration of a run; undefined while it is not known. */
export const runMs = ({ startedAt, endedAt }: Readonly<Record<'startedAt' | 'endedAt', number | null>>) =>
  startedAt === null || endedAt === null ? undefined : endedAt - startedAt;

/** Describes how a run ended; undefined for a normal end. `ms`: its duration, if known. */
export function runEndText(end: RunEnd, ms?: number): string | undefined {
  if (end.state === 'final') return stopText(end.stopReason);
  if (end.state === 'error') return end.error.message;
  const who = nameOf(end.by);
  switch (end.via) {
    case 'run':
    case 'conversation':
      return `Stopped by ${who}.`;
    case 'stop_text':
      return `Stopped by a message of ${who}.`;
    case 'interrupt':
      return `Interrupted by the next message of ${who}.`;
    case 'timeout':
      return ms === undefined
        ? 'Stopped by its time limit.'
        : `Stopped after ${timeLeft(Math.round(ms / 1000))} (time limit)`;
    case 'shutdown':
      return 'Stopped: Binnacle was shut down.';
    case 'deleted':
      return `Stopped: ${who} deleted the conversation.`;
    default:
      return `Stopped by ${who}.`;
  }
}

// Names that agents use for the normal end of a turn; any other name is shown.
const PLAIN_STOP = new Set(['end_turn', 'stop', 'completed', 'success', 'done', 'final']);

function stopText(reason: string | undefined): string | undefined {
  if (reason === undefined || PLAIN_STOP.has(reason)) return undefined;
  if (reason === 'max_tokens' || reason === 'length') return 'The answer was cut: it reached the length limit.';
  if (reason === 'refusal') return 'The agent refused to go on.';
  return `Ended: ${oneLine(reason, 80)}.`;
}

/** Describes the outcome of a request. */
export function approvalText(answer: ApprovalAnswer, options: readonly ApprovalOption[]): string {
  if (answer.reason === 'run_ended') return 'Not answered in time';
  if (answer.reason === 'timed_out') return 'Denied: nobody answered in time.';
  if (answer.reason === 'vetoed') return `Denied by ${nameOf(answer.by)}: ${visibleLine(answer.why ?? '')}`;
  const option = options.find(({ id }) => id === answer.option);
  return `${nameOf(answer.by)}: ${option === undefined ? visibleLine(answer.option) : optionLabel(option)}`;
}

export const isAllowing = (option: ApprovalOption): boolean => option.kind.startsWith('allow');

const TOOL_LABELS: Readonly<Record<ToolCall['kind'], string>> = {
  read: 'Read',
  edit: 'Edit',
  delete: 'Delete',
  move: 'Move',
  search: 'Search',
  execute: 'Run',
  think: 'Think',
  fetch: 'Fetch',
  other: 'Tool',
};
// A newer gateway may have kinds that this page does not know.
export const toolWord = (tool: ToolCall): string => TOOL_LABELS[tool.kind] ?? 'Tool';

const STATUS_LABELS: Readonly<Record<ToolCall['status'], string>> = {
  pending: 'waiting',
  running: 'running',
  done: 'done',
  failed: 'failed',
};
export const statusWord = (tool: ToolCall): string => STATUS_LABELS[tool.status] ?? tool.status;

export const STEER_LABELS: Readonly<
  Record<SteerMode, { readonly label: string; readonly what: string; readonly mark: string }>
> = {
  queue: { label: 'Send when it’s done', what: 'It waits until this run has ended.', mark: 'queued' },
  inject: { label: 'Add to this run', what: 'It goes into the run that is under way.', mark: 'injected' },
  interrupt: {
    label: 'Stop it and send',
    what: 'It ends the run that is under way, and is next.',
    mark: 'interrupted',
  },
};

export function visibilityText(visibility: Visibility): string {
  if (visibility.kind === 'private') return 'Private';
  if (visibility.kind === 'everyone') return 'Everyone';
  const [first, ...more] = visibility.with;
  if (first === undefined) return 'Shared';
  return more.length === 0 ? `Shared with ${oneLine(first, 24)}` : `Shared with ${visibility.with.length}`;
}

/** Checks a number. An older gateway passed on an agent's numbers unchecked, and in JSON some of those are null. */
const isSane = (number: unknown): number is number =>
  typeof number === 'number' && number >= 0 && number <= Number.MAX_SAFE_INTEGER;

/** Returns `1,204 tokens in, 88 out, $0.02`; undefined if nothing is known. */
export function usageText(usage: Usage | null): string | undefined {
  const count = (number: number): string => number.toLocaleString('en');
  const known = (number: unknown): number | undefined => (isSane(number) ? number : undefined);
  const [input, output, cost] = [known(usage?.inputTokens), known(usage?.outputTokens), known(usage?.costUsd)];
  const parts = [
    input === undefined ? '' : `${count(input)} tokens in`,
    output === undefined ? '' : `${count(output)} out`,
    cost === undefined ? '' : `$${cost.toFixed(cost < 0.1 ? 4 : 2)}`,
  ].filter(Boolean);
  return parts.length === 0 ? undefined : parts.join(', ');
}

/** @example sentence('waits for the model') // 'Waits for the model.' */
export const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;

/** Returns `4 min 05 s`, `12 s`, for a countdown. */
export function timeLeft(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

// All control characters except tab and line feed, and zero-width characters except joiners of emoji.
const HIDDEN =
  /[^\P{Cc}\t\n]|(?![\u200d\ufe0f])\p{Default_Ignorable_Code_Point}|[\u2028\u2029\ufff9-\ufffb\ud800-\udfff]|(?<!\p{Extended_Pictographic}\ufe0f?)\u200d|(?<![\p{Extended_Pictographic}0-9#*])\ufe0f/gu;

/**
 * Makes all characters of a tool's output visible: colours are removed; invisible characters, and characters that
 * change how a line reads, become signs.
 */
export const visible = (text: string): string =>
  withoutColours(text)
    .replaceAll('\r\n', '\n')
    .replace(HIDDEN, (mark) => visibleText(mark));

/** A word that needs no quotes in a shell. */
const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

/** Returns a tool's whole input as text: a lone command as it is, everything else as JSON. */
export function inputText(input: unknown): string {
  if (typeof input === 'string') return visibleText(input);
  if (isRecord(input)) {
    const { command, cmd } = input;
    const line = command ?? cmd;
    if (Object.keys(input).length === 1) {
      if (typeof line === 'string') return visibleText(line);
      const isPlain = Array.isArray(line) && line.every((word) => typeof word === 'string' && PLAIN_WORD.test(word));
      if (isPlain) return line.join(' ');
    }
  }
  return visibleText(JSON.stringify(input, null, 2) ?? String(input));
}

export interface PlanStep {
  readonly text: string;
  readonly state: 'done' | 'now' | 'later';
}

/** Returns the steps of a plan in any of the known formats of agents; undefined for other data. */
export function planSteps(data: unknown): PlanStep[] | undefined {
  const list = Array.isArray(data) ? data : isRecord(data) ? (data.entries ?? data.plan ?? data.steps) : undefined;
  if (!Array.isArray(list)) return undefined;
  const steps = list.map((entry: unknown): PlanStep | undefined => {
    if (typeof entry === 'string') return { text: entry, state: 'later' };
    if (!isRecord(entry)) return undefined;
    const text = entry.content ?? entry.step ?? entry.text;
    if (typeof text !== 'string') return undefined;
    const status = String(entry.status).toLowerCase();
    return {
      text,
      state: status === 'completed' || status === 'done' ? 'done' : /progress/.test(status) ? 'now' : 'later',
    };
  });
  return steps.every((step) => step !== undefined) ? steps : undefined;
}

/** Returns other text from an agent, as one line. */
export function agentText(data: unknown): string {
  if (typeof data === 'string') return oneLine(data, 400);
  if (isRecord(data)) {
    const { contextTokens, contextWindow, compaction } = data;
    if (isSane(contextTokens) && isSane(contextWindow)) {
      return `${contextTokens.toLocaleString('en')} of ${contextWindow.toLocaleString('en')} tokens of context used`;
    }
    if (typeof compaction === 'string') {
      return compaction === 'completed' ? 'Its context was compacted.' : 'It is compacting its context.';
    }
    const text = data.text ?? data.message ?? data.title ?? data.status ?? data.mode ?? data.currentModeId;
    if (typeof text === 'string') return oneLine(text, 400);
  }
  return oneLine(JSON.stringify(data) ?? '', 400);
}
