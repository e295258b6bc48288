// The turns of a conversation, one after the other: who gets the message that is next, what is told meanwhile, and the one
// end of each. Appends through its conversation alone. Knows no viewer and no rows.

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
import { Alarm } from '../base/long-timer.ts';
import { InOrder } from '../base/ordered-queue.ts';
import { Retries } from '../base/retry-queue.ts';
import type { TrustedTime } from '../base/trusted-time.ts';
import type { RunRecord } from '../store/conversations.ts';
import type { AgentKind, ProcessMemory, Told } from './agents/agent.ts';
import { type Guard, refusalOf } from './agents/agent-hooks.ts';
import { Seat } from './agents/agent-slot.ts';
import { type ChatCommands, callIn, commandAgent } from './agents/chat-command.ts';
import type { Effect } from './agents/effects.ts';
import { TurnWatch } from './agents/turn-watch.ts';
import { Approvals, denierOf, denyOf } from './approvals.ts';
import type { Prompt } from './drivers/driver.ts';
import type { DriverMark, Transcript } from './state/transcript.ts';
import { Turn } from './turn.ts';

/** The conversation as its turns see it. */
export interface TurnsOf {
  /** Its id. */
  readonly id: string;
  readonly key: ConversationKey;
  /** The name of its agent. */
  readonly agent: string;
  /** Where its log ends. Throws `disk_full`, where it cannot be opened. */
  position(): string;
  /** Throws `disk_full` and has changed nothing then. */
  append(events: readonly ConversationEvent[], mark?: DriverMark): void;
  /** The one that waits longest. */
  next(): MessageInfo | undefined;
  isWaiting(message: string): boolean;
  message(id: string): MessageInfo;
  /** As whoever sent it asked for, in ms. */
  timeoutOf(message: string): number | undefined;
  /** Of its agent; undefined where there is none of that name any more. */
  kind(): AgentKind | undefined;
  /** Keeps it, with the place in the log that it belongs to. */
  remember(process: Omit<ProcessMemory, 'place'>): ProcessMemory;
}

export interface TurnsParts {
  readonly of: TurnsOf;
  readonly memory: ProcessMemory | null;
  readonly guard: Guard;
  readonly commands: ChatCommands;
  readonly log: Logger;
  /** Tells how much is left of what began in an earlier gateway. */
  readonly time: Pick<TrustedTime, 'leftOf' | 'now'>;
  droppedLate(count: number): void;
}

export class Turns {
  readonly #parts: TurnsParts;
  readonly #of: TurnsOf;
  readonly #seat: Seat;
  #turn: Turn | undefined;
  /** Told to the log with the next entry of the agent: what it is the answer to must not be there without it. */
  #attached: ConversationEvent[] = [];
  /** What the run under way has said is in the log from this place on. */
  #wordsFrom = 0;
  readonly #approvals: Approvals;
  readonly #deadline = new Alarm();
  readonly #watch: TurnWatch;
  readonly #retries = new Retries();
  /** Messages that others are asked about before they are handed into the turn. */
  readonly #injections = new InOrder();
  /** The agent has the message of the turn under way. Until then, and while a command runs, it has nothing to say in it. */
  #isGiven = false;
  #isClosed = false;

  constructor(parts: TurnsParts) {
    this.#parts = parts;
    this.#of = parts.of;
    this.#approvals = new Approvals(parts.time);
    this.#watch = new TurnWatch({
      time: parts.time,
      isStarting: () => this.#seat.agent?.isStarting === true,
      tell: (event) => this.#of.append([event]),
      end: (error) => this.#endSilent(error),
    });
    this.#seat = new Seat({ conversation: parts.of.id, told: this.#told, memory: parts.memory });
  }

  /** The session that its agent's process is, while there is one. */
  get process(): string | null {
    return this.#seat.session;
  }

  /** Also while the end of one is being told. */
  get isUnderWay(): boolean {
    return this.#turn !== undefined;
  }

  get isFree(): boolean {
    return this.#turn === undefined && this.#seat.isFree;
  }

  get run(): ConversationRun | null {
    const info = this.#running?.info;
    const { told: silence } = this.#watch;
    return info === undefined ? null : silence === undefined ? info : { ...info, silence };
  }

  get approvals(): readonly Approval[] {
    return this.#running?.approvals ?? [];
  }

  /** Marks in the log behind this place are newer than what is remembered of the process. */
  get memoryPlace(): number {
    return this.#seat.memoryPlace;
  }

  /** Whether a message like that can go into the turn that is under way. */
  takesInjected(text: string): boolean {
    return this.#isGiven && callIn(text, this.#parts.commands) === undefined;
  }

  /** '' where none is under way. */
  get runId(): string {
    return this.#turn?.run.id ?? '';
  }

  /** What became of the conversation is so for its turn, too. */
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

  /** The log lets go of its oldest part; what the run under way has said must not go with it. */
  keepWords(transcript: Transcript): void {
    const turn = this.#running;
    if (turn === undefined || turn.said === '' || transcript.doomed <= this.#wordsFrom) return;
    const { place } = transcript.head;
    const { run, said: text } = turn;
    try {
      transcript.append({
        events: [{ type: 'delta', at: Date.now(), run: run.id, stream: 'said', text, replace: true }],
      });
      this.#wordsFrom = place;
    } catch (error) {
      // Only who is killed before the end of the run would miss them.
      this.#parts.log.error({ err: error, conversation: this.#of.key }, 'what was said could not be kept again');
    }
  }

  /** From where on the log must be read again for `resume`. */
  placeToResumeFrom(running: RunRecord | undefined): number {
    const { memoryPlace } = this.#seat;
    return running !== undefined && isGivenIn(running) ? Math.min(memoryPlace, startOf(running)) : memoryPlace;
  }

  /** Goes on with what an earlier gateway left: `entries` are those of the log from `placeToResumeFrom` on. */
  async resume(running: RunRecord | undefined, entries: ReturnType<Transcript['readFrom']>): Promise<void> {
    const { memoryPlace } = this.#seat;
    const kind = this.#of.kind();
    const turn = running === undefined ? undefined : new Turn(running, kind?.approvalMs ?? 0);
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
    // Or from a later place, where they were kept again; then they are once more.
    if (running !== undefined) this.#wordsFrom = startOf(running);
    this.#isGiven = running !== undefined && isGivenIn(running);
    this.#goOn(kind, running, marks);
    this.#watchApprovals();
    for (const approval of this.approvals) this.#askAbout(approval);
    this.#armTimes();
    this.startNext();
  }

  /** Where the agent is free and a message waits. */
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
    const asking = call === undefined && kind !== undefined ? this.#asking({ id, text }, by) : undefined;
    const run: ConversationRun = {
      ...queuedRun(message, this.#of),
      state: 'running',
      startedAt: at,
      position,
      ...(call === undefined ? {} : { command: { plugin: call.command.plugin, name: call.command.name } }),
      ...(asking === undefined ? {} : { isAsked: true }),
    };
    this.#turn = new Turn(run, kind?.approvalMs ?? 0);
    this.#watch.take(run);
    this.#wordsFrom = startOf(run);
    try {
      this.#of.append([
        { type: 'message_delivered', at, id, run: id },
        { type: 'run_started', at, run },
      ]);
    } catch {
      this.#turn = undefined;
      this.#watch.stop();
      // It is asked again then.
      asking?.catch(() => undefined);
      this.#retries.later('start', () => this.startNext());
      return;
    }
    this.#armTimes();
    if (call !== undefined) {
      const { key: conversation, agent } = this.#of;
      this.#seat.lend(commandAgent(call, { conversation, agent, by, told: this.#toldByGuest }), { id, text });
    } else if (asking !== undefined) this.#await({ id, text }, asking);
    else this.#give(kind, { id, text });
  }

  /** Into the turn that is under way. Where that ends first, the message begins one of its own, and is asked about then. */
  inject(prompt: Prompt, by: Author): void {
    const turn = this.#turn;
    const asking = this.#asking(prompt, by);
    const isWaiting = (): boolean => !this.#isClosed && this.#of.isWaiting(prompt.id);
    const hand = (): void => {
      if (isWaiting() && this.#turn === turn && this.#running !== undefined) this.#seat.agent?.inject(prompt);
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
    if (asking === undefined && this.#injections.isEmpty) this.#seat.agent?.inject(prompt);
    else this.#injections.pass(asking, hand).catch(cancel);
  }

  /** Ends the one under way, if there is one. Throws `disk_full` and has changed nothing then. */
  abort(via: AbortVia, by: Author, before: readonly ConversationEvent[] = []): void {
    this.#cut({ via, by }, before);
  }

  /** First answer wins. Throws `approval_not_found`, `approval_answered` (details), `unknown_option`, `disk_full`. */
  answer(id: string, option: string, by: Author): ApprovalAnswer {
    const approval = this.#approvals.require(this.approvals, id, option);
    const answer: ApprovalAnswer = { option, by, reason: 'answered' };
    this.#pass(approval, answer);
    return answer;
  }

  /** Whether the run under way can go on when there is no gateway, or is not yet anybody's. */
  get outlivesUs(): boolean {
    return this.run?.isAsked === true || this.#seat.isProcess;
  }

  /** `ends`: the agent's process is ended, too. */
  async close(ends: boolean): Promise<void> {
    this.#isClosed = true;
    this.#deadline.clear();
    this.#watch.stop();
    this.#approvals.clear();
    this.#retries.stop();
    await this.#seat.close(ends);
  }

  #goOn(kind: AgentKind | undefined, running: RunRecord | undefined, marks: readonly DriverMark[]): void {
    const left = this.#seat.resume(kind, this.#isGiven ? running : undefined, marks);
    if (running === undefined) return;
    const { id, by } = running;
    if (running.command !== undefined) {
      // Half of it may be done: nobody does it twice.
      const message = `The gateway was restarted while the plugin "${running.command.plugin}" was at it.`;
      this.#fail(new BinnacleError('agent_lost', { message }));
    } else if (running.isAsked === true) {
      const prompt = { id, text: this.#of.message(id).text };
      this.#await(prompt, this.#asking(prompt, by));
    } else if (left === 'lost') this.#fail(new BinnacleError(kind === undefined ? 'unknown_agent' : 'agent_lost'));
    else if (left === 'begins' && kind !== undefined) {
      this.#seat.begin(kind, { id, text: this.#of.message(id).text });
    }
  }

  #give(kind: AgentKind | undefined, prompt: Prompt): void {
    if (kind === undefined) {
      this.#fail(unknownAgent(this.#of.agent));
      return;
    }
    this.#isGiven = true;
    this.#seat.begin(kind, prompt);
  }

  #asking({ id, text }: Prompt, by: Author): Promise<void> | undefined {
    const { key: conversation, agent } = this.#of;
    return this.#parts.guard.beforeRun({ conversation, run: id, agent, text, by: by.name });
  }

  /** The run has begun, and the agent gets its message when nobody has anything against it. */
  #await(prompt: Prompt, asking: Promise<void> | undefined): void {
    const turn = this.#turn;
    // Whoever ended it meanwhile was quicker.
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
    if (asking === undefined) allow();
    else
      asking.then(allow, (error: unknown) => {
        if (isStill()) this.#fail(refusalOf(error).error);
      });
  }

  /** The turn that is under way ends so, if there is one. */
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

  readonly #toldByGuest: Told = {
    commit: (effects) => this.#commit(this.#turn, effects, undefined),
    failed: (error) => this.#fail(error),
    free: () => {
      this.#seat.guestLeft();
      this.#startSoon();
    },
    remember: () => undefined,
  };

  readonly #told: Told = {
    commit: (effects, mark) => this.#commit(this.#isGiven ? this.#turn : undefined, effects, mark),
    failed: (error) => {
      if (this.#isGiven) this.#fail(error);
    },
    free: () => {
      this.#seat.free();
      this.#startSoon();
    },
    remember: (process) => this.#seat.remember(this.#of.remember(process)),
  };

  /** Not in the middle of what the agent is doing. */
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
    // What is told of a message that does not wait (any more) is old news.
    const news = effects.filter((effect) => effect.kind !== 'delivered' || this.#of.isWaiting(effect.message));
    const { events, carry, isOver } = turn.turn(news, Date.now());
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
    // It said more than fits: it goes on until it is told.
    if (isOver) this.#seat.agent?.interrupt();
  }

  /** Throws `disk_full` and has changed nothing then. */
  #cut(end: Parameters<Turn['end']>[0], before: readonly ConversationEvent[] = []): void {
    const turn = this.#turn;
    if (turn === undefined) return;
    this.#of.append([...before, ...turn.end(end, Date.now())]);
    this.#turnOnEnd();
    this.#seat.agent?.interrupt();
  }

  #turnOnEnd(): void {
    this.#turn = undefined;
    this.#isGiven = false;
    this.#attached = [];
    this.#approvals.clear();
    this.#deadline.clear();
    this.#watch.stop();
    // The agent may be free already, where it was it that failed to begin.
    this.#startSoon();
  }

  #pass(approval: Approval, answer: ApprovalAnswer): void {
    const { id } = approval;
    const turn = this.#turn;
    const { agent } = this.#seat;
    if (turn === undefined || agent === undefined) return;
    const event: ConversationEvent = { type: 'approval_answered', at: Date.now(), run: turn.run.id, id, answer };
    const driverId = turn.driverId(id);
    if (!this.#seat.isProcess) {
      this.#of.append([event]);
      agent.answer(driverId, answer.option);
      return;
    }
    // Kept in one entry with the line that tells the agent: there is never one without the other.
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

  /** A person who answers first wins. */
  #askAbout({ id, title, detail, isCut }: Approval): void {
    // It is denied as it is.
    if (isCut === true) return;
    const asked = { tool: title, input: { detail }, caller: this.#of.agent, via: 'approval' } as const;
    this.#parts.guard.beforeToolCall(asked)?.catch((error: unknown) => this.#veto(id, error));
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

  /** Not the one whose end is being told. */
  get #running(): Turn | undefined {
    return this.#turn?.isOver === true ? undefined : this.#turn;
  }
}

/** What a message that waits will be. */
export const queuedRun = (
  { id, by, at }: MessageInfo,
  { key, agent }: Pick<TurnsOf, 'key' | 'agent'>,
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

/** The agent was given its message before the gateway ended. */
const isGivenIn = ({ isAsked, command }: RunRecord): boolean => isAsked !== true && command === undefined;

const startOf = ({ position }: RunRecord): number => (position === null ? 0 : parsePosition(position).place);
