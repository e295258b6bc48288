// Texts for chat events, one line each. Pure.

import { optionKind, optionLabel, visibleLine, visibleText } from '@binnacle/client';
import type {
  Approval,
  ApprovalAnswer,
  ApprovalOption,
  Author,
  CommandInfo,
  MessageInfo,
  RunEnd,
  SendReceipt,
  SteerMode,
  ToolCall,
} from '@binnacle/protocol';
import { hardRows } from '../output/cells.ts';
import type { Style } from '../output/style.ts';
import { harmless } from './text.ts';

/** Returns the displayed name of an author. `user`: the current user, who is shown as "you". */
export const nameOf = (by: Author, user: string): string =>
  by.user === user ? 'you' : harmless(by.name) || by.user || 'somebody';

export function toolLine(tool: ToolCall, style: Style): string {
  const mark = {
    pending: style.dim('·'),
    running: style.yellow('▸'),
    done: style.green('✓'),
    failed: style.red('✗'),
  }[tool.status];
  const changed = (tool.diffs ?? []).map(({ path }) => visibleLine(path)).join(', ');
  const title = visibleLine(tool.title) || tool.kind;
  const more = [
    title.includes(changed) ? '' : changed,
    tool.session === undefined ? '' : `binnacle attach ${tool.session}`,
  ].filter((text) => text !== '');
  return `${mark} ${title}${more.length === 0 ? '' : style.dim(` (${more.join('; ')})`)}`;
}

const KEYS: Readonly<Record<ApprovalOption['kind'], string>> = {
  allow_once: 'y',
  allow_always: 'a',
  deny_once: 'n',
  deny_always: 'd',
};

/** Keys for options whose letter is taken. */
const SPARE_KEYS = '1234567890bcefghijk';

/** Assigns a key to each option: a letter by its kind, another key if the letter is taken. */
export function approvalKeys({ options }: Approval): ReadonlyMap<string, ApprovalOption> {
  const keys = new Map<string, ApprovalOption>();
  options.forEach((option, at) => {
    const spare = [...SPARE_KEYS.slice(at), ...SPARE_KEYS];
    const key = [KEYS[option.kind], ...spare].find((one) => one !== undefined && !keys.has(one));
    if (key !== undefined) keys.set(key, option);
  });
  return keys;
}

/** Lists the keys in fixed words: short, and without text from the agent. */
export const keyList = (approval: Approval): string =>
  [...approvalKeys(approval)].map(([key, option]) => `[${key}] ${optionKind(option)}`).join('  ');

/** Prefixes of lines from the agent, and of their continuation rows: such a line cannot imitate a line of the chat. */
const LINE = '│ ';
const MORE = '┊ ';

/** Formats a request in rows of at most `width` cells, in full: no person may agree to what was not shown. */
export function approvalLines(approval: Approval, style: Style, width: number = Number.POSITIVE_INFINITY): string[] {
  const title = block(visibleLine(approval.title), '? ', MORE, width).map((row) => style.yellow(row));
  const hasDetail = approval.detail !== '' && approval.detail !== approval.title;
  return hasDetail ? [...title, ...block(visibleText(approval.detail), `  ${LINE}`, `  ${MORE}`, width)] : title;
}

/** Formats a request with its answer keys. `height`: rows of the screen. */
export function approvalRows(approval: Approval, style: Style, width: number, height: number): string[] {
  const rows = approvalLines(approval, style, width);
  const options = [...approvalKeys(approval)].flatMap(([key, option]) =>
    block(optionLabel(option), `  [${key}] `, `  ${MORE}`, width),
  );
  // Includes the row of the typed line.
  const isLong = rows.length + options.length + 1 > height;
  const hint = isLong ? [style.yellow(`  ↑ ${rows.length} rows begin above this screen. Scroll up to read them.`)] : [];
  return [...rows, ...hint, ...options];
}

/** Prefixes each line, and its continuation rows with another prefix. */
function block(text: string, first: string, more: string, width: number): string[] {
  const room = Math.max(8, width - Math.max(first.length, more.length));
  return text.split('\n').flatMap((line) => hardRows(line, room).map((row, at) => (at === 0 ? first : more) + row));
}

export function answerLine(approval: Approval | undefined, answer: ApprovalAnswer, user: string, style: Style): string {
  const option = approval?.options.find(({ id }) => id === answer.option);
  const label = option === undefined ? visibleLine(answer.option) : optionLabel(option);
  if (answer.reason === 'timed_out') return style.dim(`  ${label}: not answered in time`);
  if (answer.reason === 'run_ended') return style.dim('  not answered: the run is over');
  const why = answer.why === undefined ? '' : `: ${beginning(answer.why)}`;
  return style.dim(`  ${label} (${nameOf(answer.by, user)}${why})`);
}

/** Formats the commands of plugins for /help. */
export const commandLines = (commands: readonly CommandInfo[]): string[] =>
  commands.map(({ name, description, plugin }) =>
    `${`/${name}`.padEnd(19)}${visibleLine(description)} (plugin ${visibleLine(plugin)})`.slice(0, 500),
  );

/** Returns the line for the end of a run; undefined for a normal end. */
export function endLine(end: RunEnd, user: string, style: Style): string | undefined {
  if (end.state === 'final') return end.stopReason === undefined ? undefined : stopReasonLine(end.stopReason, style);
  if (end.state === 'error') {
    return style.red(`[${failureText(end.error)}]`);
  }
  const who = nameOf(end.by, user);
  const texts = {
    run: `stopped by ${who}`,
    conversation: `stopped by ${who}`,
    stop_text: `stopped by ${who}`,
    timeout: 'stopped: it took too long',
    shutdown: 'stopped: the gateway was shut down',
    interrupt: `interrupted by ${who}`,
    deleted: 'stopped: the conversation was deleted',
  }[end.via];
  return style.yellow(`[${texts}]`);
}

/** Formats a failure: the message and the hint. */
export function failureText({
  message,
  hint,
}: {
  readonly message: string;
  readonly hint?: string | undefined;
}): string {
  const text = harmless(message);
  const sentence = /[.!?…]$/.test(text) ? text : `${text}.`;
  return hint === undefined ? sentence : `${sentence} ${harmless(hint)}`;
}

/** Returns a line for the stop reason; undefined for `end_turn` and similar normal ends. */
function stopReasonLine(reason: string, style: Style): string | undefined {
  return ['end_turn', 'stop', 'completed', 'success', ''].includes(reason)
    ? undefined
    : style.dim(`[ended: ${harmless(reason)}]`);
}

/**
 * Describes the result of a sent message. `waiting`: number of waiting messages, including this one. Undefined: its run
 * began.
 */
export function receiptLine(receipt: SendReceipt, requestedMode: SteerMode, waiting: number): string | undefined {
  if (receipt.aborted !== undefined) {
    return receipt.aborted.length === 0 ? 'there was nothing to stop' : 'stopped';
  }
  const { message, run } = receipt;
  if (message.state === 'cancelled') return 'was cancelled';
  if (message.steer === 'interrupt') return 'interrupts the agent, and is next';
  if (message.steer === 'inject') {
    return message.state === 'delivered' ? 'the agent has received it' : 'accepted; the agent gets it in this turn';
  }
  if (run === null || run.state !== 'queued') return undefined;
  const instead = requestedMode === 'queue' ? '' : ` (this agent cannot ${requestedMode})`;
  const place = waiting > 1 ? `, number ${waiting} in the queue` : '';
  return `waits for its turn${place}${instead}`;
}

export function queueLines(queue: readonly MessageInfo[], user: string): string[] {
  if (queue.length === 0) return ['No messages wait.'];
  return queue.map((message, at) => {
    const who = message.by.user === user ? '' : `${nameOf(message.by, user)}: `;
    const how = message.steer === 'queue' ? '' : ` (${message.steer})`;
    return `${at + 1}. ${who}${harmless(message.text)}${how}`;
  });
}

/** Truncates a message to its beginning. */
export function beginning(text: string): string {
  const line = harmless(text);
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`;
}
