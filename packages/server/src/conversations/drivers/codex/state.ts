// All that the link to Codex needs to know, as plain JSON. Knows no line.

import type { ToolCall } from '@binnacle/protocol';
import type { RpcId } from '../json-rpc.ts';

export type Method = 'initialize' | 'thread/start' | 'thread/resume' | 'turn/start' | 'turn/steer' | 'turn/interrupt';

export interface Steer {
  readonly message: string;
  /** Until it is sent. */
  readonly text: string | null;
  readonly isAccepted: boolean;
}

export interface CodexTurn {
  readonly message: string;
  /** Until it is sent. */
  readonly text: string | null;
  /** Codex's own, once it has told. */
  readonly id: string | null;
  readonly isCancelling: boolean;
  readonly steers: readonly Steer[];
  /** The message that is being told, and how much of it was. */
  readonly saying: { readonly item: string; readonly chars: number } | null;
  /** The thought that is being told; some models give it in full (`text`), some in summary, some both. */
  readonly thinking: { readonly item: string; readonly how: 'text' | 'summary' } | null;
  /** Of the whole thread, before this turn; null where that is not known yet. */
  readonly before: Tokens | null;
}

export interface Tokens {
  readonly input: number;
  readonly output: number;
}

/** A request that waits for somebody's answer. `answers`: the result for each option. */
export interface Asked {
  readonly id: string;
  readonly request: RpcId;
  readonly answers: Readonly<Record<string, object>>;
  /** Of the answers, as JSON. */
  readonly bytes: number;
}

/** Replaced, never changed. */
export interface CodexState {
  readonly nextId: number;
  /** Our requests that have no answer yet. `message`: of a steer. */
  readonly pending: readonly { readonly id: number; readonly method: Method; readonly message?: string }[];
  readonly isGreeted: boolean;
  readonly thread: string | null;
  /** It has had a turn: before that Codex keeps nothing of it. */
  readonly isUsed: boolean;
  readonly turn: CodexTurn | null;
  /** Commands that run, with the last of what they said; deltas come without the rest. */
  readonly running: readonly { readonly call: ToolCall; readonly shown: number; readonly hidden: number }[];
  readonly approvals: readonly Asked[];
  /** Of the whole thread. */
  readonly tokens: Tokens | null;
  /** Requests of this turn that were answered with no, because nobody could be asked. */
  readonly refused: number;
  readonly rubbish: number;
}

export const FRESH: CodexState = {
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
