// The slot for the agent of one conversation: the current agent, whether it is free, and the memory of its process.

import type { RunRecord } from '../../store/conversations.ts';
import type { Driver, Prompt } from '../drivers/driver.ts';
import type { DriverMark } from '../state/transcript.ts';
import type { Agent, AgentEvents, AgentKind, AgentMade, ProcessMemory } from './agent.ts';

export interface AgentSlotParts {
  /** Id of the conversation. */
  readonly conversation: string;
  readonly events: AgentEvents;
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

  begin(kind: AgentKind, prompt: Prompt): void {
    const { agent } = this.#take(kind);
    this.#isFree = false;
    agent.begin(prompt);
  }

  /** Lends one turn to a stand-in. The agent does not learn of the turn, and its process continues unchanged. */
  lend(standIn: Agent, prompt: Prompt): void {
    this.#standIn = standIn;
    standIn.begin(prompt);
  }

  standInEnded(): void {
    this.#standIn = undefined;
  }

  /** Marks the agent as free. */
  free(): void {
    this.#isFree = true;
  }

  remember(memory: ProcessMemory): void {
    this.#memory = memory;
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
    const { conversation, events } = this.#parts;
    const made = kind.make(conversation, events, this.#memory?.memory ?? null);
    this.#taken = { made, version: kind.version, kind: kind.driver.kind };
    return made;
  }

  /** Returns the memory of that process. For a newer process only `memory`, from the process before, applies. */
  #memoryOf(session: string): ProcessMemory & { readonly session: string } {
    const known = this.#memory;
    if (known !== null && known.session === session) return { ...known, session };
    return { session, offset: 0, n: 0, state: null, memory: known?.memory ?? null, place: 0 };
  }
}
