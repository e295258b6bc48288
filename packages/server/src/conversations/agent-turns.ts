// The turns of a conversation, in order: delivers the next message, records the events of its run, and gives each run
// exactly one end. Appends only through its conversation.

import {
  type AbortVia,
  type Approval,
  type ApprovalAnswer,
  type Author,
  BinnacleError,
  type ConversationEvent,
  type ConversationKey,
  type ConversationRun,
  type MessageInfo,
  parsePosition,
} from '@binnacle/protocol';
import type { Logger } from 'pino';
import { RetryQueue } from '../base/retry-queue.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import { Timer } from '../base/timer.ts';
import type { TrustedTime } from '../base/trusted-time.ts';
import type { RunRecord } from '../store/conversations.ts';
import type { AgentEvents, AgentKind, ProcessMemory } from './agents/agent.ts';
import { type AgentGuard, refusalOf } from './agents/agent-hooks.ts';
import { AgentSlot } from './agents/agent-slot.ts';
import { type ChatCommands, callIn, commandAgent } from './agents/chat-command.ts';
import type { Effect } from './agents/effects.ts';
import { TurnWatch } from './agents/turn-watch.ts';
import { Approvals, denierOf, denyOf } from './approvals.ts';
import type { Prompt } from './drivers/driver.ts';
import type { DriverMark, Transcript } from './state/transcript.ts';
import { Turn } from './turn.ts';

/** The conversation as its turns see it. */
export interface ConversationTurns {
  /** Id of the conversation. */
  readonly id: string;
  readonly key: ConversationKey;
  /** Name of the agent. */
  readonly agent: string;
  /** Returns the end of the log. Throws `disk_full` if the log cannot be opened. */
  position(): string;
  /** Appends events. Throws `disk_full`; nothing has changed then. */
  append(events: readonly ConversationEvent[], mark?: DriverMark): void;
  /** Returns the first message of the queue. */
  next(): MessageInfo | undefined;
  isWaiting(message: string): boolean;
  message(id: string): MessageInfo;
  /** Returns the time limit that the sender requested, in ms. */
  timeoutOf(message: string): number | undefined;
  /** Returns the agent; undefined if the config no longer has an agent of that name. */
  kind(): AgentKind | undefined;
  /** Stores the memory of the process, with its place in the log. */
  remember(process: Omit<ProcessMemory, 'place'>): ProcessMemory;
}

export interface TurnsParts {
  readonly of: ConversationTurns;
  readonly memory: ProcessMemory | null;
  readonly guard: AgentGuard;
  readonly commands: ChatCommands;
  readonly log: Logger;
  /** Measures the rest of time limits that began in an earlier gateway. */
  readonly time: Pick<TrustedTime, 'leftOf' | 'now'>;
  droppedLate(count: number): void;
}

export class AgentTurns {
  readonly #parts: TurnsParts;
  readonly #of: ConversationTurns;
  readonly #slot: AgentSlot;
  #turn: Turn | undefined;
  /**
   * Events that are appended with the agent's next entry: the answer to a request must not be stored without the line
   * that tells the agent.
   */
  #attached: ConversationEvent[] = [];
  /** Place in the log from which on the text of the run under way is complete. */
  #textFrom = 0;
  readonly #approvals: Approvals;
  readonly #deadline = new Timer();
  readonly #watch: TurnWatch;
  readonly #retries = new RetryQueue();
  /** Order of messages that wait for hooks before they are injected into the turn. */
  readonly #injections = new SerialQueue();
  /**
   * True once the agent has the message of this turn. Before that, and while a command runs, its events do not belong
   * to the turn.
   */
  #isDelivered = false;
  #isClosed = false;

  constructor(parts: TurnsParts) {
    this.#parts = parts;
    this.#of = parts.of;
    this.#approvals = new Approvals(parts.time);
    this.#watch = new TurnWatch({
      time: parts.time,
      isStarting: () => this.#slot.agent?.isStarting === true,
      append: (event) => this.#of.append([event]),
      end: (error) => this.#endSilent(error),
    });
    this.#slot = new AgentSlot({ conversation: parts.of.id, events: this.#agentEvents, memory: parts.memory });
  }

  /** Id of the session of the agent's process; null without a process. */
  get process(): string | null {
    return this.#slot.session;
  }

  /** True also while the end of the turn is being recorded. */
  get isUnderWay(): boolean {
    return this.#turn !== undefined;
  }

  get isFree(): boolean {
    return this.#turn === undefined && this.#slot.isFree;
  }

  get run(): ConversationRun | null {
    return this.#running?.run ?? null;
  }

  get approvals(): readonly Approval[] {
    return this.#running?.approvals ?? [];
  }

  /** Place of the memory of the process: marks in the log after this place are newer. */
  get memoryPlace(): number {
    return this.#slot.memoryPlace;
  }

  /** Returns true if such a message can be injected into the turn under way. */
  takesInjected(text: string): boolean {
    return this.#isDelivered && callIn(text, this.#parts.commands) === undefined;
  }

  /** Id of the run under way; '' without a run. */
  get runId(): string {
    return this.#turn?.run.id ?? '';
  }

  /** Applies a stored event to the turn under way. */
  fold(event: ConversationEvent): void {
    if ('run' in event && event.run === this.#turn?.run.id) {
      this.#turn.fold(event);
      this.#watch.fold(event);
    }
    if (event.type === 'approval') {
      this.#watchApprovals();
      this.#askAbout(event.approval);
    } else if (event.type === 'approval_answered') this.#approvals.note(event.id, event.answer);
  }

  /** Repeats the text of the run under way before retention removes its beginning from the log. */
  repeatText(transcript: Transcript): void {
    const turn = this.#running;
    if (turn === undefined || turn.run.text === '' || transcript.doomed <= this.#textFrom) return;
    const { place } = transcript.head;
    const { run } = turn;
    try {
      transcript.append({
        events: [{ type: 'delta', at: Date.now(), run: run.id, stream: 'said', text: run.text, replace: true }],
      });
      this.#textFrom = place;
    } catch (error) {
      // The text is missing only if the gateway is killed before the end of the run.
      this.#parts.log.error({ err: error, conversation: this.#of.key }, 'the messages could not be stored again');
    }
  }

  /** Returns the place from which on `resume` needs the log. */
  placeToResumeFrom(running: RunRecord | undefined): number {
    const { memoryPlace } = this.#slot;
    return running !== undefined && isDelivered(running) ? Math.min(memoryPlace, startOf(running)) : memoryPlace;
  }

  /** Continues the work of an earlier gateway. `entries`: the log from `placeToResumeFrom` on. */
  async resume(running: RunRecord | undefined, entries: ReturnType<Transcript['readFrom']>): Promise<void> {
    const { memoryPlace } = this.#slot;
    const kind = this.#of.kind();
    const turn = running === undefined ? undefined : new Turn({ ...running, text: '' }, kind?.approvalMs ?? 0);
    if (running !== undefined) this.#watch.take(running);
    const marks: DriverMark[] = [];
    for await (const { entry, place } of entries) {
      for (const event of entry.events) {
        if (turn === undefined || !('run' in event) || event.run !== running?.id) continue;
        turn.fold(event);
        this.#watch.fold(event);
        if (event.type === 'approval_answered') this.#approvals.note(event.id, event.answer);
      }
      if (entry.driver === undefined || place <= memoryPlace) continue;
      marks.push(entry.driver);
      turn?.restore(entry.driver.carry ?? {});
    }
    this.#turn = turn;
    // Possibly too early, if the text was repeated at a later place. It is then repeated once more.
    if (running !== undefined) this.#textFrom = startOf(running);
    this.#isDelivered = running !== undefined && isDelivered(running);
    this.#goOn(kind, running, marks);
    this.#watchApprovals();
    for (const approval of this.approvals) this.#askAbout(approval);
    this.#armTimes();
    this.startNext();
  }

  /** Starts the next run if the agent is free and a message waits. */
  startNext(): void {
    if (!this.isFree || this.#isClosed) return;
    const message = this.#of.next();
    if (message === undefined) return;
    const { ready } = this.#parts.guard;
    if (ready !== undefined) {
      void ready.then(() => this.startNext());
      return;
    }
    const { id, by, text } = message;
    const at = Date.now();
    let position: string;
    try {
      position = this.#of.position();
    } catch {
      this.#retries.later('start', () => this.startNext());
      return;
    }
    const call = callIn(text, this.#parts.commands);
    const kind = this.#of.kind();
    const verdict = call === undefined && kind !== undefined ? this.#callHooks({ id, text }, by) : undefined;
    const run: ConversationRun = {
      ...queuedRun(message, this.#of),
      state: 'running',
      startedAt: at,
      position,
      ...(call === undefined ? {} : { command: { plugin: call.command.plugin, name: call.command.name } }),
      ...(verdict === undefined ? {} : { isAsked: true }),
    };
    this.#turn = new Turn(run, kind?.approvalMs ?? 0);
    this.#watch.take(run);
    this.#textFrom = startOf(run);
    try {
      this.#of.append([
        { type: 'message_delivered', at, id, run: id },
        { type: 'run_started', at, run },
      ]);
    } catch {
      this.#turn = undefined;
      this.#watch.stop();
      // The next attempt calls the hooks again.
      verdict?.catch(() => undefined);
      this.#retries.later('start', () => this.startNext());
      return;
    }
    this.#armTimes();
    if (call !== undefined) {
      const { key: conversation, agent } = this.#of;
      this.#slot.lend(commandAgent(call, { conversation, agent, by, events: this.#standInEvents }), { id, text });
    } else if (verdict !== undefined) this.#await({ id, text }, verdict);
    else this.#give(kind, { id, text });
  }

  /**
   * Injects a message into the turn under way. If the turn ends first, the message starts its own run, and the hooks
   * are called for that run.
   */
  inject(prompt: Prompt, by: Author): void {
    const turn = this.#turn;
    const verdict = this.#callHooks(prompt, by);
    const isWaiting = (): boolean => !this.#isClosed && this.#of.isWaiting(prompt.id);
    const inject = (): void => {
      if (isWaiting() && this.#turn === turn && this.#running !== undefined) this.#slot.agent?.inject(prompt);
    };
    const cancel = (error: unknown): void => {
      if (!isWaiting()) return;
      const { by: who, why } = refusalOf(error);
      try {
        this.#of.append([{ type: 'message_cancelled', at: Date.now(), id: prompt.id, by: who, why }]);
      } catch {
        this.#retries.later(`cancel ${prompt.id}`, () => cancel(error));
      }
    };
    if (verdict === undefined && this.#injections.isIdle) this.#slot.agent?.inject(prompt);
    else this.#injections.runAfter(verdict, inject).catch(cancel);
  }

  /** Ends the turn under way, if there is one. Throws `disk_full`; nothing has changed then. */
  abort(via: AbortVia, by: Author, before: readonly ConversationEvent[] = []): void {
    this.#cut({ via, by }, before);
  }

  /**
   * Answers a request. The first answer wins. Throws `approval_not_found`, `approval_answered` (details),
   * `unknown_option`, `disk_full`.
   */
  answer(id: string, option: string, by: Author): ApprovalAnswer {
    const approval = this.#approvals.require(this.approvals, id, option);
    const answer: ApprovalAnswer = { option, by, reason: 'answered' };
    this.#pass(approval, answer);
    return answer;
  }

  /** True if the run can go on without a gateway, or has not been given to an agent yet. */
  get outlivesUs(): boolean {
    return this.run?.isAsked === true || this.#slot.isProcess;
  }

  /** `ends`: the agent's process is ended as well. */
  async close(ends: boolean): Promise<void> {
    this.#isClosed = true;
    this.#deadline.clear();
    this.#watch.stop();
    this.#approvals.clear();
    this.#retries.stop();
    await this.#slot.close(ends);
  }

  #goOn(kind: AgentKind | undefined, running: RunRecord | undefined, marks: readonly DriverMark[]): void {
    const left = this.#slot.resume(kind, this.#isDelivered ? running : undefined, marks);
    if (running === undefined) return;
    const { id, by } = running;
    if (running.command !== undefined) {
      // The command may be half done, and must not run twice.
      const message = `The gateway was restarted while the plugin "${running.command.plugin}" was at it.`;
      this.#fail(new BinnacleError('agent_lost', { message }));
    } else if (running.isAsked === true) {
      const prompt = { id, text: this.#of.message(id).text };
      this.#await(prompt, this.#callHooks(prompt, by));
    } else if (left === 'lost') this.#fail(new BinnacleError(kind === undefined ? 'unknown_agent' : 'agent_lost'));
    else if (left === 'begins' && kind !== undefined) {
      this.#slot.begin(kind, { id, text: this.#of.message(id).text });
    }
  }

  #give(kind: AgentKind | undefined, prompt: Prompt): void {
    if (kind === undefined) {
      this.#fail(unknownAgent(this.#of.agent));
      return;
    }
    this.#isDelivered = true;
    this.#slot.begin(kind, prompt);
  }

  #callHooks({ id, text }: Prompt, by: Author): Promise<void> | undefined {
    const { key: conversation, agent } = this.#of;
    return this.#parts.guard.beforeRun({ conversation, run: id, agent, text, by: by.name });
  }

  /** Gives the message of a started run to the agent once the hooks have allowed it. */
  #await(prompt: Prompt, verdict: Promise<void> | undefined): void {
    const turn = this.#turn;
    // The run may have ended while the hooks were deciding.
    const isStill = (): boolean => this.#turn === turn && this.#running !== undefined && !this.#isClosed;
    const allow = (): void => {
      if (!isStill()) return;
      try {
        this.#of.append([{ type: 'run_allowed', at: Date.now(), run: prompt.id }]);
      } catch {
        this.#retries.later('allow', allow);
        return;
      }
      this.#give(this.#of.kind(), prompt);
    };
    if (verdict === undefined) allow();
    else
      verdict.then(allow, (error: unknown) => {
        if (isStill()) this.#fail(refusalOf(error).error);
      });
  }

  /** Ends the turn under way, if there is one, with an error. */
  #fail(error: BinnacleError): void {
    const turn = this.#turn;
    if (turn === undefined || this.#isClosed) return;
    if (turn.isOver) {
      this.#turnOnEnd();
      return;
    }
    try {
      this.#of.append(turn.end({ error: error.toWire() }, Date.now()));
    } catch {
      this.#retries.later('failed', () => {
        if (this.#turn === turn) this.#fail(error);
      });
      return;
    }
    this.#turnOnEnd();
  }

  readonly #standInEvents: AgentEvents = {
    commit: (effects) => this.#commit(this.#turn, effects, undefined),
    failed: (error) => this.#fail(error),
    free: () => {
      this.#slot.standInEnded();
      this.#startSoon();
    },
    remember: () => undefined,
  };

  readonly #agentEvents: AgentEvents = {
    commit: (effects, mark) => this.#commit(this.#isDelivered ? this.#turn : undefined, effects, mark),
    failed: (error) => {
      if (this.#isDelivered) this.#fail(error);
    },
    free: () => {
      this.#slot.free();
      this.#startSoon();
    },
    remember: (process) => this.#slot.remember(this.#of.remember(process)),
  };

  /** Starts the next run in a later event-loop turn, not inside a call of the agent. */
  #startSoon(): void {
    if (!this.#isClosed) setImmediate(() => this.startNext());
  }

  #commit(turn: Turn | undefined, effects: readonly Effect[], mark: Omit<DriverMark, 'carry'> | undefined): void {
    const attached = this.#attached;
    if (turn === undefined) {
      const late = effects.filter(({ kind }) => kind !== 'ended').length;
      if (late > 0) this.#parts.droppedLate(late);
      if (mark?.sent !== undefined || mark?.state !== undefined) this.#of.append(attached, mark);
      this.#attached = [];
      return;
    }
    // A delivery report for a message that is no longer queued is out of date.
    const news = effects.filter((effect) => effect.kind !== 'delivered' || this.#of.isWaiting(effect.message));
    const { events, carry, isOver } = turn.convert(news, Date.now());
    const all = [...attached, ...events];
    if (all.length === 0 && mark === undefined && Object.keys(carry).length === 0) return;
    if (all.length > 0 || mark !== undefined) {
      const hasCarry = Object.keys(carry).length > 0;
      this.#of.append(all, mark === undefined ? undefined : { ...mark, ...(hasCarry ? { carry } : {}) });
    }
    this.#attached = [];
    for (const event of attached) if (event.type === 'approval_answered') this.#approvals.passed(event.id);
    turn.keep(carry);
    if (!turn.isOver) return;
    this.#turnOnEnd();
    // The answer exceeded its limit, and the agent continues until it is interrupted.
    if (isOver) this.#slot.agent?.interrupt();
  }

  /** Ends the turn under way and interrupts the agent. Throws `disk_full`; nothing has changed then. */
  #cut(end: Parameters<Turn['end']>[0], before: readonly ConversationEvent[] = []): void {
    const turn = this.#turn;
    if (turn === undefined) return;
    this.#of.append([...before, ...turn.end(end, Date.now())]);
    this.#turnOnEnd();
    this.#slot.agent?.interrupt();
  }

  #turnOnEnd(): void {
    this.#turn = undefined;
    this.#isDelivered = false;
    this.#attached = [];
    this.#approvals.clear();
    this.#deadline.clear();
    this.#watch.stop();
    // The agent may be free already, if it was the agent that failed to begin.
    this.#startSoon();
  }

  #pass(approval: Approval, answer: ApprovalAnswer): void {
    const { id } = approval;
    const turn = this.#turn;
    const { agent } = this.#slot;
    if (turn === undefined || agent === undefined) return;
    const event: ConversationEvent = { type: 'approval_answered', at: Date.now(), run: turn.run.id, id, answer };
    const driverId = turn.driverId(id);
    if (!this.#slot.isProcess) {
      this.#of.append([event]);
      agent.answer(driverId, answer.option);
      return;
    }
    // The event and the line to the agent are stored in one entry, so that neither exists without the other.
    this.#approvals.pass(id, answer);
    this.#attached.push(event);
    agent.answer(driverId, answer.option);
  }

  #watchApprovals(): void {
    this.#approvals.watch(this.#turn?.approvals ?? [], () => this.#denyDue());
  }

  #denyDue(): void {
    for (const approval of this.#approvals.due(this.approvals)) {
      const deny = denyOf(approval);
      const by = denierOf(approval);
      try {
        if (deny === undefined) this.#cut({ via: 'timeout', by });
        else this.#pass(approval, { option: deny.id, by, reason: 'timed_out' });
      } catch {
        this.#retries.later('approvals', () => this.#denyDue());
        return;
      }
    }
    this.#watchApprovals();
  }

  /** Calls the hooks for a request. A person who answers first wins. */
  #askAbout({ id, title, detail, isCut }: Approval): void {
    // A request that is cut off is denied anyway.
    if (isCut === true) return;
    const call = { tool: title, input: { detail }, caller: this.#of.agent, via: 'approval' } as const;
    this.#parts.guard.beforeToolCall(call)?.catch((error: unknown) => this.#veto(id, error));
  }

  #veto(id: string, refused: unknown): void {
    const approval = this.#approvals.find(this.approvals, id);
    if (approval === undefined || this.#isClosed) return;
    const { error, by, why } = refusalOf(refused);
    const deny = denyOf(approval);
    try {
      if (deny === undefined) this.#cut({ error: error.toWire() });
      else this.#pass(approval, { option: deny.id, by, reason: 'vetoed', why });
    } catch {
      this.#retries.later(`veto ${id}`, () => this.#veto(id, refused));
    }
  }

  #armTimes(): void {
    const run = this.#turn?.run;
    if (run === undefined) return;
    const kind = this.#of.kind();
    const timeoutMs = this.#of.timeoutOf(run.id) ?? kind?.timeoutMs ?? 0;
    if (timeoutMs > 0) {
      this.#deadline.set(this.#parts.time.leftOf(run.startedAt ?? 0, timeoutMs), () => this.#runOut());
    }
    if (kind !== undefined) this.#watch.begin(kind.silence);
  }

  #endSilent(error: BinnacleError): void {
    try {
      this.#cut({ error: error.toWire() });
    } catch {
      const turn = this.#turn;
      this.#retries.later('silence', () => {
        if (this.#turn === turn) this.#endSilent(error);
      });
    }
  }

  #runOut(): void {
    try {
      this.#cut({ via: 'timeout', by: { user: null, name: 'time limit' } });
    } catch {
      this.#retries.later('deadline', () => this.#runOut());
    }
  }

  /** The turn under way, unless its end is being recorded. */
  get #running(): Turn | undefined {
    return this.#turn?.isOver === true ? undefined : this.#turn;
  }
}

/** Returns the future run of a queued message. */
export const queuedRun = (
  { id, by, at }: MessageInfo,
  { key, agent }: Pick<ConversationTurns, 'key' | 'agent'>,
): ConversationRun => ({
  id,
  conversation: key,
  agent,
  state: 'queued',
  by,
  queuedAt: at,
  startedAt: null,
  endedAt: null,
  position: null,
  text: '',
  end: null,
  usage: null,
});

export const unknownAgent = (agent: string): BinnacleError =>
  new BinnacleError('unknown_agent', {
    message: `The agent "${agent}" is not in the config file.`,
    hint: `Add agents.entries.${agent}, or use another agent (GET /v1/agents).`,
  });

/** Returns true if the agent had been given its message before the gateway ended. */
const isDelivered = ({ isAsked, command }: RunRecord): boolean => isAsked !== true && command === undefined;

const startOf = ({ position }: RunRecord): number => (position === null ? 0 : parsePosition(position).place);
