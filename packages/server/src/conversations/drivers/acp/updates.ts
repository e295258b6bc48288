// The kinds of `session/update`, as a table. Other kinds are not shown.

import { defined } from '@binnacle/protocol';
import { withSchema } from '../agent-json.ts';
import type { DriverOut } from '../driver.ts';
import {
  Chunk,
  Compaction,
  type ContentBlock,
  ModeUpdate,
  Notice,
  Plan,
  SessionInfoUpdate,
  ToolUpdate,
  UsageUpdate,
} from './messages.ts';
import type { AcpState } from './state.ts';
import { keepTool } from './tool-calls.ts';
import { mergeTool, textOf } from './tools.ts';

/** The context of a row: the state before the update, and the output. */
export interface UpdateParts {
  readonly state: AcpState;
  readonly out: DriverOut;
  /** Returns the session of a terminal, if the gateway has that terminal. */
  sessionOf(terminal: string): string | undefined;
}

/** Applies an update, and returns the next state; undefined if the update is invalid. */
type UpdateHandler = (update: unknown, parts: UpdateParts) => AcpState | undefined;

/** Returns false for pictures and sound, which cannot be part of a text. */
const hasText = ({ text, uri, resource }: ContentBlock): boolean =>
  text !== undefined || uri !== undefined || resource !== undefined;

export const UPDATES: Readonly<Record<string, UpdateHandler>> = {
  agent_message_chunk: withSchema(Chunk, ({ content, messageId }, { state, out }) => {
    if (!hasText(content)) {
      out.agent('note', { text: textOf(content) });
      return state;
    }
    const text = textOf(content);
    if (text === '') return state;
    const message = messageId ?? null;
    const { saying } = state;
    if (saying !== null && (saying.broken || saying.message !== message)) out.paragraph();
    out.delta(text);
    // The state changes only at the beginning of a message, because each change is written to the log.
    if (saying !== null && !saying.broken && saying.message === message) return state;
    return { ...state, saying: { message, broken: false } };
  }),
  agent_thought_chunk: withSchema(Chunk, ({ content }, { state, out }) => {
    out.delta(textOf(content), 'thought');
    return state;
  }),
  tool_call: withSchema(ToolUpdate, applyTool),
  tool_call_update: withSchema(ToolUpdate, applyTool),
  plan: withSchema(Plan, ({ entries }, { state, out }) => {
    out.agent('plan', { entries: entries ?? [] });
    return state;
  }),
  current_mode_update: withSchema(ModeUpdate, ({ currentModeId }, { state, out }) => {
    out.agent('mode', { mode: currentModeId });
    return state;
  }),
  session_info_update: withSchema(SessionInfoUpdate, ({ title }, { state, out }) => {
    if (title !== undefined) out.agent('status', { title });
    return state;
  }),
  notice: withSchema(Notice, ({ severity, title, description }, { state, out }) => {
    const text = description === undefined ? title : `${title}\n${description}`;
    out.agent('note', { text, ...defined({ severity }) });
    return state;
  }),
  compaction_update: withSchema(Compaction, ({ status, error }, { state, out }) => {
    out.agent('status', { compaction: status, ...defined({ error }) });
    return state;
  }),
  usage_update: withSchema(UsageUpdate, ({ used, size, cost }, { state, out }) => {
    if (used !== undefined && size !== undefined) {
      out.agent('status', { contextTokens: used, contextWindow: size });
    }
    if (cost === undefined || cost.currency !== 'USD') return state;
    // The cost counts from the beginning of the session. For a session of an earlier process, the first report is the
    // base.
    const base = state.cost.before ?? cost.amount;
    if (cost.amount > base) out.usage({ costUsd: cost.amount - base });
    return { ...state, cost: { before: base, now: cost.amount } };
  }),
};

function applyTool(update: ToolUpdate, { state, out, sessionOf }: UpdateParts): AcpState {
  const known = state.tools.find(({ call: { id } }) => id === update.toolCallId)?.call;
  const call = mergeTool(known, update, sessionOf);
  out.tool(call);
  return {
    ...state,
    tools: keepTool(state.tools, call),
    saying: state.saying === null ? null : { ...state.saying, broken: true },
  };
}
