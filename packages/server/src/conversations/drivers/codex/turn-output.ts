// The output of a turn of Codex: text, thoughts, tool calls, usage.

import type { ToolCall } from '@binnacle/protocol';
import { cutText } from '../tool-text.ts';
import { toolOf } from './items.ts';
import { MessageItem, UserItem } from './messages.ts';
import type { CodexRpc, CodexSteer, CodexTurn } from './state.ts';

/** Maximum commands whose output is shown while they run. The end of any other command reports its output. */
const MAX_RUNNING = 8;
/** Maximum stored length, in UTF-16 units, of a command's output, and of its input. */
const MAX_TAIL = 3000;
const MAX_INPUT = 1000;
/**
 * Maximum bytes, as JSON, of all stored file changes that a person may have to approve. Larger ones are denied, because
 * they cannot be shown.
 */
const MAX_DIFFS = 32 * 1024;
/**
 * Maximum output deltas of a command that are shown at once. After that, output is throttled to one update per
 * LAZY_UNITS.
 */
const EAGER_DELTAS = 20;
const LAZY_UNITS = 2000;

export interface TokenCount {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Returns the turn whose prompt is sent. */
export function runningTurn({ state: { turn } }: CodexRpc): CodexTurn | undefined {
  return turn === null || turn.text !== null ? undefined : turn;
}

/** Replaces the injected messages of the turn. */
export function changeSteers(rpc: CodexRpc, change: (steer: CodexSteer) => readonly CodexSteer[]): void {
  const { turn } = rpc.state;
  if (turn !== null) rpc.setTurn({ steers: turn.steers.flatMap(change) });
}

export function appendText(rpc: CodexRpc, item: string, delta: string): void {
  const turn = runningTurn(rpc);
  if (turn === undefined) return;
  const known = turn.saying?.item === item ? turn.saying.chars : undefined;
  if (known === undefined) rpc.out.paragraph();
  rpc.out.delta(delta);
  rpc.setTurn({ saying: { item, chars: (known ?? 0) + delta.length } });
}

export function thought(rpc: CodexRpc, item: string, delta: string, how: 'text' | 'summary'): void {
  const turn = runningTurn(rpc);
  if (turn === undefined) return;
  const { thinking } = turn;
  if (thinking?.item === item && thinking.how !== how) return;
  rpc.setTurn({ thinking: { item, how } });
  rpc.out.delta(thinking !== null && thinking.item !== item ? `\n\n${delta}` : delta, 'thought');
}

export function reportItem(rpc: CodexRpc, type: string, item: unknown, isOver: boolean): void {
  const turn = runningTurn(rpc);
  if (turn === undefined) return;
  const call = toolOf(type, item, isOver);
  if (call !== undefined) {
    keepRunning(rpc, call);
    rpc.out.tool(call);
  } else if (type === 'agentMessage' && isOver) {
    const read = MessageItem.safeParse(item);
    if (!read.success) return;
    const { id, text } = read.data;
    // The part that no delta reported.
    const known = turn.saying?.item === id ? turn.saying.chars : 0;
    if (text.length > known) appendText(rpc, id, text.slice(known));
  } else if (type === 'userMessage' && !isOver) {
    const read = UserItem.safeParse(item);
    const client = read.success ? read.data.clientId : undefined;
    if (!turn.steers.some(({ message }) => message === client) || client === undefined) return;
    changeSteers(rpc, (steer) => (steer.message === client ? [] : [steer]));
    rpc.out.delivered(client);
  } else if (type === 'contextCompaction') {
    rpc.out.agent('status', { compaction: isOver ? 'completed' : 'in_progress' });
  }
}

/** Reports output of a running command. */
export function reportOutput(rpc: CodexRpc, item: string, delta: string): void {
  const { running } = rpc.state;
  const known = running.find(({ call }) => call.id === item);
  if (known === undefined || delta === '') return;
  const whole = (known.call.output ?? '') + delta;
  const output = whole.length <= MAX_TAIL ? whole : `…${whole.slice(-MAX_TAIL).toWellFormed()}`;
  const call: ToolCall = { ...known.call, output };
  const hidden = known.hidden + delta.length;
  const isShown = known.shown < EAGER_DELTAS || hidden >= LAZY_UNITS;
  const next = { call, shown: known.shown + (isShown ? 1 : 0), hidden: isShown ? 0 : hidden };
  rpc.set({ running: running.map((one) => (one === known ? next : one)) });
  if (isShown) rpc.out.tool(call);
}

function keepRunning(rpc: CodexRpc, call: ToolCall): void {
  const others = rpc.state.running.filter((one) => one.call.id !== call.id);
  if (call.status !== 'running') {
    rpc.set({ running: others });
    return;
  }
  const { id, kind, status } = call;
  const isSmall = call.input !== undefined && JSON.stringify(call.input).length <= MAX_INPUT;
  // A person may have to approve the changes. The report of their completion includes them again.
  const diffBytes = [call, ...others.map((one) => one.call)].reduce((sum, { diffs }) => sum + bytesOf(diffs), 0);
  const stored: ToolCall = {
    id,
    title: cutText(call.title, MAX_INPUT),
    kind,
    status,
    ...(isSmall ? { input: call.input } : {}),
    ...(call.diffs !== undefined && diffBytes <= MAX_DIFFS ? { diffs: call.diffs } : {}),
  };
  rpc.set({ running: [...others, { call: stored, shown: 0, hidden: 0 }].slice(-MAX_RUNNING) });
}

const bytesOf = (value: unknown): number => (value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value)));

/** Reports the usage of the turn. `total`: of the whole thread; `last`: of the last request to the model. */
export function reportUsage(rpc: CodexRpc, total: TokenCount, last: TokenCount): void {
  const now = { input: total.inputTokens, output: total.outputTokens };
  rpc.set({ tokens: now });
  const turn = runningTurn(rpc);
  if (turn === undefined) return;
  // A resumed thread counts from its beginning, which this link has not seen.
  const before = turn.before ?? { input: now.input - last.inputTokens, output: now.output - last.outputTokens };
  rpc.setTurn({ before });
  rpc.out.usage({
    inputTokens: Math.max(0, now.input - before.input),
    outputTokens: Math.max(0, now.output - before.output),
  });
}
