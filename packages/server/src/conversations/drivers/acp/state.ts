// The state of the link to an ACP agent, as plain JSON.

import type { ProcessOut } from '../driver.ts';
import type { RpcId } from '../json-rpc.ts';
import { FRESH_RPC_STATE, type JsonRpcLink, type RpcCall, type RpcState } from '../json-rpc-link.ts';
import type { StoredCall } from './tool-calls.ts';

/** A method that no agent knows and every agent answers. The answer arrives after all earlier output. */
export const SETTLED = '_binnacle/settled';

export interface AcpCall extends RpcCall {
  readonly method:
    | 'initialize'
    | 'session/new'
    | 'session/load'
    | 'session/resume'
    | 'session/set_config_option'
    | typeof SETTLED
    | 'session/prompt';
}

export type AcpRpc = JsonRpcLink<AcpState>;

/** The state of the link. Immutable: each change makes a new object. */
export interface AcpState extends RpcState {
  /** At most one request: each step waits for the previous one. */
  readonly pending: readonly AcpCall[];
  /** Capabilities of the agent; null before its answer to `initialize`. */
  readonly agent: { readonly loads: boolean; readonly resumes: boolean; readonly logins: readonly string[] } | null;
  /** Session of an earlier process, with which the agent should continue. */
  readonly memory: string | null;
  readonly session: string | null;
  /** True while the agent may still replay the messages of a loaded session. */
  readonly isSettling: boolean;
  /**
   * True if the session can take prompts. `modelOption`: the option that first has to select the model, if the config
   * names one.
   */
  readonly isReady: boolean;
  readonly modelOption: string | null;
  /** False until the instructions are sent: they precede the first prompt of a new session only. */
  readonly isInstructed: boolean;
  readonly turn: {
    readonly message: string;
    /** Text of the prompt; null once it is sent. */
    readonly text: string | null;
    readonly isCancelling: boolean;
  } | null;
  /** The message under way, and whether other events interrupted it. Null before the first text of a turn. */
  readonly saying: { readonly message: string | null; readonly broken: boolean } | null;
  readonly tools: readonly StoredCall[];
  readonly terminals: readonly AcpTerminal[];
  readonly questions: readonly TerminalQuestion[];
  /** Cost in USD since the session began. `before`: at the start of the turn; null if unknown. */
  readonly cost: { readonly before: number | null; readonly now: number | null };
  readonly approvalCount: number;
  readonly terminalCount: number;
}

export interface AcpTerminal {
  readonly ref: string;
  readonly limit: number;
  /** The request and its spec; null once the terminal is created. */
  readonly wanted: {
    readonly request: RpcId;
    readonly spec: Parameters<ProcessOut['terminals']['create']>[1];
    /** Bytes of the spec as JSON. */
    readonly bytes: number;
  } | null;
}

export interface TerminalQuestion {
  readonly request: RpcId;
  readonly ref: string;
  readonly asks: 'output' | 'exit';
}

export const FRESH_ACP_STATE: AcpState = {
  ...FRESH_RPC_STATE,
  agent: null,
  memory: null,
  session: null,
  isSettling: false,
  isReady: false,
  modelOption: null,
  isInstructed: false,
  saying: null,
  tools: [],
  terminals: [],
  questions: [],
  cost: { before: 0, now: 0 },
  approvalCount: 0,
  terminalCount: 0,
};

/** Returns the state of an earlier link. Until version 0.1 the request was stored as `asked`. */
export function restoredAcp(state: object | undefined): Partial<AcpState> {
  if (state === undefined || !('asked' in state)) return state ?? {};
  const { asked, ...rest } = state as { readonly asked: AcpCall | null } & Partial<AcpState>;
  return { ...rest, pending: asked === null ? [] : [asked] };
}
