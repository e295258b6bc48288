// How a chat puts into words what happens: one line each. Pure; knows no terminal.

import type {
  Approval,
  ApprovalAnswer,
  ApprovalOption,
  Author,
  MessageInfo,
  RunEnd,
  SendReceipt,
  SteerMode,
  ToolCall,
} from '@binnacle/protocol';
import { harmless } from './chat-text.ts';
import type { Style } from './style.ts';

/** `user`: who we are, so that others are named. */
export const nameOf = (by: Author, user: string): string =>
  by.user === user ? 'you' : harmless(by.name) || by.user || 'somebody';

export function toolLine(tool: ToolCall, look: Style): string {
  const mark = {
    pending: look.dim('·'),
    running: look.yellow('▸'),
    done: look.green('✓'),
    failed: look.red('✗'),
  }[tool.status];
  const changed = (tool.diffs ?? []).map(({ path }) => harmless(path)).join(', ');
  const title = harmless(tool.title) || tool.kind;
  const more = [
    title.includes(changed) ? '' : changed,
    tool.session === undefined ? '' : `binnacle attach ${tool.session}`,
  ].filter((text) => text !== '');
  return `${mark} ${title}${more.length === 0 ? '' : look.dim(` (${more.join('; ')})`)}`;
}

const KEYS: Readonly<Record<ApprovalOption['kind'], string>> = {
  allow_once: 'y',
  allow_always: 'a',
  deny_once: 'n',
  deny_always: 'd',
};

/** The key for each option: a letter by what it does, a digit where two do the same. */
export function approvalKeys({ options }: Approval): ReadonlyMap<string, ApprovalOption> {
  const keys = new Map<string, ApprovalOption>();
  options.forEach((option, at) => {
    const letter = KEYS[option.kind];
    keys.set(keys.has(letter) ? String((at + 1) % 10) : letter, option);
  });
  return keys;
}

export const keyList = (approval: Approval): string =>
  [...approvalKeys(approval)].map(([key, { label }]) => `[${key}] ${harmless(label)}`).join('  ');

export function approvalLines(approval: Approval, look: Style): string[] {
  const title = harmless(approval.title);
  const detail = approval.detail
    .split('\n')
    .map(harmless)
    .filter((line) => line !== '' && line !== title);
  // All of it, however long: nobody may agree to what was not shown.
  return [look.yellow(`? ${title}`), ...detail.map((line) => `  ${line}`)];
}

export function answerLine(approval: Approval | undefined, answer: ApprovalAnswer, user: string, look: Style): string {
  const option = approval?.options.find(({ id }) => id === answer.option);
  const label = harmless(option?.label ?? answer.option);
  if (answer.reason === 'timed_out') return look.dim(`  ${label}: nobody answered in time`);
  if (answer.reason === 'run_ended') return look.dim('  not answered: the run is over');
  return look.dim(`  ${label} (${nameOf(answer.by, user)})`);
}

/** Nothing for a run that came to its end. */
export function endLine(end: RunEnd, user: string, look: Style): string | undefined {
  if (end.state === 'final') return end.stopReason === undefined ? undefined : stopReasonLine(end.stopReason, look);
  if (end.state === 'error') {
    return look.red(`[${failureText(end.error)}]`);
  }
  const who = nameOf(end.by, user);
  const words = {
    run: `stopped by ${who}`,
    conversation: `stopped by ${who}`,
    stop_text: `stopped by ${who}`,
    timeout: 'stopped: it took too long',
    shutdown: 'stopped: the gateway was shut down',
    interrupt: `interrupted by ${who}`,
    deleted: 'stopped: the conversation was deleted',
  }[end.via];
  return look.yellow(`[${words}]`);
}

/** What went wrong, and what helps. */
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

/** `end_turn` and its like are no news. */
function stopReasonLine(reason: string, look: Style): string | undefined {
  return ['end_turn', 'stop', 'completed', 'success', ''].includes(reason)
    ? undefined
    : look.dim(`[ended: ${harmless(reason)}]`);
}

/** What became of a message that was sent. `waiting`: how many messages wait, this one included. Undefined: its run began. */
export function receiptLine(receipt: SendReceipt, asked: SteerMode, waiting: number): string | undefined {
  if (receipt.aborted !== undefined) {
    return receipt.aborted.length === 0 ? 'there was nothing to stop' : 'stopped';
  }
  const { message, run } = receipt;
  if (message.state === 'cancelled') return 'was cancelled';
  if (message.steer === 'interrupt') return 'interrupts what it does, and is next';
  if (message.steer === 'inject') {
    return message.state === 'delivered' ? 'the agent has it' : 'accepted; the agent is given it in this turn';
  }
  if (run === null || run.state !== 'queued') return undefined;
  const instead = asked === 'queue' ? '' : ` (this agent cannot ${asked})`;
  const place = waiting > 1 ? `, number ${waiting} in the queue` : '';
  return `waits for its turn${place}${instead}`;
}

export function queueLines(queue: readonly MessageInfo[], user: string): string[] {
  if (queue.length === 0) return ['Nothing waits.'];
  return queue.map((message, at) => {
    const who = message.by.user === user ? '' : `${nameOf(message.by, user)}: `;
    const how = message.steer === 'queue' ? '' : ` (${message.steer})`;
    return `${at + 1}. ${who}${harmless(message.text)}${how}`;
  });
}

/** The beginning of a message, where the whole would be too much. */
export function beginning(text: string): string {
  const line = harmless(text);
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`;
}
