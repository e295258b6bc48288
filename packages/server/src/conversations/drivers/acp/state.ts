// All that the link to an ACP agent needs to know, as plain JSON. Knows no line.

import type { ProcessOut } from '../driver.ts';
import type { RpcId } from '../json-rpc.ts';
import type { KeptCall } from './tool-calls.ts';

/** A question that no agent knows, and that every agent answers so: behind its answer nothing is left of what came before. */
export const SETTLED = '_binnacle/settled';

export type Asked =
  | 'initialize'
  | 'session/new'
  | 'session/load'
  | 'session/resume'
  | 'session/set_config_option'
  | typeof SETTLED
  | 'session/prompt';

/** All that the link needs to know. Replaced, never changed. */
export interface AcpState {
  readonly nextId: number;
  /** Our one request that has no answer yet: each step waits for the one before. */
  readonly asked: { readonly id: number; readonly method: Asked } | null;
  /** What it can, once it has said so. */
  readonly agent: { readonly loads: boolean; readonly resumes: boolean; readonly logins: readonly string[] } | null;
  /** Of an earlier process: the session that it is to go on with. */
  readonly memory: string | null;
  readonly session: string | null;
  /** A session was loaded, and the agent may still tell what was said in it. */
  readonly isSettling: boolean;
  /** Of a session that can take prompts. Before: the option that chooses its model, if one was asked for. */
  readonly isReady: boolean;
  readonly modelOption: string | null;
  /** The instructions go before the first prompt of a new session. */
  readonly isInstructed: boolean;
  readonly turn: {
    readonly message: string;
    /** Until it is sent. */
    readonly text: string | null;
    readonly isCancelling: boolean;
  } | null;
  /** The message that is being told, and whether something came between. Null before the first word of a turn. */
  readonly saying: { readonly message: string | null; readonly broken: boolean } | null;
  readonly tools: readonly KeptCall[];
  readonly approvals: readonly { readonly id: string; readonly request: RpcId }[];
  readonly terminals: readonly Terminal[];
  readonly questions: readonly Question[];
  /** In USD, since the session began; `before`: at the begin of the turn, null where that is not known. */
  readonly cost: { readonly before: number | null; readonly now: number | null };
  readonly approvalCount: number;
  readonly terminalCount: number;
  /** Requests of this turn that were answered with an error. */
  readonly refused: number;
  readonly rubbish: number;
}

export interface Terminal {
  readonly ref: string;
  readonly limit: number;
  /** Until it was created: what was asked for, and by which request. */
  readonly wanted: {
    readonly request: RpcId;
    readonly spec: Parameters<ProcessOut['terminals']['create']>[1];
    /** Of the spec, as JSON. */
    readonly bytes: number;
  } | null;
}

export interface Question {
  readonly request: RpcId;
  readonly ref: string;
  readonly asks: 'output' | 'exit';
}

export const FRESH: AcpState = {
  nextId: 1,
  asked: null,
  agent: null,
  memory: null,
  session: null,
  isSettling: false,
  isReady: false,
  modelOption: null,
  isInstructed: false,
  turn: null,
  saying: null,
  tools: [],
  approvals: [],
  terminals: [],
  questions: [],
  cost: { before: 0, now: 0 },
  approvalCount: 0,
  terminalCount: 0,
  refused: 0,
  rubbish: 0,
};
