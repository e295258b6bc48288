// Agents that are programs: the one loop that launches, reads, stores and sends. The driver interprets the lines.

import { BinnacleError, type SessionId, type SessionInfo } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import { positionOf } from '../../cursor/start-position.ts';
import type { Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import type { AgentLink, AgentSettings, ProcessDriver, Prompt, TerminalAnswer } from '../drivers/driver.ts';
import type { DriverMark } from '../state/transcript.ts';
import type { Agent, AgentEvents, ProcessMemory } from './agent.ts';
import { AgentInput } from './agent-input.ts';
import { AgentOutput, type OutputPiece } from './agent-output.ts';
import { ProcessEffects } from './effects.ts';
import { QuietTimer } from './quiet-timer.ts';
import type { Terminals } from './terminals.ts';

/** Delay before a retry after the disk was full. */
const DISK_RETRY_MS = 500;
/**
 * Interval, in bytes of output, at which the state of the link is stored beside the log: in a long turn, retention may
 * remove what the link needs from the log.
 */
const REMEMBER_BYTES = 8 * 1024 * 1024;
/** Maximum wait, ms, for the end of the output after the program's exit: children may keep the output open. */
const LINGER_MS = 1000;

export interface AgentProcessParts {
  readonly driver: ProcessDriver;
  readonly settings: AgentSettings;
  readonly sessions: Sessions;
  /** Id of the conversation that the process belongs to. */
  readonly conversation: string;
  readonly events: AgentEvents;
  readonly terminals: (parts: { readonly process: string; answer(answer: TerminalAnswer): void }) => Terminals;
  readonly cwd: string;
  /** Delay, ms, between the request to end the turn and the end of the process. */
  readonly graceMs: number;
  /** Time, ms, after which an idle process is ended. */
  readonly idleMs: number;
}

/** One life of the program. */
interface ProcessLife {
  readonly session: SessionId;
  readonly link: AgentLink;
  readonly terminals: Terminals;
  readonly input: AgentInput;
  readonly output: AgentOutput;
  readonly effects: ProcessEffects;
  pump: Pump | undefined;
  /** Output offset up to which everything is stored beside the log. */
  rememberedAt: number;
  /** State stored last, from which a new link can begin. */
  stored: { readonly state: string; readonly offset: number };
  isOver: boolean;
  lingering: NodeJS.Timeout | undefined;
  unlisten: () => void;
}

type LinkCall = (link: AgentLink) => void;

export class AgentProcess implements Agent {
  readonly #parts: AgentProcessParts;
  #life: ProcessLife | undefined;
  #memory: string | null;
  #isInTurn = false;
  #isClosed = false;
  /** Calls that wait while the disk is full, with the timer of the retry. */
  #stalled: { readonly acts: LinkCall[]; readonly timer: NodeJS.Timeout } | undefined;
  #grace: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  readonly #quiet = new QuietTimer();
  /** Settles when all ended processes are deleted. */
  #ending: Promise<unknown> = Promise.resolve();

  constructor(parts: AgentProcessParts, memory: string | null) {
    this.#parts = parts;
    this.#memory = memory;
  }

  get session(): string | null {
    return this.#life?.session ?? null;
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
    const life = this.#life;
    if (life !== undefined && this.#parts.driver.life === 'turn') {
      this.#end(life);
      return;
    }
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => {
      if (this.#life !== undefined) this.#end(this.#life);
    }, this.#parts.graceMs);
    this.#ask((link) => link.interrupt());
    life?.terminals.endAll();
  }

  async close(ends: boolean): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#grace);
    clearTimeout(this.#idle);
    clearTimeout(this.#stalled?.timer);
    const life = this.#life;
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
    const life = this.#makeLife(session.id, state ?? undefined, last?.offset ?? memory.offset);
    life.input.n = last?.n ?? memory.n;
    this.#life = life;
    // These lines may or may not have been sent. The runner dedupes them by their numbers.
    for (const mark of marks) {
      const sent = mark.sent ?? [];
      for (const [i, line] of sent.entries()) life.input.send(line, mark.n - sent.length + 1 + i);
      if (mark.endsInput === true) life.input.end();
    }
    this.#call(life, (link) => link.resumed?.());
    life.input.begin(
      life.input.drained.then(() => this.#follow(life, session)).catch((error: unknown) => this.#fail(life, error)),
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
      life = this.#makeLife(id, undefined, 0);
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
    life.input.begin(
      sessions
        .create(request, { id, isShell: false, conversation, hidden: true })
        .then((session) => {
          // The turn was abandoned while the process started.
          if (life.isOver) return this.#delete(id);
          return this.#follow(life, session);
        })
        .catch((error: unknown) => this.#fail(life, hinted(error, settings, argv))),
    );
    this.#call(life, (link) => link.prompt(prompt));
  }

  #makeLife(session: SessionId, state: object | undefined, offset: number): ProcessLife {
    const { driver, settings, cwd } = this.#parts;
    const terminals = this.#parts.terminals({
      process: session,
      answer: (answer) => this.#call(life, (link) => link.terminal?.(answer)),
    });
    const effects = new ProcessEffects(terminals);
    const link = driver.link(settings, effects, { state, memory: this.#memory, cwd });
    const life: ProcessLife = {
      session,
      link,
      terminals,
      input: new AgentInput({
        session: () => this.#parts.sessions.get(session),
        isOver: () => life.isOver,
        failed: (error) => this.#fail(life, error),
        hasRoom: () => life.pump?.resume(),
      }),
      output: new AgentOutput(driver.reads, offset),
      effects,
      pump: undefined,
      rememberedAt: offset,
      stored: { state: state === undefined ? '' : JSON.stringify(state), offset },
      isOver: false,
      lingering: undefined,
      unlisten: () => undefined,
    };
    return life;
  }

  /** Calls the link now, or after a full disk has room again. */
  #ask(act: LinkCall): void {
    if (this.#stalled !== undefined) this.#stalled.acts.push(act);
    else if (this.#life !== undefined) this.#call(this.#life, act);
  }

  /** Calls the link, stores its effects, then executes its requests. */
  #call(life: ProcessLife, act: LinkCall): void {
    if (life.isOver) return;
    try {
      act(life.link);
    } catch (error) {
      this.#fail(life, error);
      return;
    }
    this.#commit(life, act);
  }

  /** Stores the effects, then executes the requests. `act`: call to repeat if the disk was full. */
  #commit(life: ProcessLife, act?: LinkCall): void {
    const { effects, output, stored } = life;
    const state = JSON.stringify(life.link.state);
    const isNew = state !== stored.state;
    const hasEnded = effects.hasEnded;
    const { sends, endsInput, operations } = effects;
    effects.sends = [];
    effects.endsInput = false;
    effects.operations = [];
    if (!effects.isEmpty || sends.length > 0 || endsInput || (isNew && operations.length > 0)) {
      const mark = {
        session: life.session,
        offset: output.offset,
        n: life.input.n + sends.length,
        ...(isNew ? { state: life.link.state } : {}),
        ...(sends.length === 0 ? {} : { sent: sends }),
        ...(endsInput ? { endsInput } : {}),
      } as const;
      try {
        this.#parts.events.commit(effects.take(), mark);
      } catch (error) {
        if (!(error instanceof BinnacleError) || error.code !== 'disk_full') this.#fail(life, error);
        else this.#stall(life, act);
        return;
      }
      life.stored = { state, offset: output.offset };
    }
    for (const line of sends) {
      life.input.n += 1;
      life.input.send(line, life.input.n);
    }
    if (endsInput) life.input.end();
    for (const operation of operations) operation();
    if (!life.isOver) this.#quiet.arm(life.link.quietMs, () => this.#call(life, (link) => link.quiet?.()));
    if (hasEnded) this.#turnOnEnd(life);
    else if (!life.isOver && output.offset - life.rememberedAt >= REMEMBER_BYTES) this.#remember(life);
  }

  /**
   * Handles a full disk: the process waits, because its output is not read. The current state of the link was not
   * stored, so a new link is made from the stored state and reads the output again.
   */
  #stall(life: ProcessLife, act: LinkCall | undefined): void {
    this.#letGo(life);
    const acts = act === undefined ? [] : [act];
    const timer = setTimeout(() => {
      this.#stalled = undefined;
      const { state, offset } = life.stored;
      const next = this.#makeLife(life.session, state === '' ? undefined : (JSON.parse(state) as object), offset);
      next.input.n = life.input.n;
      this.#life = next;
      // The start may still be under way, as may stored lines.
      next.input.begin(
        life.input.drained
          .then(() => this.#follow(next, this.#parts.sessions.get(life.session)))
          .catch((error: unknown) => this.#fail(next, error)),
      );
      for (const one of acts) this.#ask(one);
    }, DISK_RETRY_MS);
    this.#stalled = { acts, timer };
  }

  /** Ends a process that cannot continue, with an error. */
  #fail(life: ProcessLife, error: unknown): void {
    if (life.isOver) return;
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
    const { session, input, output, link } = life;
    life.rememberedAt = output.offset;
    this.#parts.events.remember({
      session,
      offset: output.offset,
      n: input.n,
      state: link.state,
      memory: this.#memory,
    });
  }

  #armIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      const life = this.#life;
      if (life !== undefined && !this.#isInTurn) this.#end(life);
    }, this.#parts.idleMs);
    this.#idle.unref();
  }

  async #follow(life: ProcessLife, session: Session): Promise<void> {
    await session.refresh().catch(() => undefined);
    const at = await positionOf(session.log, { offset: life.output.offset });
    if (life.isOver) return;
    const isHosted = (): boolean => session.isHosted;
    const sink: Sink = {
      page: (page) => this.#page(life, page),
      gap: (gap) => this.#gap(life, gap),
      caughtUp: () => {
        if (!isHosted()) this.#processOnEnd(life, session.info);
        return life.isOver ? 'done' : 'more';
      },
      failed: (error) => this.#fail(life, error),
    };
    life.pump = new Pump(new Cursor(session.log, at), sink);
    life.unlisten = session.listen({
      changed: () => {
        if (session.info.running || life.isOver) return;
        life.lingering ??= setTimeout(() => this.#processOnEnd(life, session.info), LINGER_MS);
      },
      deleted: () => this.#processOnEnd(life, session.info),
    });
    life.pump.start();
  }

  #page(life: ProcessLife, page: Page): SinkResult {
    let isLast = false;
    for (const entry of page.entries) {
      if (life.isOver) return 'done';
      if (entry.kind === 'stderr') life.output.stderr(entry.bytes);
      else if (entry.kind === 'stdout') this.#read(life, entry.bytes, entry.offset);
      else if (entry.kind === 'closed') isLast = true;
    }
    if (life.isOver) return 'done';
    this.#commit(life);
    if (life.isOver) return 'done';
    if (isLast) this.#processOnEnd(life, this.#parts.sessions.get(life.session).info);
    if (life.isOver) return 'done';
    // Yields after each page, so that a busy agent cannot starve others.
    if (!life.input.isFull) setImmediate(() => life.pump?.resume());
    return 'full';
  }

  #read(life: ProcessLife, bytes: Uint8Array, offset: number): void {
    try {
      for (const piece of life.output.stdout(bytes, offset)) {
        this.#handle(life, piece);
        // Events after the end of a turn are committed separately, after the end is stored.
        if (life.effects.hasEnded) this.#commit(life);
        if (life.isOver) return;
      }
    } catch (error) {
      // Output before the error counts.
      this.#commit(life);
      this.#fail(life, error);
    }
  }

  #handle(life: ProcessLife, { text }: OutputPiece): void {
    if (this.#parts.driver.reads === 'text') life.link.text?.(text);
    else if (text.trim() !== '') life.link.line?.(text);
  }

  #gap(life: ProcessLife, { from, to }: Gap): SinkResult {
    const message = 'The agent wrote more than the limit.';
    this.#fail(life, new BinnacleError('agent_flood', { message, details: { from, to } }));
    return 'done';
  }

  /** Handles the end of the process, after all output is read. */
  #processOnEnd(life: ProcessLife, { exitCode, signal }: Pick<SessionInfo, 'exitCode' | 'signal'>): void {
    if (life.isOver) return;
    const stderr = life.output.stderrTail;
    try {
      for (const piece of life.output.rest()) this.#handle(life, piece);
      life.link.exited?.({ exitCode, signal, stderr });
    } catch (error) {
      this.#fail(life, error);
      return;
    }
    this.#commit(life);
    if (life.isOver) return;
    if (this.#isInTurn) {
      const how = signal === null ? `with code ${exitCode ?? 'unknown'}` : `by ${signal}`;
      const message = `The agent ended ${how}${stderr === '' ? '.' : `: ${stderr}`}`;
      this.#reportFailure(new BinnacleError('agent_died', { message }));
    }
    this.#end(life);
  }

  /** Ends the process and all its children. The agent is free after that. */
  #end(life: ProcessLife): void {
    if (life.isOver) return;
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
    life.isOver = true;
    clearTimeout(life.lingering);
    if (this.#life === life) this.#quiet.stop();
    life.pump?.stop();
    life.unlisten();
    if (this.#life === life) this.#life = undefined;
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
