// The turns of a conversation, in order: the next message for the agent, the events of its run, and exactly one end for
// each run. A machine: inputs return effects, which the conversation carries out.

import {
  type AbortVia,
  type Approval,
  type ApprovalAnswer,
  type Author,
  BinnacleError,
  type ConversationEvent,
  type ConversationRun,
  defined,
  describeWait,
  type MessageInfo,
  queueAfter,
} from '@binnacle/protocol';
import type { TrustedTime } from '../base/trusted-time.ts';
import type { ConversationRecord, RunRecord } from '../store/conversations.ts';
import type { AgentKind } from './agents/agent.ts';
import { refusalOf } from './agents/agent-hooks.ts';
import type { AgentSlot, AgentSource, ResumeOutcome } from './agents/agent-slot.ts';
import { type ChatCommands, callIn } from './agents/chat-command.ts';
import type { Effect } from './agents/effects.ts';
import type { SilentInput } from './agents/turn-timers.ts';
import { Approvals, denierOf, denyOf } from './approvals.ts';
import type { Prompt } from './drivers/driver.ts';
import type { DriverMark, TranscriptEntry } from './state/transcript.ts';
import { isDelivered, queuedRun, Turn } from './turn.ts';
import { append, retryNameOf, type TurnEffects, type TurnInput } from './turn-effects.ts';

export interface TurnStart {
  /** End of the log. */
  readonly position: string;
  /** The verdict of the hooks; undefined if none had to be called. */
  readonly verdict: Promise<void> | undefined;
}

export interface AgentTurnsParts {
  readonly conversation: Pick<ConversationRecord, 'key' | 'agent'>;
  /** Queued messages, in order. */
  readonly queue: readonly MessageInfo[];
  readonly agent: Pick<AgentSlot, 'agent' | 'isFree' | 'isProcess'>;
  readonly commands: ChatCommands;
  /** Measures the rest of time limits that began in an earlier gateway. */
  readonly time: Pick<TrustedTime, 'leftOf'>;
  /** Returns the agent; undefined if the config no longer has an agent of that name. */
  kind(): AgentKind | undefined;
}

export class AgentTurns {
  readonly #parts: AgentTurnsParts;
  readonly #approvals: Approvals;
  #queue: readonly MessageInfo[];
  #turn: Turn | undefined;
  /** Message of the turn. */
  #message: MessageInfo | undefined;
  /**
   * Events that are appended with the agent's next entry: the answer to a request must not be stored without the line
   * that tells the agent.
   */
  #attached: ConversationEvent[] = [];
  /**
   * True once the agent has the message of this turn. Before that, and while a command runs, its events do not belong
   * to the turn.
   */
  #isDelivered = false;
  #isClosed = false;

  constructor(parts: AgentTurnsParts) {
    this.#parts = parts;
    this.#queue = parts.queue;
    this.#approvals = new Approvals(parts.time);
  }

  get queue(): readonly MessageInfo[] {
    return this.#queue;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** True also while the end of the turn is being recorded. */
  get isUnderWay(): boolean {
    return this.#turn !== undefined;
  }

  get isFree(): boolean {
    return this.#turn === undefined && this.#parts.agent.isFree;
  }

  /** The message of the next run, if that can start now. */
  get next(): MessageInfo | undefined {
    return this.isFree && !this.#isClosed ? this.#queue[0] : undefined;
  }

  get run(): ConversationRun | null {
    return this.#running?.run ?? null;
  }

  /** Id of the run under way; '' without a run. */
  get runId(): string {
    return this.#turn?.run.id ?? '';
  }

  get approvals(): readonly Approval[] {
    return this.#running?.approvals ?? [];
  }

  /** Ms until the next request times out; undefined if none waits. */
  get approvalDueInMs(): number | undefined {
    return this.#approvals.nextInMs(this.approvals);
  }

  /** True once the agent has the message of the run under way. */
  get isDelivered(): boolean {
    return this.#isDelivered;
  }

  /** True if the run can go on without a gateway, or has not been given to an agent yet. */
  get outlivesUs(): boolean {
    return this.run?.isAsked === true || this.#parts.agent.isProcess;
  }

  /** Returns true if such a message can be injected into the turn under way. */
  takesInjected(text: string): boolean {
    return this.#isDelivered && callIn(text, this.#parts.commands) === undefined;
  }

  /** Applies a stored event to the queue and to the turn under way. */
  fold(event: ConversationEvent): void {
    this.#queue = queueAfter(this.#queue, event);
    if ('run' in event && event.run === this.#turn?.run.id) this.#turn.fold(event);
    if (event.type === 'approval_answered') this.#approvals.note(event.id, event.answer);
  }

  /**
   * Takes over the work of an earlier gateway, with the message of its run. The log from `placeToResumeFrom` on follows
   * by `restore`, then `resume`.
   */
  take(queue: readonly MessageInfo[], running: RunRecord | undefined, message: MessageInfo | undefined): void {
    this.#queue = queue;
    if (running === undefined) return;
    this.#turn = new Turn({ ...running, text: '' }, this.#parts.kind()?.approvalMs ?? 0);
    this.#message = message;
    this.#isDelivered = isDelivered(running);
  }

  /** Applies an entry of the log to the run that an earlier gateway left. Returns the events of that run. */
  restore({ events, driver }: TranscriptEntry): readonly ConversationEvent[] {
    const own = events.filter((event) => 'run' in event && event.run === this.#turn?.run.id);
    for (const event of own) {
      this.#turn?.fold(event);
      if (event.type === 'approval_answered') this.#approvals.note(event.id, event.answer);
    }
    if (driver !== undefined) this.#turn?.keep(driver.carry ?? {});
    return own;
  }

  /** Continues. `left`: what the agent has become of. */
  *resume(left: ResumeOutcome): TurnEffects {
    const run = this.#turn?.run;
    if (run !== undefined) yield* this.#goOn(run, left);
    yield { kind: 'alarm' };
    for (const approval of this.approvals) yield { kind: 'tool_hooks', approval };
    yield* this.#times();
  }

  /** Starts the run of `next`. */
  *start({ position, verdict }: TurnStart): TurnEffects {
    const message = this.next;
    if (message === undefined) return;
    const { conversation, commands } = this.#parts;
    const { id, by, text } = message;
    const at = Date.now();
    const call = callIn(text, commands);
    const kind = this.#parts.kind();
    const run: ConversationRun = {
      ...queuedRun(message, conversation),
      state: 'running',
      startedAt: at,
      position,
      ...defined({ command: call && { plugin: call.command.plugin, name: call.command.name } }),
      ...(verdict === undefined ? {} : { isAsked: true }),
    };
    this.#turn = new Turn(run, kind?.approvalMs ?? 0);
    this.#message = message;
    try {
      yield append([
        { type: 'message_delivered', at, id, run: id },
        { type: 'run_started', at, run },
      ]);
    } catch {
      this.#turn = undefined;
      // The next attempt calls the hooks again.
      verdict?.catch(() => undefined);
      yield { kind: 'retry', name: 'start', input: { kind: 'start' } };
      return;
    }
    yield* this.#times();
    const prompt = { id, text };
    if (call !== undefined) yield { kind: 'lend', call, by, prompt };
    else if (verdict !== undefined) yield { kind: 'hooks', prompt, by, verdict };
    else yield* this.#give(kind, prompt);
  }

  /** Ends the turn under way, if there is one. Throws `disk_full`; nothing has changed then. */
  abort(via: AbortVia, by: Author, before: readonly ConversationEvent[] = []): TurnEffects {
    return this.#cut({ via, by }, before);
  }

  /**
   * Answers a request. The first answer wins. Throws `approval_not_found`, `approval_answered` (details),
   * `unknown_option`, `disk_full`.
   */
  *answer(id: string, answer: ApprovalAnswer): TurnEffects {
    this.#approvals.require(this.approvals, id, answer.option);
    yield* this.#pass(id, answer);
  }

  /** Stores effects of an agent together with its progress. Throws `disk_full`; nothing has changed then. */
  *commit(source: AgentSource, effects: readonly Effect[], mark?: Omit<DriverMark, 'carry'>): TurnEffects {
    const attached = this.#attached;
    const turn = this.#turnOf(source);
    if (turn === undefined) {
      const count = effects.filter(({ kind }) => kind !== 'ended').length;
      if (count > 0) yield { kind: 'late', count };
      if (mark?.sent !== undefined || mark?.state !== undefined) yield append(attached, mark);
      this.#attached = [];
      return;
    }
    // A delivery report for a message that is no longer queued is out of date.
    const news = effects.filter((effect) => effect.kind !== 'delivered' || this.#isWaiting(effect.message));
    const { events, carry, isOver } = turn.convert(news, Date.now());
    const all = [...attached, ...events];
    const hasCarry = Object.keys(carry).length > 0;
    if (all.length === 0 && mark === undefined && !hasCarry) return;
    if (mark !== undefined) yield append(all, { ...mark, ...(hasCarry ? { carry } : {}) });
    else if (all.length > 0) yield append(all);
    this.#attached = [];
    for (const event of attached) if (event.type === 'approval_answered') this.#approvals.passed(event.id);
    turn.keep(carry);
    if (!turn.isOver) return;
    yield* this.#over();
    // The answer exceeded its limit, and the agent continues until it is interrupted.
    if (isOver) yield { kind: 'interrupt' };
  }

  /** Ends the turn under way with the error of an agent. Never throws: a failed write is retried. */
  *failed(source: AgentSource, error: BinnacleError): TurnEffects {
    if (this.#turnOf(source) !== undefined) yield* this.#fail(error);
  }

  /** Takes an input that had to wait. Without room on the disk it is repeated later. */
  *put(input: Exclude<TurnInput, { readonly kind: 'start' }>): TurnEffects {
    if (this.#isClosed) return;
    const run = this.#running?.run.id;
    try {
      switch (input.kind) {
        case 'allowed':
          if (run !== input.prompt.id) return;
          yield append([{ type: 'run_allowed', at: Date.now(), run }]);
          break;
        case 'failed':
          if (this.runId === input.run) yield* this.#fail(input.error);
          return;
        case 'injected': {
          const { prompt } = input;
          if (this.#isWaiting(prompt.id) && run === input.run) yield { kind: 'inject', prompt };
          return;
        }
        case 'not_injected': {
          const { by, why } = refusalOf(input.error);
          const { message: id } = input;
          if (this.#isWaiting(id)) yield append([{ type: 'message_cancelled', at: Date.now(), id, by, why }]);
          return;
        }
        case 'vetoed':
          yield* this.#veto(input.approval, input.error);
          return;
        case 'approvals_due':
          yield* this.#denyDue();
          return;
        case 'timed_out':
          if (run === input.run) yield* this.#cut({ via: 'timeout', by: { user: null, name: 'time limit' } });
          return;
        case 'silent':
          yield* this.#silent(input);
          return;
      }
    } catch {
      yield { kind: 'retry', name: retryNameOf(input), input };
      return;
    }
    yield* this.#give(this.#parts.kind(), input.prompt);
  }

  close(): void {
    this.#isClosed = true;
    this.#approvals.clear();
  }

  *#goOn(run: ConversationRun, left: ResumeOutcome): TurnEffects {
    const { by, command, isAsked } = run;
    const kind = this.#parts.kind();
    if (command !== undefined) {
      // The command may be half done, and must not run twice.
      const message = `The gateway was restarted while the plugin "${command.plugin}" was at it.`;
      yield* this.#fail(new BinnacleError('agent_lost', { message }));
    } else if (isAsked === true) yield { kind: 'hooks', prompt: this.#prompt, by };
    else if (left === 'lost') yield* this.#fail(new BinnacleError(kind === undefined ? 'unknown_agent' : 'agent_lost'));
    else if (left === 'begins' && kind !== undefined) yield { kind: 'begin', agent: kind, prompt: this.#prompt };
  }

  *#give(kind: AgentKind | undefined, prompt: Prompt): TurnEffects {
    if (kind === undefined) {
      yield* this.#fail(unknownAgent(this.#parts.conversation.agent));
      return;
    }
    this.#isDelivered = true;
    yield { kind: 'begin', agent: kind, prompt };
  }

  /** Ends the turn under way, if there is one, with an error. */
  *#fail(error: BinnacleError): TurnEffects {
    const turn = this.#turn;
    if (turn === undefined || this.#isClosed) return;
    if (!turn.isOver) {
      try {
        yield append(turn.end({ error: error.toWire() }, Date.now()));
      } catch {
        yield { kind: 'retry', name: 'failed', input: { kind: 'failed', run: turn.run.id, error } };
        return;
      }
    }
    yield* this.#over();
  }

  /** Ends the turn under way and interrupts the agent. */
  *#cut(end: Parameters<Turn['end']>[0], before: readonly ConversationEvent[] = []): TurnEffects {
    const turn = this.#turn;
    if (turn === undefined) return;
    yield append([...before, ...turn.end(end, Date.now())]);
    yield* this.#over();
    yield { kind: 'interrupt' };
  }

  /** The agent may be free already, if it was the agent that failed to begin. */
  *#over(): TurnEffects {
    this.#turn = undefined;
    this.#message = undefined;
    this.#isDelivered = false;
    this.#attached = [];
    this.#approvals.clear();
    yield { kind: 'over' };
  }

  *#pass(id: string, answer: ApprovalAnswer): TurnEffects {
    const turn = this.#turn;
    const { agent, isProcess } = this.#parts.agent;
    if (turn === undefined || agent === undefined) return;
    const event: ConversationEvent = { type: 'approval_answered', at: Date.now(), run: turn.run.id, id, answer };
    if (isProcess) {
      // The event and the line to the agent are stored in one entry, so that neither exists without the other.
      this.#approvals.pass(id, answer);
      this.#attached.push(event);
    } else yield append([event]);
    yield { kind: 'answer', approval: turn.driverId(id), option: answer.option };
  }

  *#denyDue(): TurnEffects {
    for (const approval of this.#approvals.due(this.approvals)) {
      const deny = denyOf(approval);
      const by = denierOf(approval);
      if (deny === undefined) yield* this.#cut({ via: 'timeout', by });
      else yield* this.#pass(approval.id, { option: deny.id, by, reason: 'timed_out' });
    }
    yield { kind: 'alarm' };
  }

  *#veto(id: string, refused: unknown): TurnEffects {
    const approval = this.#approvals.find(this.approvals, id);
    if (approval === undefined) return;
    const { error, by, why } = refusalOf(refused);
    const deny = denyOf(approval);
    if (deny === undefined) yield* this.#cut({ error: error.toWire() });
    else yield* this.#pass(id, { option: deny.id, by, reason: 'vetoed', why });
  }

  *#silent({ run: id, step, silentMs, waitsFor }: SilentInput): TurnEffects {
    const { run } = this;
    if (run?.id !== id) return;
    if (step === 'end') {
      const message = `The agent said nothing for ${lengthOf(silentMs)}, and no tool ran: it ${describeWait(waitsFor)}.`;
      const hint = `Send the message again. If such a silence is expected, raise agents.entries.${run.agent}.silenceMs.`;
      const details = { silentMs: Math.round(silentMs) };
      yield* this.#cut({ error: new BinnacleError('agent_silent', { message, hint, details }).toWire() });
      return;
    }
    const long = step === 'tell' ? { isLong: true as const } : {};
    const report = { at: Date.now(), silentMs: Math.round(silentMs), waitsFor, ...long };
    try {
      yield append([{ type: 'silent', run: id, ...report }]);
    } catch {
      // The disk is full; the next step is tried all the same.
    }
  }

  *#times(): TurnEffects {
    const run = this.#turn?.run;
    if (run === undefined) return;
    const kind = this.#parts.kind();
    const limitMs = this.#message?.timeoutMs ?? kind?.timeoutMs ?? 0;
    const leftMs = limitMs > 0 ? this.#parts.time.leftOf(run.startedAt ?? 0, limitMs) : undefined;
    yield { kind: 'times', leftMs, silence: kind?.silence };
  }

  #isWaiting(message: string): boolean {
    return this.#queue.some(({ id }) => id === message);
  }

  /** Returns the turn that reports of the agent, or of the stand-in, belong to. */
  #turnOf(source: AgentSource): Turn | undefined {
    return source === 'stand_in' || this.#isDelivered ? this.#turn : undefined;
  }

  get #prompt(): Prompt {
    if (this.#message === undefined) throw new BinnacleError('message_not_found');
    const { id, text } = this.#message;
    return { id, text };
  }

  /** The turn under way, unless its end is being recorded. */
  get #running(): Turn | undefined {
    return this.#turn?.isOver === true ? undefined : this.#turn;
  }
}

export const unknownAgent = (agent: string): BinnacleError =>
  new BinnacleError('unknown_agent', {
    message: `The agent "${agent}" is not in the config file.`,
    hint: `Add agents.entries.${agent}, or use another agent (GET /v1/agents).`,
  });

const lengthOf = (ms: number): string => {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
};
