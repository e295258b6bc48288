// One life of an agent's program: its link, its terminals, its input, and the reading of its output.

import { BinnacleError, type SessionId, type SessionInfo } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import { positionOf } from '../../cursor/start-position.ts';
import type { Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import type { AgentLink, AgentSettings, ProcessDriver, TerminalAnswer } from '../drivers/driver.ts';
import type { AgentEvents, ProcessMemory } from './agent.ts';
import { AgentInput } from './agent-input.ts';
import { AgentOutput, type OutputPiece } from './agent-output.ts';
import { ProcessEffects } from './effects.ts';
import type { Terminals } from './terminals.ts';

/**
 * Interval, in bytes of output, at which the state of the link is stored beside the log: in a long turn, retention may
 * remove what the link needs from the log.
 */
const REMEMBER_BYTES = 8 * 1024 * 1024;
/** Maximum wait, ms, for the end of the output after the program's exit: children may keep the output open. */
const LINGER_MS = 1000;

export type LinkCall = (link: AgentLink) => void;

export interface ProcessLifeParts {
  readonly driver: ProcessDriver;
  readonly settings: AgentSettings;
  readonly sessions: Sessions;
  readonly terminals: (parts: { readonly process: string; answer(answer: TerminalAnswer): void }) => Terminals;
  readonly cwd: string;
}

/** The state from which a life begins: that of a new process, or of one that an earlier link followed. */
export interface LifeStart {
  readonly session: SessionId;
  /** State of the link; undefined for a new process. */
  readonly state: object | undefined;
  /** Output offset of the first unread byte. */
  readonly offset: number;
  /** Memory from the process before; see `ProcessDriver.memoryOf`. */
  readonly memory: string | null;
  /** Input of the process, if an earlier life has sent lines to it. */
  readonly input?: AgentInput;
}

/** The agent as a life of its program sees it. */
export interface ProcessLifeEvents extends Pick<AgentEvents, 'commit'> {
  /** The disk is full. `act`: call to repeat in the next life. */
  stalled(life: ProcessLife, act: LinkCall | undefined): void;
  failed(life: ProcessLife, error: unknown): void;
  /** The link has ended the turn, and that is stored. */
  turnEnded(life: ProcessLife): void;
  /** Much output was read since the last call of `progress`, so its result is to be stored. */
  progressed(life: ProcessLife): void;
  /** The process has ended, and all its output is read and stored. */
  exited(life: ProcessLife, how: Pick<SessionInfo, 'exitCode' | 'signal'> & { readonly stderr: string }): void;
}

export class ProcessLife {
  readonly session: SessionId;
  readonly link: AgentLink;
  readonly terminals: Terminals;
  readonly input: AgentInput;
  readonly #parts: ProcessLifeParts;
  readonly #events: ProcessLifeEvents;
  readonly #output: AgentOutput;
  readonly #effects: ProcessEffects;
  readonly #quiet = new QuietTimer();
  #pump: Pump | undefined;
  /** Output offset up to which everything is stored beside the log. */
  #rememberedAt: number;
  /** State stored last, from which a new link can begin. */
  #stored: { readonly state: string; readonly offset: number };
  #isOver = false;
  #lingering: NodeJS.Timeout | undefined;
  #unlisten: () => void = () => undefined;

  /** Throws the errors of the driver's `link`. */
  constructor(parts: ProcessLifeParts, start: LifeStart, events: ProcessLifeEvents) {
    const { driver, settings, sessions, cwd } = parts;
    const { session, state, offset, memory } = start;
    this.session = session;
    this.#parts = parts;
    this.#events = events;
    this.terminals = parts.terminals({
      process: session,
      answer: (answer) => this.call((link) => link.terminal?.(answer)),
    });
    this.#effects = new ProcessEffects(this.terminals);
    this.link = driver.link(settings, this.#effects, { state, memory, cwd });
    this.input = start.input ?? new AgentInput(() => sessions.get(session));
    this.input.serve({ failed: (error) => events.failed(this, error), hasRoom: () => this.#pump?.resume() });
    this.#output = new AgentOutput(driver.reads, offset);
    this.#rememberedAt = offset;
    this.#stored = { state: state === undefined ? '' : JSON.stringify(state), offset };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** State that was stored last, from which another life of the same process can begin. */
  get stored(): Pick<LifeStart, 'state' | 'offset'> {
    const { state, offset } = this.#stored;
    return { state: state === '' ? undefined : (JSON.parse(state) as object), offset };
  }

  /** Returns the state from which a later gateway continues, for storing: it no longer needs earlier marks in the log. */
  progress(): Pick<ProcessMemory, 'session' | 'offset' | 'n' | 'state'> {
    const { offset } = this.#output;
    this.#rememberedAt = offset;
    return { session: this.session, offset, n: this.input.n, state: this.link.state };
  }

  /** Calls the link, stores its effects, then executes its requests. */
  call(act: LinkCall): void {
    if (this.#isOver) return;
    try {
      act(this.link);
    } catch (error) {
      this.#events.failed(this, error);
      return;
    }
    this.#commit(act);
  }

  /** Reads the output of the process, from the offset of the start. Rejects with the errors of `Session.log`. */
  async follow(session: Session): Promise<void> {
    await session.refresh().catch(() => undefined);
    const at = await positionOf(session.log, { offset: this.#output.offset });
    if (this.#isOver) return;
    const isHosted = (): boolean => session.isHosted;
    const sink: Sink = {
      page: (page) => this.#page(page),
      gap: (gap) => this.#gap(gap),
      caughtUp: () => {
        if (!isHosted()) this.#processOnEnd(session.info);
        return this.#isOver ? 'done' : 'more';
      },
      failed: (error) => this.#events.failed(this, error),
    };
    this.#pump = new Pump(new Cursor(session.log, at), sink);
    this.#unlisten = session.listen({
      changed: () => {
        if (session.info.running || this.#isOver) return;
        this.#lingering ??= setTimeout(() => this.#processOnEnd(session.info), LINGER_MS);
      },
      deleted: () => this.#processOnEnd(session.info),
    });
    this.#pump.start();
  }

  /** Stops reading and all calls of the link. The process goes on, and gets the lines that wait. */
  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#lingering);
    this.#quiet.stop();
    this.#pump?.stop();
    this.#unlisten();
  }

  /** Stores the effects, then executes the requests. `act`: call to repeat if the disk was full. */
  #commit(act?: LinkCall): void {
    const effects = this.#effects;
    const state = JSON.stringify(this.link.state);
    const isNew = state !== this.#stored.state;
    const hasEnded = effects.hasEnded;
    const { sends, endsInput, operations } = effects;
    effects.sends = [];
    effects.endsInput = false;
    effects.operations = [];
    if (!effects.isEmpty || sends.length > 0 || endsInput || (isNew && operations.length > 0)) {
      const mark = {
        session: this.session,
        offset: this.#output.offset,
        n: this.input.n + sends.length,
        ...(isNew ? { state: this.link.state } : {}),
        ...(sends.length === 0 ? {} : { sent: sends }),
        ...(endsInput ? { endsInput } : {}),
      } as const;
      try {
        this.#events.commit(effects.take(), mark);
      } catch (error) {
        if (!(error instanceof BinnacleError) || error.code !== 'disk_full') this.#events.failed(this, error);
        else this.#events.stalled(this, act);
        return;
      }
      this.#stored = { state, offset: this.#output.offset };
    }
    for (const line of sends) {
      this.input.n += 1;
      this.input.send(line, this.input.n);
    }
    if (endsInput) this.input.end();
    for (const operation of operations) operation();
    if (!this.#isOver) this.#quiet.arm(this.link.quietMs, () => this.call((link) => link.quiet?.()));
    if (hasEnded) this.#events.turnEnded(this);
    else if (!this.#isOver && this.#output.offset - this.#rememberedAt >= REMEMBER_BYTES) this.#events.progressed(this);
  }

  #page(page: Page): SinkResult {
    let isLast = false;
    for (const entry of page.entries) {
      if (this.#isOver) return 'done';
      if (entry.kind === 'stderr') this.#output.stderr(entry.bytes);
      else if (entry.kind === 'stdout') this.#read(entry.bytes, entry.offset);
      else if (entry.kind === 'closed') isLast = true;
    }
    if (this.#isOver) return 'done';
    this.#commit();
    if (this.#isOver) return 'done';
    if (isLast) this.#processOnEnd(this.#parts.sessions.get(this.session).info);
    if (this.#isOver) return 'done';
    // Yields after each page, so that a busy agent cannot starve others.
    if (!this.input.isFull) setImmediate(() => this.#pump?.resume());
    return 'full';
  }

  #read(bytes: Uint8Array, offset: number): void {
    try {
      for (const piece of this.#output.stdout(bytes, offset)) {
        this.#handle(piece);
        // Events after the end of a turn are committed separately, after the end is stored.
        if (this.#effects.hasEnded) this.#commit();
        if (this.#isOver) return;
      }
    } catch (error) {
      // Output before the error counts.
      this.#commit();
      this.#events.failed(this, error);
    }
  }

  #handle({ text }: OutputPiece): void {
    if (this.#parts.driver.reads === 'text') this.link.text?.(text);
    else if (text.trim() !== '') this.link.line?.(text);
  }

  #gap({ from, to }: Gap): SinkResult {
    const message = 'The agent wrote more than the limit.';
    this.#events.failed(this, new BinnacleError('agent_flood', { message, details: { from, to } }));
    return 'done';
  }

  /** Handles the end of the process, after all output is read. */
  #processOnEnd({ exitCode, signal }: Pick<SessionInfo, 'exitCode' | 'signal'>): void {
    if (this.#isOver) return;
    const stderr = this.#output.stderrTail;
    try {
      for (const piece of this.#output.rest()) this.#handle(piece);
      this.link.exited?.({ exitCode, signal, stderr });
    } catch (error) {
      this.#events.failed(this, error);
      return;
    }
    this.#commit();
    if (!this.#isOver) this.#events.exited(this, { exitCode, signal, stderr });
  }
}

/** Maximum wait of a message for quiet, ms. A message to an agent that is never quiet is then sent anyway. */
const MAX_WAIT_MS = 15_000;

/** Calls back when an agent has sent nothing for a while, and late output of earlier work is over. */
export class QuietTimer {
  #timer: NodeJS.Timeout | undefined;
  /** Monotonic end of the current wait. */
  #until: number | undefined;

  /**
   * Restarts the timer. Call after each output of the agent. `quietMs`: length of quiet to wait for; undefined: no
   * wait.
   */
  arm(quietMs: number | undefined, call: () => void): void {
    this.stop(quietMs === undefined);
    if (quietMs === undefined) return;
    const now = performance.now();
    this.#until ??= now + MAX_WAIT_MS;
    this.#timer = setTimeout(call, Math.max(0, Math.min(quietMs, this.#until - now)));
  }

  /** Stops the timer. `isOver`: the next call of `arm` begins a new wait. */
  stop(isOver = true): void {
    clearTimeout(this.#timer);
    if (isOver) this.#until = undefined;
  }
}
