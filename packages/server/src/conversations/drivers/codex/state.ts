// The state of the link to Codex, as plain JSON.

import type { ToolCall } from '@binnacle/protocol';
import type { RpcId } from '../json-rpc.ts';

export type CodexMethod =
  | 'initialize'
  | 'thread/start'
  | 'thread/resume'
  | 'turn/start'
  | 'turn/steer'
  | 'turn/interrupt';

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
export interface CodexApproval {
  readonly id: string;
  readonly request: RpcId;
  readonly answers: Readonly<Record<string, object>>;
  /** Bytes of the answers as JSON. */
  readonly bytes: number;
}

/** The state of the link. Immutable: each change makes a new object. */
export interface CodexState {
  readonly nextId: number;
  /** Requests of the link without an answer. `message`: the injected message of a steer. */
  readonly pending: readonly { readonly id: number; readonly method: CodexMethod; readonly message?: string }[];
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
  /** Requests of this turn that were refused without asking a person. */
  readonly refused: number;
  readonly rubbish: number;
}

export const FRESH_CODEX_STATE: CodexState = {
  nextId: 1,
  pending: [],
  isGreeted: false,
  thread: null,
  isUsed: false,
  turn: null,
  running: [],
  approvals: [],
  tokens: null,
  refused: 0,
  rubbish: 0,
};
