// The state of the link to Claude Code, as plain JSON.

import type { ToolCall, Usage } from '@binnacle/protocol';
import { FRESH_RPC_STATE, type JsonRpcLink, type RpcApproval, type RpcCall, type RpcState } from '../json-rpc-link.ts';

export type ClaudeRpc = JsonRpcLink<ClaudeCodeState>;

/** The input of a call is stored, because the approval must return it. */
export interface ClaudeApproval extends RpcApproval {
  readonly input: Readonly<Record<string, unknown>>;
  readonly suggestions: readonly object[];
}

export interface ClaudeCall extends RpcCall {
  /** The first withdraws an injected message that has not been read yet. */
  readonly method: 'cancel_async_message' | 'interrupt';
}

export interface ClaudeTurn {
  readonly isCancelling: boolean;
  /**
   * Injected messages that the process has not replayed yet. The replay confirms that a message is part of the turn.
   */
  readonly steers: readonly { readonly message: string; readonly uuid: string }[];
  /** True if the next text begins a new paragraph. */
  readonly isBroken: boolean;
  /** Length, in UTF-16 units, of the part of the current block that deltas have reported. */
  readonly chars: number;
  readonly hasSaid: boolean;
  readonly hasThought: boolean;
  readonly usage: Usage;
  readonly costBefore: number;
}

/** The state of the link. Immutable: each change makes a new object. */
export interface ClaudeCodeState extends RpcState {
  readonly pending: readonly ClaudeCall[];
  readonly session: string | null;
  /** True if the process does not know the session with which it should continue. */
  readonly isForgotten: boolean;
  readonly turn: ClaudeTurn | null;
  readonly open: readonly ToolCall[];
  readonly approvals: readonly ClaudeApproval[];
  /** Cost of the process in USD. */
  readonly cost: number;
}

export const FRESH_CLAUDE_STATE: ClaudeCodeState = {
  ...FRESH_RPC_STATE,
  session: null,
  isForgotten: false,
  open: [],
  cost: 0,
};

/** The ids of control requests on the wire. */
export const CONTROL_ID = 'binnacle-';

/** Approvals and calls in a state of version 0.1. */
interface OlderState {
  readonly asked: readonly Omit<ClaudeApproval, 'id'>[];
  readonly takingBack: readonly { readonly request: string; readonly message: string }[];
}

/** Returns the state of an earlier link, perhaps of an older version. */
export function restoredClaude(state: object | undefined): Partial<ClaudeCodeState> {
  if (state === undefined || !('asked' in state)) return state ?? {};
  const { asked, takingBack, ...rest } = state as OlderState & Partial<ClaudeCodeState>;
  return {
    ...rest,
    approvals: asked.map((one) => ({ ...one, id: String(one.request) })),
    pending: takingBack.map(({ request, message }) => {
      return { id: Number(request.slice(CONTROL_ID.length)), method: 'cancel_async_message', message };
    }),
  };
}
