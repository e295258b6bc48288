// Carries out the effects of a conversation's turns, in order, and gives the turns their inputs: from the agent, from
// hooks and from timers.

import type { Approval, Author, ConversationEvent, MessageInfo } from '@binnacle/protocol';
import { SerialQueue } from '../base/serial-queue.ts';
import type { TrustedTime } from '../base/trusted-time.ts';
import type { ConversationRecord, RunRecord } from '../store/conversations.ts';
import { AgentTurns } from './agent-turns.ts';
import type { AgentKind, ProcessMemory } from './agents/agent.ts';
import { type AgentGuard, refusalOf } from './agents/agent-hooks.ts';
import { AgentSlot } from './agents/agent-slot.ts';
import { type ChatCommands, callIn } from './agents/chat-command.ts';
import { TurnTimers } from './agents/turn-timers.ts';
import type { Prompt } from './drivers/driver.ts';
import type { DriverMark, Transcript } from './state/transcript.ts';
import { placeToResumeFrom } from './turn.ts';
import type { TurnEffect, TurnEffects, TurnInput } from './turn-effects.ts';

export interface TurnExecutorParts {
  readonly time: TrustedTime;
  readonly guard: AgentGuard;
  readonly commands: ChatCommands;
  /** Returns an agent; undefined if the config has none of that name. */
  agent(id: string): AgentKind | undefined;
  /** Called with the number of events that arrived after their run had ended. */
  droppedLate(count: number): void;
}

/** The log of the conversation. */
export interface TurnLog {
  /** Returns its end. Throws `disk_full` if the log cannot be opened. */
  position(): string;
  /** Appends events. Throws `disk_full`; nothing has changed then. */
  append(events: readonly ConversationEvent[], mark?: DriverMark): void;
  /** Stores the memory of the agent's process, with its place in the log. */
  remember(process: Omit<ProcessMemory, 'place'>): ProcessMemory;
}

/** State that an earlier gateway left, as the rows have it. */
export interface TurnsLeft {
  /** Queued messages, in order. */
  readonly queue: readonly MessageInfo[];
  /** The run under way, and its message. */
  readonly running: RunRecord | undefined;
  readonly message: MessageInfo | undefined;
}

export class TurnExecutor {
  readonly turns: AgentTurns;
  readonly #record: Pick<ConversationRecord, 'key' | 'agent'>;
  readonly #parts: TurnExecutorParts;
  readonly #log: TurnLog;
  readonly #agent: AgentSlot;
  readonly #timers: TurnTimers;
  readonly #retries = new RetryQueue();
  /** Order of messages that wait for hooks before they are injected into the turn. */
  readonly #injections = new SerialQueue();

  constructor(record: ConversationRecord, queue: readonly MessageInfo[], parts: TurnExecutorParts, log: TurnLog) {
    const { id, key, agent } = record;
    const { commands, time } = parts;
    this.#record = { key, agent };
    this.#parts = parts;
    this.#log = log;
    this.#agent = new AgentSlot({
      conversation: { id, key, agent },
      memory: record.process === null ? null : (JSON.parse(record.process) as ProcessMemory),
      reports: {
        commit: (source, effects, mark) => this.run(this.turns.commit(source, effects, mark)),
        failed: (source, error) => this.run(this.turns.failed(source, error)),
        free: () => this.#startSoon(),
        remember: (process) => log.remember(process),
      },
    });
    const kind = (): AgentKind | undefined => parts.agent(agent);
    this.turns = new AgentTurns({ conversation: this.#record, queue, agent: this.#agent, commands, time, kind });
    this.#timers = new TurnTimers({
      time,
      turn: () => this.turns,
      isStarting: () => this.#agent.agent?.isStarting === true,
      due: (input) => this.#put(input),
    });
  }

  /** Id of the session of the agent's process; null without a process. */
  get session(): string | null {
    return this.#agent.session;
  }

  /** Applies a stored event. */
  fold(event: ConversationEvent): void {
    this.turns.fold(event);
    if (event.type === 'run_started') this.#timers.take(event.run);
    else if ('run' in event && event.run === this.turns.runId) this.#timers.fold(event);
    if (event.type !== 'approval') return;
    this.#timers.alarm(this.turns.approvalDueInMs);
    this.#callToolHooks(event.approval);
  }

  /** Continues the work of an earlier gateway. `readFrom` reads the log. */
  async resume({ queue, running, message }: TurnsLeft, readFrom: Transcript['readFrom']): Promise<void> {
    this.turns.take(queue, running, message);
    if (running !== undefined) this.#timers.take(running);
    const { memoryPlace } = this.#agent;
    const marks: DriverMark[] = [];
    for await (const { entry, place } of readFrom(placeToResumeFrom(running, memoryPlace))) {
      const { events, driver } = entry;
      const isNew = driver !== undefined && place > memoryPlace;
      if (isNew) marks.push(driver);
      for (const event of this.turns.restore(isNew ? entry : { events })) this.#timers.fold(event);
    }
    const kind = this.#parts.agent(this.#record.agent);
    const left = this.#agent.resume(kind, this.turns.isDelivered ? running : undefined, marks);
    this.run(this.turns.resume(left));
    this.startNext();
  }

  /** `ends`: the agent's process is ended as well. */
  async close(ends: boolean): Promise<void> {
    this.turns.close();
    this.#timers.stop();
    this.#retries.stop();
    await this.#agent.close(ends);
  }

  /** Carries out the effects of an input, in order. A failure is thrown into the turns, which may ask for a retry. */
  run(effects: TurnEffects): void {
    for (let next = effects.next(); next.done !== true; ) {
      try {
        this.#carryOut(next.value);
      } catch (error) {
        next = effects.throw(error);
        continue;
      }
      next = effects.next();
    }
  }

  #put(input: TurnInput): void {
    if (input.kind === 'start') this.startNext();
    else this.run(this.turns.put(input));
  }

  #carryOut(effect: TurnEffect): void {
    switch (effect.kind) {
      case 'append':
        this.#log.append(effect.events, effect.mark);
        return;
      case 'retry':
        this.#retries.later(effect.name, () => this.#put(effect.input));
        return;
      case 'hooks':
        this.#awaitHooks(effect.prompt, effect.verdict ?? this.#callHooks(effect.prompt, effect.by));
        return;
      case 'tool_hooks':
        this.#callToolHooks(effect.approval);
        return;
      case 'times':
        this.#timers.begin(effect.leftMs, effect.silence);
        return;
      case 'alarm':
        this.#timers.alarm(this.turns.approvalDueInMs);
        return;
      case 'over':
        this.#timers.stop();
        this.#startSoon();
        return;
      case 'late':
        this.#parts.droppedLate(effect.count);
        return;
      default:
        this.#agent.carryOut(effect);
    }
  }

  /** Starts the next run if the agent is free and a message waits. */
  startNext(): void {
    const message = this.turns.next;
    if (message === undefined) return;
    const { guard, commands, agent } = this.#parts;
    if (guard.ready !== undefined) {
      void guard.ready.then(() => this.startNext());
      return;
    }
    let position: string;
    try {
      position = this.#log.position();
    } catch {
      this.#retries.later('start', () => this.startNext());
      return;
    }
    const isForAgent = callIn(message.text, commands) === undefined && agent(this.#record.agent) !== undefined;
    const verdict = isForAgent ? this.#callHooks(message, message.by) : undefined;
    this.run(this.turns.start({ position, verdict }));
  }

  /** Starts the next run in a later event-loop turn, not inside a call of the agent. */
  #startSoon(): void {
    if (!this.turns.isClosed) setImmediate(() => this.startNext());
  }

  /** Injects a message into the turn under way once the hooks have allowed it. */
  inject({ id, text }: Prompt, by: Author): void {
    const input = { kind: 'injected', prompt: { id, text }, run: this.turns.runId } as const;
    const verdict = this.#callHooks(input.prompt, by);
    if (verdict === undefined && this.#injections.isIdle) this.#put(input);
    else {
      const allowed = this.#injections.runAfter(verdict, () => this.#put(input));
      allowed.catch((error: unknown) => this.#put({ kind: 'not_injected', message: id, error }));
    }
  }

  #callHooks({ id, text }: Prompt, by: Author): Promise<void> | undefined {
    const { key: conversation, agent } = this.#record;
    return this.#parts.guard.beforeRun({ conversation, run: id, agent, text, by: by.name });
  }

  #awaitHooks(prompt: Prompt, verdict: Promise<void> | undefined): void {
    const allow = (): void => this.#put({ kind: 'allowed', prompt });
    if (verdict === undefined) allow();
    else {
      verdict.then(allow, (error: unknown) =>
        this.#put({ kind: 'failed', run: prompt.id, error: refusalOf(error).error }),
      );
    }
  }

  #callToolHooks({ id, title, detail, isCut }: Approval): void {
    // A request that is cut off is denied anyway.
    if (isCut === true) return;
    const call = { tool: title, input: { detail }, caller: this.#record.agent, via: 'approval' } as const;
    const vetoed = (error: unknown): void => this.#put({ kind: 'vetoed', approval: id, error });
    this.#parts.guard.beforeToolCall(call)?.catch(vetoed);
  }
}

/** Delay before a retry after the disk was full. */
const RETRY_MS = 500;

/** Retries of operations that failed because the disk was full. */
class RetryQueue {
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /** Schedules a retry. One per name: a later one replaces the earlier. */
  later(name: string, act: () => void): void {
    clearTimeout(this.#timers.get(name));
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      act();
    }, RETRY_MS);
    timer.unref();
    this.#timers.set(name, timer);
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
