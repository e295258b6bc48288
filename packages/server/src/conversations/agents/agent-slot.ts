// The agent of one conversation: the one that is in use, whether it is free, and what is known of its process.

import type { RunRecord } from '../../store/conversations.ts';
import type { Driver, Prompt } from '../drivers/driver.ts';
import type { DriverMark } from '../state/transcript.ts';
import type { Agent, AgentKind, AgentMade, ProcessMemory, Told } from './agent.ts';

export interface SeatParts {
  /** Id of the conversation. */
  readonly conversation: string;
  readonly told: Told;
  readonly memory: ProcessMemory | null;
}

/** What became of a run that an earlier gateway left: it goes on, begins again, or cannot. */
export type Left = 'goes_on' | 'begins' | 'lost';

export class Seat {
  readonly #parts: SeatParts;
  #taken: { readonly made: AgentMade; readonly version: string; readonly kind: Driver['kind'] } | undefined;
  /** Sits in for the agent for one turn. */
  #guest: Agent | undefined;
  #isFree = true;
  #memory: ProcessMemory | null;

  constructor(parts: SeatParts) {
    this.#parts = parts;
    this.#memory = parts.memory;
  }

  /** Whoever has the turn. */
  get agent(): Agent | undefined {
    return this.#guest ?? this.#taken?.made.agent;
  }

  /** The session that the agent's process is. */
  get session(): string | null {
    return this.#taken?.made.agent.session ?? null;
  }

  /** A turn can begin. */
  get isFree(): boolean {
    return this.#isFree && this.#guest === undefined;
  }

  /** Its process outlives the gateway, and what it is told is kept with the line that tells it. */
  get isProcess(): boolean {
    return this.#guest === undefined && this.#taken?.kind === 'process';
  }

  /** Marks in the log behind this place are newer than what is remembered. */
  get memoryPlace(): number {
    return this.#memory?.place ?? 0;
  }

  begin(kind: AgentKind, prompt: Prompt): void {
    const { agent } = this.#take(kind);
    this.#isFree = false;
    agent.begin(prompt);
  }

  /** Of one turn. The agent hears nothing of it, and its process goes on as it was. */
  lend(guest: Agent, prompt: Prompt): void {
    this.#guest = guest;
    guest.begin(prompt);
  }

  guestLeft(): void {
    this.#guest = undefined;
  }

  /** The agent says that it is free. */
  free(): void {
    this.#isFree = true;
  }

  remember(memory: ProcessMemory): void {
    this.#memory = memory;
  }

  /** Goes on with what an earlier gateway left of the agent, in the middle of `running`, or between turns. */
  resume(kind: AgentKind | undefined, running: RunRecord | undefined, marks: readonly DriverMark[]): Left {
    if (kind === undefined || kind.driver.kind === 'local') return 'lost';
    const session = marks.at(-1)?.session ?? this.#memory?.session ?? undefined;
    // Killed between the start of the run and the first word to the agent.
    if (session === undefined) return 'begins';
    const made = this.#take(kind);
    this.#isFree = running === undefined;
    const own = marks.filter((mark) => mark.session === session);
    if (made.resume?.(this.#memoryOf(session), own, running !== undefined) !== true) {
      this.#isFree = true;
      return 'lost';
    }
    // A run that was aborted a moment before: nobody knows when it has settled, so its process gets no second one.
    if (running === undefined && marks.length > 0) {
      this.#taken = undefined;
      void made.agent.close(true);
    }
    return 'goes_on';
  }

  async close(ends: boolean): Promise<void> {
    await Promise.all([this.#guest?.close(true), this.#taken?.made.agent.close(ends)]);
  }

  /** The one of before, unless its settings are others now. */
  #take(kind: AgentKind): AgentMade {
    if (this.#taken?.version === kind.version) return this.#taken.made;
    void this.#taken?.made.agent.close(true);
    const { conversation, told } = this.#parts;
    const made = kind.make(conversation, told, this.#memory?.memory ?? null);
    this.#taken = { made, version: kind.version, kind: kind.driver.kind };
    return made;
  }

  /** What is remembered of that process; of one that is newer, only what it was told of the one before. */
  #memoryOf(session: string): ProcessMemory & { readonly session: string } {
    const known = this.#memory;
    if (known !== null && known.session === session) return { ...known, session };
    return { session, offset: 0, n: 0, state: null, memory: known?.memory ?? null, place: 0 };
  }
}
