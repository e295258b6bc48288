// The interface of an agent driver: how to launch an agent, and how to interpret its lines.

import type { ApprovalOption, Author, SteerMode, ToolCall, Usage } from '@binnacle/protocol';
import type { AgentConfig } from '../../config/schema.ts';

/** The settings of one agent in the config file, without those that the conversation handles. */
export interface AgentSettings
  extends Omit<AgentConfig, 'driver' | 'timeoutMs' | 'approvalTimeoutMs' | 'silenceMs' | 'visibility'> {
  readonly driver: string;
}

/** A message to the agent. */
export interface Prompt {
  readonly id: string;
  readonly text: string;
}

/** The end of a turn, in the agent's own terms. */
export type TurnEnd =
  | {
      readonly kind: 'done';
      /** The whole answer, if the agent repeats it at the end; otherwise the deltas count. */
      readonly text?: string;
      readonly stopReason?: string;
    }
  | { readonly kind: 'failed'; readonly message: string; readonly hint?: string }
  /** After `interrupt`. */
  | { readonly kind: 'cancelled' };

/**
 * The output of an agent. Everything belongs to the turn under way; output without a turn is dropped and counted. Call
 * only inside a call of `AgentLink` (or, in local drivers, while `run` is pending).
 */
export interface DriverOut {
  /** Appends to the answer (`said`, default) or to the thoughts. Ignores an empty text. */
  delta(text: string, stream?: 'said' | 'thought'): void;
  /** Replaces the whole text so far. */
  replace(text: string): void;
  /** Begins a new paragraph: two line breaks separate it from earlier text, if there is any. */
  paragraph(): void;
  /** Reports a new or changed tool call; the whole call each time. The receiver cuts long texts. */
  tool(call: ToolCall): void;
  /** Reports anything else for people: `plan`, `mode`, `status`, `note`; `retry` has the shape of `Retry`. */
  agent(name: string, data: unknown): void;
  usage(usage: Usage): void;
  /**
   * Requests an approval from a person. The answer arrives by `AgentLink.answer`, also after a timeout (then a `deny`
   * option).
   */
  approval(request: {
    readonly id: string;
    readonly title: string;
    readonly detail: string;
    readonly tool?: string;
    readonly options: readonly ApprovalOption[];
  }): void;
  /** Withdraws a request whose answer the agent no longer needs. */
  withdraw(approval: string): void;
  /** Reports that an injected message is now part of the turn. */
  delivered(message: string): void;
  ended(end: TurnEnd): void;
}

/** The output of a link to a process, which includes its stdin. */
export interface ProcessOut extends DriverOut {
  /**
   * Sends one line to stdin; the line break is added. The line is stored first, so that it is sent exactly once even if
   * the gateway is killed.
   */
  send(line: string): void;
  /** Ends stdin after everything sent so far. */
  endInput(): void;
  /** The terminals of an agent that has the gateway run its commands. */
  readonly terminals: AgentTerminals;
}

/**
 * Sessions in which an agent's commands run. The link chooses `ref`, unique in the life of the process; a repeated
 * `create` with the same ref after a restart returns the same terminal. Answers arrive later by `AgentLink.terminal`.
 */
export interface AgentTerminals {
  create(
    ref: string,
    spec: {
      readonly command: string;
      readonly args: readonly string[];
      readonly cwd?: string;
      readonly env?: Readonly<Record<string, string>>;
    },
  ): void;
  /** Returns the session id of a terminal: deterministic, and known at once. */
  sessionOf(ref: string): string;
  /** Requests the output so far, at most `limit` bytes from the end. Answered by `output`. */
  output(ref: string, question: string, limit: number): void;
  /** Answered by `exited` after the exit. */
  waitForExit(ref: string, question: string): void;
  kill(ref: string): void;
  /** Ends the program if it runs. The log stays. */
  release(ref: string): void;
}

export type TerminalAnswer =
  | { readonly kind: 'created'; readonly ref: string }
  | { readonly kind: 'failed'; readonly ref: string; readonly message: string }
  | {
      readonly kind: 'output';
      readonly ref: string;
      readonly question: string;
      readonly text: string;
      readonly truncated: boolean;
      readonly exit: { readonly exitCode: number | null; readonly signal: string | null } | null;
    }
  | {
      readonly kind: 'exited';
      readonly ref: string;
      readonly question: string;
      readonly exit: { readonly exitCode: number | null; readonly signal: string | null };
    };

/**
 * The exchange with one agent process. A link stores all that it needs to know in `state`, so that a new gateway can
 * continue with the same process: it makes a link with the `state` of the old one and feeds it the lines that follow. A
 * link does no I/O, has no timer and reads no clock; the same calls give the same state.
 */
export interface AgentLink {
  /** Plain JSON, small (below 64 KiB). Read after every call. */
  readonly state: object;
  /** True until the agent passes the message of the turn to its model. Default: false. */
  readonly isStarting?: boolean;
  /** Begins a turn. Called only when no turn is under way. */
  prompt(prompt: Prompt): void;
  /** Injects a message into the turn under way. Called only if the driver's `steer` has `inject`. */
  inject?(prompt: Prompt): void;
  /** Requests the end of the turn. If the turn has not ended within a grace time, the process is ended. */
  interrupt(): void;
  /** Answers a request. `option`: id of one of its options. */
  answer(approval: string, option: string): void;
  terminal?(answer: TerminalAnswer): void;
  /** Handles one line of stdout, without its line break. Throws `agent_protocol` if the link cannot continue. */
  line?(line: string): void;
  /** Handles output, instead of `line`, if `reads` is `text`. Characters are never split. */
  text?(text: string): void;
  /**
   * Set while the link waits for quiet: `quiet` is called after this many ms without output, and after a maximum time
   * in any case. Default: no wait.
   */
  readonly quietMs?: number | undefined;
  quiet?(): void;
  /** Continues in a new gateway: repeats unanswered requests (terminals). Nothing else was lost. */
  resumed?(): void;
  /** Handles the exit of the process. May end the turn; otherwise the turn ends as `agent_died`. */
  exited?(how: { readonly exitCode: number | null; readonly signal: string | null; readonly stderr: string }): void;
}

export interface DriverTraits {
  readonly name: string;
  /** Modes for a message that arrives during a run. Always includes `queue`. */
  readonly steer: readonly SteerMode[];
  /** True if the agent may request approvals. */
  readonly approvals: boolean;
}

/** A driver for agents that are programs. The process is a session on pipes, which outlives the gateway. */
export interface ProcessDriver extends DriverTraits {
  readonly kind: 'process';
  readonly reads: 'lines' | 'text';
  /** One process for all turns of a conversation, or one per turn. */
  readonly life: 'conversation' | 'turn';
  /**
   * Returns the program and its arguments. `memory`: the result of `memoryOf` for the previous process. With life
   * `turn`, `prompt` is the message of the turn. Throws `bad_request`, which names missing settings.
   */
  launch(
    agent: AgentSettings,
    parts: { readonly memory: string | null; readonly prompt: Prompt },
  ): { readonly argv: readonly string[]; readonly env?: Readonly<Record<string, string>> };
  /**
   * Makes a link. `state`: from an earlier link to the same process, or undefined for a new process; the link then
   * greets it (`initialize`, …) in its first `prompt`, never in the constructor.
   */
  link(
    agent: AgentSettings,
    out: ProcessOut,
    parts: { readonly state: object | undefined; readonly memory: string | null; readonly cwd: string },
  ): AgentLink;
  /** Returns what a later process needs to continue this one (the agent's own session id), or null. */
  memoryOf(state: object): string | null;
}

/** A tool that a plugin offers to an agent inside the gateway. All its texts are the plugin's. */
export interface TurnTool {
  /** A-Z, a-z, 0-9, `_` and `-`, at most 64 characters. */
  readonly name: string;
  readonly title: string | undefined;
  readonly description: string;
  /** JSON Schema of an object. */
  readonly input: Readonly<Record<string, unknown>>;
}

export interface TurnTools {
  /** Returns the tools on offer now. */
  list(): readonly TurnTool[];
  /**
   * Calls a tool, within about 30 s. Rejects with an error that the agent may see, including `vetoed`. Does not begin
   * after an abort.
   */
  call(name: string, input: unknown, signal: AbortSignal): Promise<string>;
}

export interface LocalTurn extends Prompt {
  readonly tools: TurnTools;
  /** Earlier messages, oldest first. */
  readonly history: readonly { readonly role: 'user' | 'assistant'; readonly text: string }[];
  readonly by: Author;
  /** Returns the chosen option of a request made by `out.approval`. Never settles if the turn ends first. */
  answerOf(approval: string): Promise<string>;
}

/** A driver for agents inside the gateway, or behind HTTP: their turns end with the gateway. */
export interface LocalDriver extends DriverTraits {
  readonly kind: 'local';
  /** Runs one turn. Calls `out.ended` once, or throws; `signal` is aborted together with the turn. */
  run(agent: AgentSettings, turn: LocalTurn, out: DriverOut, signal: AbortSignal): Promise<void>;
}

export type Driver = ProcessDriver | LocalDriver;
