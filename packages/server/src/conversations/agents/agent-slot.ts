// The agent of one conversation: carries out what the turns ask of it, and has the memory of its process.

import type { Author } from '@binnacle/protocol';
import type { RunRecord } from '../../store/conversations.ts';
import type { Driver, Prompt } from '../drivers/driver.ts';
import type { DriverMark } from '../state/transcript.ts';
import type { Agent, AgentEvents, AgentKind, AgentMade, ProcessMemory } from './agent.ts';
import { type CommandCall, commandAgent } from './chat-command.ts';
import type { Effect } from './effects.ts';

/** Requests of the turns to the agent that has the turn. `lend`: a command takes the turn, and the agent does not learn of it. */
export type AgentEffect =
  | { readonly kind: 'begin'; readonly agent: AgentKind; readonly prompt: Prompt }
  | { readonly kind: 'lend'; readonly call: CommandCall; readonly by: Author; readonly prompt: Prompt }
  | { readonly kind: 'inject'; readonly prompt: Prompt }
  | { readonly kind: 'answer'; readonly approval: string; readonly option: string }
  | { readonly kind: 'interrupt' };

/** Source of a report: the agent, or the stand-in that has one turn. */
export type AgentSource = 'agent' | 'stand_in';

/** The conversation as its agents see it, see `AgentEvents`. */
export interface AgentReports {
  commit(source: AgentSource, effects: readonly Effect[], mark?: Omit<DriverMark, 'carry'>): void;
  failed(source: AgentSource, ...error: Parameters<AgentEvents['failed']>): void;
  free(): void;
  /** Stores the memory of the process, with its place in the log. */
  remember(process: Omit<ProcessMemory, 'place'>): ProcessMemory;
}

export interface AgentSlotParts {
  /** Id and key of the conversation, and the name of its agent. */
  readonly conversation: { readonly id: string; readonly key: string; readonly agent: string };
  readonly reports: AgentReports;
  readonly memory: ProcessMemory | null;
}

/** Result for a run that an earlier gateway left: it continues, begins again, or is lost. */
export type ResumeOutcome = 'goes_on' | 'begins' | 'lost';

export class AgentSlot {
  readonly #parts: AgentSlotParts;
  #taken: { readonly made: AgentMade; readonly version: string; readonly kind: Driver['kind'] } | undefined;
  /** Stand-in for the agent during one turn. */
  #standIn: Agent | undefined;
  #isFree = true;
  #memory: ProcessMemory | null;

  constructor(parts: AgentSlotParts) {
    this.#parts = parts;
    this.#memory = parts.memory;
  }

  /** The agent, or the stand-in, that has the turn. */
  get agent(): Agent | undefined {
    return this.#standIn ?? this.#taken?.made.agent;
  }

  /** Id of the session of the agent's process. */
  get session(): string | null {
    return this.#taken?.made.agent.session ?? null;
  }

  /** True if a turn can begin. */
  get isFree(): boolean {
    return this.#isFree && this.#standIn === undefined;
  }

  /**
   * True if the agent is a process: it outlives the gateway, and each answer is stored together with the line that
   * sends it.
   */
  get isProcess(): boolean {
    return this.#standIn === undefined && this.#taken?.kind === 'process';
  }

  /** Place of the stored memory: marks in the log after this place are newer. */
  get memoryPlace(): number {
    return this.#memory?.place ?? 0;
  }

  carryOut(effect: AgentEffect): void {
    switch (effect.kind) {
      case 'begin': {
        const { agent } = this.#take(effect.agent);
        this.#isFree = false;
        agent.begin(effect.prompt);
        return;
      }
      case 'lend': {
        const { key, agent } = this.#parts.conversation;
        const { call, by, prompt } = effect;
        this.#standIn = commandAgent(call, { conversation: key, agent, by, events: this.#eventsFrom('stand_in') });
        this.#standIn.begin(prompt);
        return;
      }
      case 'inject':
        this.agent?.inject(effect.prompt);
        return;
      case 'answer':
        this.agent?.answer(effect.approval, effect.option);
        return;
      case 'interrupt':
        this.agent?.interrupt();
        return;
    }
  }

  /** Continues with an agent that an earlier gateway left, in the middle of `running` or between turns. */
  resume(kind: AgentKind | undefined, running: RunRecord | undefined, marks: readonly DriverMark[]): ResumeOutcome {
    if (kind === undefined || kind.driver.kind === 'local') return 'lost';
    const session = marks.at(-1)?.session ?? this.#memory?.session ?? undefined;
    // The gateway was killed between the start of the run and the first line to the agent.
    if (session === undefined) return 'begins';
    const made = this.#take(kind);
    this.#isFree = running === undefined;
    const own = marks.filter((mark) => mark.session === session);
    if (made.resume?.(this.#memoryOf(session), own, running !== undefined) !== true) {
      this.#isFree = true;
      return 'lost';
    }
    // A run was aborted shortly before. When its process has settled is unknown, so that process gets no further run.
    if (running === undefined && marks.length > 0) {
      this.#taken = undefined;
      void made.agent.close(true);
    }
    return 'goes_on';
  }

  async close(ends: boolean): Promise<void> {
    await Promise.all([this.#standIn?.close(true), this.#taken?.made.agent.close(ends)]);
  }

  /** Returns the current agent, or a new one if its settings have changed. */
  #take(kind: AgentKind): AgentMade {
    if (this.#taken?.version === kind.version) return this.#taken.made;
    void this.#taken?.made.agent.close(true);
    const made = kind.make(this.#parts.conversation.id, this.#eventsFrom('agent'), this.#memory?.memory ?? null);
    this.#taken = { made, version: kind.version, kind: kind.driver.kind };
    return made;
  }

  #eventsFrom(source: AgentSource): AgentEvents {
    const { reports } = this.#parts;
    return {
      commit: (effects, mark) => reports.commit(source, effects, mark),
      failed: (error) => reports.failed(source, error),
      free: () => {
        if (source === 'agent') this.#isFree = true;
        else this.#standIn = undefined;
        reports.free();
      },
      remember: (process) => {
        if (source === 'agent') this.#memory = reports.remember(process);
      },
    };
  }

  /** Returns the memory of that process. For a newer process only `memory`, from the process before, applies. */
  #memoryOf(session: string): ProcessMemory & { readonly session: string } {
    const known = this.#memory;
    if (known !== null && known.session === session) return { ...known, session };
    return { session, offset: 0, n: 0, state: null, memory: known?.memory ?? null, place: 0 };
  }
}
