// What an agent is to us: how to launch it, and what its lines mean. Knows no log, no queue and no viewer.

import type { ApprovalOption, Author, SteerMode, ToolCall, Usage } from '@binnacle/protocol';
import type { AgentConfig } from '../../config/schema.ts';

/** One agent of the config file, as its driver sees it: without what the conversation looks after. */
export interface AgentSettings
  extends Omit<AgentConfig, 'driver' | 'timeoutMs' | 'approvalTimeoutMs' | 'silenceMs' | 'visibility'> {
  readonly driver: string;
}

/** One message on its way to the agent. */
export interface Prompt {
  readonly id: string;
  readonly text: string;
}

/** How a turn ended, in the agent's own terms. */
export type TurnEnd =
  | {
      readonly kind: 'done';
      /** The whole answer, where the agent repeats it at the end; else what was told by deltas counts. */
      readonly text?: string;
      readonly stopReason?: string;
    }
  | { readonly kind: 'failed'; readonly message: string; readonly hint?: string }
  /** After `interrupt`. */
  | { readonly kind: 'cancelled' };

/**
 * What an agent tells. Everything is about the turn that is under way; what comes when none is, is dropped and counted.
 * May be called only inside of a call of `AgentLink` (or, by local drivers, while `run` is pending).
 */
export interface Out {
  /** More of the answer (`said`, default) or of its thoughts. Nothing is done for an empty text. */
  delta(text: string, stream?: 'said' | 'thought'): void;
  /** What was said so far was wrong: this is all of it. */
  replace(text: string): void;
  /** What comes next is another paragraph: two line breaks are put between, if anything was said before. */
  paragraph(): void;
  /** A tool call began, or is another than it was. The whole of it each time; long texts are cut by the receiver. */
  tool(call: ToolCall): void;
  /** Anything else for people: `plan`, `mode`, `status`, `note`; `retry` has the shape of `Retry`. */
  agent(name: string, data: unknown): void;
  usage(usage: Usage): void;
  /** Asks a person. The answer comes by `AgentLink.answer`, also when time runs out (then with a `deny` option). */
  approval(asked: {
    readonly id: string;
    readonly title: string;
    readonly detail: string;
    readonly tool?: string;
    readonly options: readonly ApprovalOption[];
  }): void;
  /** The agent does not want the answer any more. */
  withdraw(approval: string): void;
  /** A message that was injected is part of the turn now. */
  delivered(message: string): void;
  ended(end: TurnEnd): void;
}

/** What a link to a process has besides: its stdin. */
export interface ProcessOut extends Out {
  /**
   * One line to its stdin; the line break is added. Kept before it is sent, so that it is sent exactly once whatever
   * happens to the gateway.
   */
  send(line: string): void;
  /** No more input will come: ends its stdin behind what was sent. */
  endInput(): void;
  /** Its terminals, for agents that ask us to run commands. */
  readonly terminals: AgentTerminals;
}

/**
 * Sessions in which an agent's commands run. `ref` is chosen by the link and unique in the life of the process; asking
 * again with the same ref after a restart gives the same terminal. Answers come by `AgentLink.terminal`, later.
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
  /** The id of the session of a terminal that was created: deterministic, known at once. */
  sessionOf(ref: string): string;
  /** Its output so far, at most `limit` bytes from the end. Answers `output`. */
  output(ref: string, question: string, limit: number): void;
  /** Answers `exited` once it has. */
  waitForExit(ref: string, question: string): void;
  kill(ref: string): void;
  /** Ends it if it runs; its log stays. */
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
 * The talk with one agent process. It keeps all that it needs to know in `state`, so that a new gateway can go on with
 * the same process: it makes a link with the `state` of the old one and feeds it the lines that follow. A link does no
 * I/O, keeps no timer and asks no clock; the same calls give the same state.
 */
export interface AgentLink {
  /** Plain JSON, small (below 64 KiB). Looked at after every call. */
  readonly state: object;
  /** True until the agent hands the message of the turn to its model. Default: false. */
  readonly isStarting?: boolean;
  /** Begins a turn. Called only when none is under way. */
  prompt(prompt: Prompt): void;
  /** Hands a message into the turn that is under way; only where the driver's `steer` has `inject`. */
  inject?(prompt: Prompt): void;
  /** Asks to end the turn. If it has not ended within a grace, the process is ended. */
  interrupt(): void;
  /** `option`: the id of one of the options of the request. */
  answer(approval: string, option: string): void;
  terminal?(answer: TerminalAnswer): void;
  /** One line of stdout, without its line break. Throws `agent_protocol` when it cannot go on. */
  line?(line: string): void;
  /** Instead of `line`, where `reads` is `text`: what stdout gave, never inside a character. */
  text?(text: string): void;
  /**
   * While it waits for quiet before it goes on: after so many ms in which it was told nothing `quiet` is called, and after
   * a longest time all the same. Default: it does not wait.
   */
  readonly quietMs?: number | undefined;
  quiet?(): void;
  /** A new gateway goes on with it: asks again for what had no answer (terminals). Nothing was lost otherwise. */
  resumed?(): void;
  /** The process has ended. May end the turn; if it does not, the turn ends as `agent_died`. */
  exited?(how: { readonly exitCode: number | null; readonly signal: string | null; readonly stderr: string }): void;
}

export interface DriverTraits {
  readonly name: string;
  /** What it can do with a message while a run is under way. `queue` always. */
  readonly steer: readonly SteerMode[];
  /** It may ask for approvals. */
  readonly approvals: boolean;
}

/** An agent that is a program. Its process is a session on pipes, which outlives the gateway. */
export interface ProcessDriver extends DriverTraits {
  readonly kind: 'process';
  readonly reads: 'lines' | 'text';
  /** One process for all turns of a conversation, or one for each turn. */
  readonly life: 'conversation' | 'turn';
  /**
   * The program and its arguments. `memory`: what `memoryOf` said of the process before. With life `turn`, `prompt` is
   * what the turn begins with. Throws `bad_request` when the settings do not suffice, naming what is missing.
   */
  launch(
    agent: AgentSettings,
    parts: { readonly memory: string | null; readonly prompt: Prompt },
  ): { readonly argv: readonly string[]; readonly env?: Readonly<Record<string, string>> };
  /**
   * `state` of an earlier link to the same process, or undefined for a new process: then the link greets it
   * (`initialize`, …) in its first `prompt`, never in the constructor.
   */
  link(
    agent: AgentSettings,
    out: ProcessOut,
    parts: { readonly state: object | undefined; readonly memory: string | null; readonly cwd: string },
  ): AgentLink;
  /** What a later process needs to remember this one (the agent's own session id), or null. */
  memoryOf(state: object): string | null;
}

/** Offered to an agent inside of the gateway. All that it says is the words of whoever offers it. */
export interface TurnTool {
  /** A-Z, a-z, 0-9, `_` and `-`, 64 at most. */
  readonly name: string;
  readonly title: string | undefined;
  readonly description: string;
  /** JSON Schema of an object. */
  readonly input: Readonly<Record<string, unknown>>;
}

export interface TurnTools {
  /** Those that are offered now. */
  list(): readonly TurnTool[];
  /** Within some 30 s. Rejects with what the agent may be told, also with `vetoed`. Nothing begins once it is aborted. */
  call(name: string, input: unknown, signal: AbortSignal): Promise<string>;
}

export interface LocalTurn extends Prompt {
  readonly tools: TurnTools;
  /** What was said before, oldest first. */
  readonly history: readonly { readonly role: 'user' | 'assistant'; readonly text: string }[];
  readonly by: Author;
  /** The option that was chosen for a request made by `out.approval`. Never settles where the turn ends before. */
  answerOf(approval: string): Promise<string>;
}

/** An agent inside of the gateway, or behind HTTP: its turns end with the gateway. */
export interface LocalDriver extends DriverTraits {
  readonly kind: 'local';
  /** One turn. `out.ended` is called once, or it throws; `signal` is aborted when the turn is. */
  run(agent: AgentSettings, turn: LocalTurn, out: Out, signal: AbortSignal): Promise<void>;
}

export type Driver = ProcessDriver | LocalDriver;
