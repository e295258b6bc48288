// An agent as its conversation sees it: a process or not.

import type { BinnacleError } from '@binnacle/protocol';
import type { Driver, Prompt } from '../drivers/driver.ts';
import type { DriverMark } from '../state/transcript.ts';
import type { Effect } from './effects.ts';
import type { TurnWatchTimes } from './turn-timers.ts';

export interface Agent {
  /** Id of the session of the agent's process; null without a process. */
  readonly session: string | null;
  /** True until the agent accepts the message of the turn: its program, or its session, is being started. */
  readonly isStarting: boolean;
  /** Begins a turn. Call only when the agent is free. Errors arrive by `failed`. */
  begin(prompt: Prompt): void;
  /** Injects a message into the turn. */
  inject(prompt: Prompt): void;
  /** Ends the turn, by a request first. `free` follows when the turn has ended, by force if necessary. */
  interrupt(): void;
  answer(approval: string, option: string): void;
  /**
   * Releases the agent. `ends`: everything that runs for it is ended, too; otherwise it continues without the gateway
   * if it can.
   */
  close(ends: boolean): Promise<void>;
}

/** The conversation as its agent sees it. */
export interface AgentEvents {
  /**
   * Stores effects together with the progress of the exchange. `mark` is undefined for agents that cannot continue
   * after a restart. Throws `disk_full`; nothing was stored then, and the caller must repeat the effects.
   */
  commit(effects: readonly Effect[], mark?: Omit<DriverMark, 'carry'>): void;
  /** Ends the turn under way, if there is one, with an error. Never throws: a failed write is retried. */
  failed(error: BinnacleError): void;
  /** Reports that the agent can begin a turn. May be called inside any call of the agent. */
  free(): void;
  /** Stores the state of the process that a later gateway needs while no run is under way. */
  remember(process: Omit<ProcessMemory, 'place'>): void;
}

export interface ProcessMemory {
  /** Null after the end of the process; only `memory` is left then. */
  readonly session: string | null;
  readonly offset: number;
  readonly n: number;
  readonly state: object | null;
  /** Memory for the next process; see `ProcessDriver.memoryOf`. */
  readonly memory: string | null;
  /** Place in the conversation's log; marks after this place are newer. */
  readonly place: number;
}

/** An agent of the config, ready for use. */
export interface AgentKind {
  readonly driver: Driver;
  /** Hash of the settings: another version has other settings. */
  readonly version: string;
  /** Milliseconds; 0: no limit. */
  readonly timeoutMs: number;
  readonly approvalMs: number;
  readonly silence: TurnWatchTimes;
  /**
   * Makes the agent for a conversation. `conversation`: its id. `memory`: from the process before, see
   * `ProcessDriver.memoryOf`.
   */
  make(conversation: string, events: AgentEvents, memory: string | null): AgentMade;
}

export interface AgentMade {
  readonly agent: Agent;
  /** Continues with a process of an earlier gateway. Returns false if the process no longer exists. */
  resume?(
    memory: ProcessMemory & { readonly session: string },
    marks: readonly DriverMark[],
    isInTurn: boolean,
  ): boolean;
}
