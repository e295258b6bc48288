// Agents that are programs: launches and ends their processes, one life after the other, as the turns require.

import { BinnacleError, type SessionId } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { AgentSettings, Prompt } from '../drivers/driver.ts';
import type { DriverMark } from '../state/transcript.ts';
import type { Agent, AgentEvents, ProcessMemory } from './agent.ts';
import {
  type LifeStart,
  type LinkCall,
  ProcessLife,
  type ProcessLifeEvents,
  type ProcessLifeParts,
} from './process-life.ts';

/** Delay before a retry after the disk was full. */
const DISK_RETRY_MS = 500;

export interface AgentProcessParts extends ProcessLifeParts {
  /** Id of the conversation that the process belongs to. */
  readonly conversation: string;
  readonly events: AgentEvents;
  /** Delay, ms, between the request to end the turn and the end of the process. */
  readonly graceMs: number;
  /** Time, ms, after which an idle process is ended. */
  readonly idleMs: number;
}

export class AgentProcess implements Agent {
  readonly #parts: AgentProcessParts;
  readonly #lifeEvents: ProcessLifeEvents = {
    commit: (effects, mark) => this.#parts.events.commit(effects, mark),
    stalled: (life, act) => this.#stall(life, act),
    failed: (life, error) => this.#fail(life, error),
    turnEnded: (life) => this.#turnOnEnd(life),
    progressed: (life) => this.#remember(life),
    exited: (life, how) => this.#processOnExit(life, how),
  };
  #life: ProcessLife | undefined;
  #memory: string | null;
  #isInTurn = false;
  #isClosed = false;
  /** The life that could not be stored on a full disk, calls that wait for the next one, and the timer of the retry. */
  #stalled: { readonly life: ProcessLife; readonly acts: LinkCall[]; readonly timer: NodeJS.Timeout } | undefined;
  #grace: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** Settles when all ended processes are deleted. */
  #ending: Promise<unknown> = Promise.resolve();

  constructor(parts: AgentProcessParts, memory: string | null) {
    this.#parts = parts;
    this.#memory = memory;
  }

  get session(): string | null {
    return this.#process?.session ?? null;
  }

  /** The life of the process under way, also while it waits for room on the disk. */
  get #process(): ProcessLife | undefined {
    return this.#life ?? this.#stalled?.life;
  }

  get isStarting(): boolean {
    return this.#life === undefined || this.#life.link.isStarting === true;
  }

  begin(prompt: Prompt): void {
    clearTimeout(this.#idle);
    this.#isInTurn = true;
    if (this.#life === undefined && this.#stalled === undefined) this.#launch(prompt);
    else this.#ask((link) => link.prompt(prompt));
  }

  inject(prompt: Prompt): void {
    this.#ask((link) => link.inject?.(prompt));
  }

  answer(approval: string, option: string): void {
    this.#ask((link) => link.answer(approval, option));
  }

  interrupt(): void {
    if (!this.#isInTurn) return;
    const life = this.#process;
    if (life !== undefined && this.#parts.driver.life === 'turn') {
      this.#end(life);
      return;
    }
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => {
      if (this.#process !== undefined) this.#end(this.#process);
    }, this.#parts.graceMs);
    this.#ask((link) => link.interrupt());
    life?.terminals.endAll();
  }

  async close(ends: boolean): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#grace);
    clearTimeout(this.#idle);
    const life = this.#process;
    if (life !== undefined) this.#letGo(life);
    // An idle process is useless while the gateway is down, provided that a later process can load its memory.
    const isSpare = life !== undefined && !this.#isInTurn && this.#memory !== null;
    if (isSpare && !ends)
      this.#parts.events.remember({ session: null, offset: 0, n: 0, state: null, memory: this.#memory });
    if (!ends && !isSpare) return;
    life?.terminals.endAll();
    if (life !== undefined) await this.#delete(life.session);
    await this.#ending;
  }

  /**
   * Continues with a process that an earlier gateway launched. `isInTurn`: it was in the middle of a turn. Throws the
   * errors of `Sessions.get` if the process no longer exists.
   */
  resume(memory: ProcessMemory & { readonly session: string }, marks: readonly DriverMark[], isInTurn: boolean): void {
    const session = this.#parts.sessions.get(memory.session);
    this.#isInTurn = isInTurn;
    const last = marks.at(-1);
    const state = marks.reduce<object | null>((known, mark) => mark.state ?? known, memory.state);
    const life = this.#makeLife({
      session: session.id,
      state: state ?? undefined,
      offset: last?.offset ?? memory.offset,
    });
    life.input.n = last?.n ?? memory.n;
    this.#life = life;
    // These lines may or may not have been sent. The runner dedupes them by their numbers.
    for (const mark of marks) {
      const sent = mark.sent ?? [];
      for (const [i, line] of sent.entries()) life.input.send(line, mark.n - sent.length + 1 + i);
      if (mark.endsInput === true) life.input.end();
    }
    life.call((link) => link.resumed?.());
    this.#start(
      life,
      life.input.drained.then(() => life.follow(session)),
    );
    if (!isInTurn) this.#armIdle();
  }

  #launch(prompt: Prompt): void {
    const { driver, settings, sessions, conversation, cwd } = this.#parts;
    const id = uuidv7() as SessionId;
    let life: ProcessLife;
    let launched: { readonly argv: readonly string[]; readonly env?: Readonly<Record<string, string>> };
    try {
      launched = driver.launch(settings, { memory: this.#memory, prompt });
      life = this.#makeLife({ session: id, state: undefined, offset: 0 });
    } catch (error) {
      this.#giveUp(error);
      return;
    }
    this.#life = life;
    const { argv, env } = launched;
    const request = {
      argv,
      mode: 'pipe',
      cwd,
      env: { ...settings.env, ...env },
      name: `agent ${settings.id}`,
    } as const;
    // The first prompt is stored in this event-loop turn; the process starts later.
    this.#start(
      life,
      sessions.create(request, { id, isShell: false, conversation, hidden: true }).then(
        (session) => {
          // The turn was abandoned while the process started.
          if (life.input.isOver) return this.#delete(id);
          // A life that was over before its process had started could not be stored: the next one reads.
          return life.isOver ? undefined : life.follow(session);
        },
        (error: unknown) => Promise.reject(hinted(error, settings, argv)),
      ),
    );
    life.call((link) => link.prompt(prompt));
  }

  #makeLife(start: Omit<LifeStart, 'memory'>): ProcessLife {
    return new ProcessLife(this.#parts, { ...start, memory: this.#memory }, this.#lifeEvents);
  }

  /** Has the input of the process wait for its start, or for what precedes the reading of its output. */
  #start(life: ProcessLife, start: Promise<void>): void {
    life.input.begin(start);
    start.catch((error: unknown) => this.#fail(life, error));
  }

  /** Calls the link now, or after a full disk has room again. */
  #ask(act: LinkCall): void {
    if (this.#stalled !== undefined) this.#stalled.acts.push(act);
    else if (this.#life !== undefined) this.#life.call(act);
  }

  /**
   * Handles a full disk: the process waits, because its output is not read. The current state of the link was not
   * stored, so a new link is made from the stored state and reads the output again.
   */
  #stall(life: ProcessLife, act: LinkCall | undefined): void {
    const { session, input } = life;
    life.stop();
    this.#life = undefined;
    const acts = act === undefined ? [] : [act];
    const timer = setTimeout(() => {
      this.#stalled = undefined;
      const next = this.#makeLife({ session, ...life.stored, input });
      this.#life = next;
      // The start may still be under way, or have failed.
      this.#start(
        next,
        input.started.then(() => next.follow(this.#parts.sessions.get(session))),
      );
      for (const one of acts) this.#ask(one);
    }, DISK_RETRY_MS);
    this.#stalled = { life, acts, timer };
  }

  /** Ends a process that cannot continue, with an error. */
  #fail(life: ProcessLife, error: unknown): void {
    if (life !== this.#process) return;
    this.#reportFailure(error);
    this.#end(life);
  }

  #turnOnEnd(life: ProcessLife): void {
    const { driver, events } = this.#parts;
    if (driver.life === 'turn') {
      this.#end(life);
      return;
    }
    clearTimeout(this.#grace);
    this.#isInTurn = false;
    this.#memory = driver.memoryOf(life.link.state) ?? this.#memory;
    this.#remember(life);
    this.#armIdle();
    events.free();
  }

  /** Stores the state from which a later gateway continues. It no longer needs earlier marks in the log. */
  #remember(life: ProcessLife): void {
    this.#parts.events.remember({ ...life.progress(), memory: this.#memory });
  }

  #armIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      const life = this.#life;
      if (life !== undefined && !this.#isInTurn) this.#end(life);
    }, this.#parts.idleMs);
    this.#idle.unref();
  }

  #processOnExit(life: ProcessLife, how: Parameters<ProcessLifeEvents['exited']>[1]): void {
    if (this.#isInTurn) {
      const { exitCode, signal, stderr } = how;
      const ending = signal === null ? `with code ${exitCode ?? 'unknown'}` : `by ${signal}`;
      const message = `The agent ended ${ending}${stderr === '' ? '.' : `: ${stderr}`}`;
      this.#reportFailure(new BinnacleError('agent_died', { message }));
    }
    this.#end(life);
  }

  /** Ends the process and all its children. The agent is free after that. */
  #end(life: ProcessLife): void {
    if (life !== this.#process) return;
    this.#memory = this.#parts.driver.memoryOf(life.link.state) ?? this.#memory;
    this.#letGo(life);
    life.terminals.endAll();
    const ended = this.#delete(life.session);
    this.#ending = Promise.all([this.#ending, ended]);
    // An idle process that ends slowly must not free the agent in the middle of the next turn.
    void ended.then(() => {
      if (this.#life === undefined) this.#free();
    });
  }

  /** Fails the turn when no process could be started. */
  #giveUp(error: unknown): void {
    this.#reportFailure(error);
    this.#free();
  }

  #reportFailure(error: unknown): void {
    this.#parts.events.failed(BinnacleError.of(error));
  }

  #free(): void {
    clearTimeout(this.#grace);
    this.#isInTurn = false;
    if (this.#isClosed) return;
    this.#parts.events.remember({ session: null, offset: 0, n: 0, state: null, memory: this.#memory });
    this.#parts.events.free();
  }

  #letGo(life: ProcessLife): void {
    life.stop();
    life.input.stop();
    if (this.#life === life) this.#life = undefined;
    if (this.#stalled?.life !== life) return;
    clearTimeout(this.#stalled.timer);
    this.#stalled = undefined;
  }

  async #delete(session: SessionId): Promise<void> {
    try {
      await this.#parts.sessions.delete(session);
    } catch {
      // The session was never started, or is deleted already. `recover` finds what remains in a runner that does not
      // answer.
    }
  }
}

function hinted(error: unknown, settings: AgentSettings, [program = '']: readonly string[]): unknown {
  if (!(error instanceof BinnacleError)) return error;
  const path = `agents.entries.${settings.id}`;
  if (error.code === 'command_not_found') {
    return new BinnacleError('command_not_found', {
      message: `The program of the agent "${settings.id}" was not found: ${program}`,
      hint: `Install it, or set ${path}.command in the config file to where it is.`,
    });
  }
  if (error.code !== 'bad_cwd') return error;
  return new BinnacleError('bad_cwd', { message: error.message, hint: `Set ${path}.cwd in the config file.` });
}
