// The output of Claude Code by the type of its line: text, thoughts, tool calls, states of the program.

import { defined, type Retry, type ToolCall } from '@binnacle/protocol';
import { withSchema } from '../agent-json.ts';
import { cutText } from '../tool-text.ts';
import {
  ApiRetry,
  AssistantLine,
  Blocks,
  ClaudeToolUse,
  StreamEvent,
  SystemLine,
  TextBlock,
  ToolResult,
  UserLine,
} from './messages.ts';
import type { ClaudeRpc } from './state.ts';
import { callOf, planOf, resultText } from './tools.ts';

/**
 * Maximum stored calls without a result, and maximum length of a stored input. A larger input is reported, but not
 * repeated with the result.
 */
const MAX_OPEN = 16;
const MAX_STORED_INPUT = 1500;

export function appendBlockText(rpc: ClaudeRpc, text: string): void {
  const { turn } = rpc.state;
  if (turn === null || text === '') return;
  if (turn.isBroken) rpc.out.paragraph();
  rpc.out.delta(text);
  rpc.setTurn({ isBroken: false, hasSaid: true, chars: turn.chars + text.length });
}

function thought(rpc: ClaudeRpc, text: string): void {
  const { turn } = rpc.state;
  if (turn === null || text === '') return;
  rpc.out.delta(turn.isBroken && turn.hasThought ? `\n\n${text}` : text, 'thought');
  // The next text is a new paragraph all the same, because a text block begins before it.
  rpc.setTurn({ isBroken: turn.hasSaid, hasThought: true });
}

const system = withSchema(SystemLine, ({ subtype, session_id, status }, rpc: ClaudeRpc, line: unknown) => {
  if (subtype === 'init' && session_id !== undefined) rpc.set({ session: session_id });
  else if (subtype === 'compact_boundary') rpc.out.agent('status', { compaction: 'completed' });
  else if (subtype === 'status' && status === 'compacting') rpc.out.agent('status', { compaction: 'in_progress' });
  else if (subtype === 'api_retry') retries(line, rpc);
});

const retries = withSchema(ApiRetry, (line, { out }: ClaudeRpc) => {
  const { attempt, max_retries: of, retry_delay_ms: delayMs, error, error_status } = line;
  const why = error === undefined ? undefined : cutText(error.replaceAll('_', ' '), 100);
  const reason = why ?? (error_status === undefined ? undefined : `HTTP ${error_status}`);
  const retry: Retry = {
    attempt,
    ...defined({ of, why: reason }),
    ...(delayMs === undefined ? {} : { delayMs: Math.round(delayMs) }),
  };
  out.agent('retry', retry);
});

const streamed = withSchema(StreamEvent, ({ event, parent_tool_use_id }, rpc: ClaudeRpc) => {
  if (parent_tool_use_id !== undefined) return;
  const { type, content_block, delta } = event;
  if (type === 'message_start') rpc.setTurn({ isBroken: true });
  else if (type === 'content_block_start') {
    rpc.setTurn({ chars: 0, ...(content_block?.type === 'text' ? {} : { isBroken: true }) });
  } else if (type === 'content_block_delta') {
    if (delta?.text !== undefined) appendBlockText(rpc, delta.text);
    if (delta?.thinking !== undefined) thought(rpc, delta.thinking);
  }
});

/** Handles complete blocks. Deltas have reported their text, unless this version does not stream. */
const assistant = withSchema(AssistantLine, ({ message, parent_tool_use_id }, rpc: ClaudeRpc) => {
  if (rpc.state.turn === null) return;
  const { model, content = [] } = message;
  for (const block of content) {
    if (block.type === 'tool_use') toolUse(block, rpc);
    // Text of the program itself, which its result repeats.
    else if (block.type === 'text' && parent_tool_use_id === undefined && model !== '<synthetic>') {
      const text = TextBlock.safeParse(block);
      const known = rpc.state.turn?.chars ?? 0;
      if (text.success && text.data.text.length > known) appendBlockText(rpc, text.data.text.slice(known));
    }
  }
});

const toolUse = withSchema(ClaudeToolUse, ({ id, name, input }, rpc: ClaudeRpc) => {
  const call = callOf(id, name, input);
  const plan = planOf(name, input);
  if (plan !== undefined) rpc.out.agent('plan', plan);
  rpc.out.tool(call);
  const { input: callInput, diffs, ...rest } = call;
  const isSmall = JSON.stringify([callInput, diffs]).length <= MAX_STORED_INPUT;
  const short = { ...rest, title: cutText(rest.title, MAX_STORED_INPUT) };
  const stored: ToolCall = isSmall ? { ...call, title: short.title } : short;
  rpc.set({ open: [...rpc.state.open.filter((one) => one.id !== id), stored].slice(-MAX_OPEN) });
});

const user = withSchema(UserLine, ({ message, uuid, isReplay }, rpc: ClaudeRpc) => {
  const { turn } = rpc.state;
  if (turn === null) return;
  if (isReplay === true) {
    const steer = turn.steers.find((one) => one.uuid === uuid);
    if (steer === undefined) return;
    rpc.setTurn({ steers: turn.steers.filter((one) => one !== steer) });
    rpc.out.delivered(steer.message);
    return;
  }
  const blocks = Blocks.safeParse(message.content);
  for (const block of blocks.success ? blocks.data : []) if (block.type === 'tool_result') toolResult(block, rpc);
});

const toolResult = withSchema(ToolResult, ({ tool_use_id: id, content, is_error }, rpc: ClaudeRpc) => {
  const { open } = rpc.state;
  const call = open.find((one) => one.id === id);
  if (call === undefined) return;
  rpc.set({ open: open.filter((one) => one !== call) });
  const output = resultText(content);
  rpc.out.tool({ ...call, status: is_error === true ? 'failed' : 'done', ...(output === '' ? {} : { output }) });
});

/** Lines that change nothing but the output of the turn, by their type. */
export const OUTPUT_LINES: Readonly<Record<string, (line: unknown, rpc: ClaudeRpc) => void>> = {
  system: (line, rpc) => system(line, rpc, line),
  stream_event: streamed,
  assistant,
  user,
};
