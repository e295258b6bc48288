// The state of the link to Codex, as plain JSON.

import type { ToolCall } from '@binnacle/protocol';
import { FRESH_RPC_STATE, type JsonRpcLink, type RpcApproval, type RpcCall, type RpcState } from '../json-rpc-link.ts';

export type CodexRpc = JsonRpcLink<CodexState>;

/** A request of the link. `message`: the injected message of a steer. */
export interface CodexCall extends RpcCall {
  readonly method: 'initialize' | 'thread/start' | 'thread/resume' | 'turn/start' | 'turn/steer' | 'turn/interrupt';
}

export interface CodexSteer {
  readonly message: string;
  /** Text of the message; null once it is sent. */
  readonly text: string | null;
  readonly isAccepted: boolean;
}

export interface CodexTurn {
  readonly message: string;
  /** Text of the prompt; null once it is sent. */
  readonly text: string | null;
  /** Codex's id of the turn; null before Codex has reported it. */
  readonly id: string | null;
  readonly isCancelling: boolean;
  readonly steers: readonly CodexSteer[];
  /** The message under way, and the length reported so far. */
  readonly saying: { readonly item: string; readonly chars: number } | null;
  /** The thought under way. Some models send it in full (`text`), some as a summary, some both. */
  readonly thinking: { readonly item: string; readonly how: 'text' | 'summary' } | null;
  /** Tokens of the whole thread before this turn; null if unknown. */
  readonly before: CodexTokens | null;
}

export interface CodexTokens {
  readonly input: number;
  readonly output: number;
}

/** A request that waits for an answer. `answers`: the result for each option. */
export interface CodexApproval extends RpcApproval {
  readonly answers: Readonly<Record<string, object>>;
}

/** The state of the link. Immutable: each change makes a new object. */
export interface CodexState extends RpcState {
  readonly pending: readonly CodexCall[];
  readonly isGreeted: boolean;
  readonly thread: string | null;
  /** True once the thread has had a turn. Before that Codex stores nothing of it. */
  readonly isUsed: boolean;
  readonly turn: CodexTurn | null;
  /** Running commands with the end of their output; deltas arrive without the rest. */
  readonly running: readonly { readonly call: ToolCall; readonly shown: number; readonly hidden: number }[];
  readonly approvals: readonly CodexApproval[];
  /** Tokens of the whole thread. */
  readonly tokens: CodexTokens | null;
}

export const FRESH_CODEX_STATE: CodexState = {
  ...FRESH_RPC_STATE,
  isGreeted: false,
  thread: null,
  isUsed: false,
  running: [],
  tokens: null,
};
