// An agent as its conversation sees it, whether it is a process or not.

import type { BinnacleError } from '@binnacle/protocol';
import type { Driver, Prompt } from '../drivers/driver.ts';
import type { DriverMark } from '../state/transcript.ts';
import type { Effect } from './effects.ts';
import type { WatchedTimes } from './turn-watch.ts';

export interface Agent {
  /** The session that its process is, while there is one. */
  readonly session: string | null;
  /** True until the agent takes the message of the turn: its program, or its session, is being made. */
  readonly isStarting: boolean;
  /** Begins a turn; only when the agent is free. What goes wrong comes by `failed`. */
  begin(prompt: Prompt): void;
  /** Hands a message into the turn. */
  inject(prompt: Prompt): void;
  /** Ends the turn, politely first. `free` comes when it has ended, by force if need be. */
  interrupt(): void;
  answer(approval: string, option: string): void;
  /** Lets go of it. `ends`: whatever runs of it is ended, too; else it goes on without us, if it can. */
  close(ends: boolean): Promise<void>;
}

/** The conversation as its agent sees it. */
export interface Told {
  /**
   * Keeps what was told, together with how far the talk has come. `mark` is undefined for agents that no restart can go
   * on with. Throws `disk_full`; then nothing was kept, and it must be told again.
   */
  commit(effects: readonly Effect[], mark?: Omit<DriverMark, 'carry'>): void;
  /** The turn that is under way ends so, if there is one. Never throws: what cannot be kept is tried again. */
  failed(error: BinnacleError): void;
  /** The agent can begin a turn. May come in the turn of any call. */
  free(): void;
  /** What a later gateway must know of the process while no run is under way. */
  remember(process: Omit<ProcessMemory, 'place'>): void;
}

export interface ProcessMemory {
  /** Null: it has ended; only what it remembers is left. */
  readonly session: string | null;
  readonly offset: number;
  readonly n: number;
  readonly state: object | null;
  /** For the next process; see `ProcessDriver.memoryOf`. */
  readonly memory: string | null;
  /** Place in the conversation's log; marks behind it are newer. */
  readonly place: number;
}

/** One agent of the config, ready to be used. */
export interface AgentKind {
  readonly driver: Driver;
  /** Changes when its settings do. */
  readonly version: string;
  /** Milliseconds; 0: none. */
  readonly timeoutMs: number;
  readonly approvalMs: number;
  readonly silence: WatchedTimes;
  /** `conversation`: its id. `memory`: what the process before remembered, see `ProcessDriver.memoryOf`. */
  make(conversation: string, told: Told, memory: string | null): AgentMade;
}

export interface AgentMade {
  readonly agent: Agent;
  /** Goes on with a process of an earlier gateway; false: there is none any more. */
  resume?(
    memory: ProcessMemory & { readonly session: string },
    marks: readonly DriverMark[],
    isInTurn: boolean,
  ): boolean;
}
