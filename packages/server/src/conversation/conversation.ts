// One session key: its log, its runs one after the other, and the messages that wait. The only place that appends to its
// log, so that no road to an end can be forgotten. Knows no transport.

import {
  type AbortVia,
  type Approval,
  type ApprovalAnswer,
  type Author,
  BinnacleError,
  type ConversationEvent,
  type ConversationInfo,
  type ConversationRun,
  isRunId,
  type MessageInfo,
  parsePosition,
  type SendMessage,
  type SendReceipt,
  type SteerMode,
  type Visibility,
} from '@binnacle/protocol';
import type { Logger } from 'pino';
import { uuidv7 } from 'uuidv7';
import {
  type ConversationRecord,
  type ConversationStore,
  digestOf,
  type RunRecord,
} from '../catalogue/conversations.ts';
import type { LogReader } from '../log/log.ts';
import type { AgentKind, ProcessMemory, Told } from './agent.ts';
import { Alarm } from './alarm.ts';
import { Approvals, denierOf, denyOf } from './approvals.ts';
import { type ChatCommands, callIn, commandAgent } from './chat-command.ts';
import type { Prompt } from './drivers/driver.ts';
import type { Effect } from './effects.ts';
import { type Guard, refusalOf } from './guard.ts';
import { InOrder } from './in-order.ts';
import { Inbox } from './inbox.ts';
import { Retries } from './retries.ts';
import { Rows } from './rows.ts';
import { Seat } from './seat.ts';
import { isStopText } from './stop-text.ts';
import type { DriverMark, Transcript } from './transcript.ts';
import { Turn } from './turn.ts';
import type { WriteLease } from './write-lease.ts';

/**
 * A message goes to an agent as JSON in JSON, and as that into one entry of the log (1 MiB) with what the driver knows:
 * control characters and backslashes become many.
 */
const MAX_ESCAPED_BYTES = 700 * 1024;

export interface ConversationParts {
  readonly store: ConversationStore;
  readonly log: Logger;
  readonly limits: { readonly maxQueued: number; readonly maxMessageBytes: number };
  openTranscript(record: ConversationRecord): Transcript;
  makeLease(record: ConversationRecord): WriteLease;
  agent(id: string): AgentKind | undefined;
  readonly guard: Guard;
  readonly commands: ChatCommands;
  /** In-process subscribers hear of everything, whoever watches. */
  happened(conversation: Conversation, events: readonly ConversationEvent[], position: string): void;
  /** Something came for a run that is over. */
  droppedLate(count: number): void;
}

/** By what right a message is changed. */
export interface Changing {
  /** Owner or admin. */
  readonly isManager: boolean;
  readonly lease?: string | undefined;
}

export class Conversation {
  readonly lease: WriteLease;
  readonly #parts: ConversationParts;
  readonly #rows: Rows;
  #transcript: Transcript | undefined;
  #turn: Turn | undefined;
  #inbox: Inbox;
  readonly #seat: Seat;
  /** Told to the log with the next entry of the agent: what it is the answer to must not be there without it. */
  #attached: ConversationEvent[] = [];
  /** Of files that are not needed any more. */
  #closing: Promise<unknown> = Promise.resolve();
  /** What the run under way has said is in the log from this place on. */
  #wordsFrom = 0;
  readonly #approvals = new Approvals();
  readonly #deadline = new Alarm();
  readonly #retries = new Retries();
  /** Messages that others are asked about before they are handed into the turn. */
  readonly #injections = new InOrder();
  /** The agent has the message of the turn under way. Until then, and while a command runs, it has nothing to say in it. */
  #isGiven = false;
  #isClosed = false;

  constructor(record: ConversationRecord, parts: ConversationParts) {
    this.#parts = parts;
    this.#rows = new Rows(record, parts.store, parts.log);
    this.#inbox = new Inbox(this.#rows.queue());
    const memory = record.process === null ? null : (JSON.parse(record.process) as ProcessMemory);
    this.#seat = new Seat({ conversation: record.id, told: this.#told, memory });
    this.lease = parts.makeLease(record);
  }

  get record(): ConversationRecord {
    return this.#rows.record;
  }

  get log(): LogReader {
    return this.#open().log;
  }

  /** Its log holds more than its rows: we were killed in between, and `recover` is due. */
  get isBehind(): boolean {
    return this.#open().head.place > this.record.place;
  }

  /** The session that its agent's process is, while there is one. */
  get process(): string | null {
    return this.#seat.session;
  }

  get isOpen(): boolean {
    return this.#transcript !== undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isBusy(): boolean {
    return this.#turn !== undefined || this.#inbox.messages.length > 0 || !this.#seat.isFree;
  }

  get run(): ConversationRun | null {
    return this.#runningTurn?.info ?? null;
  }

  get info(): Omit<ConversationInfo, 'mine'> {
    const { key, agent, owner, visibility, title, createdAt, updatedAt } = this.record;
    const { position, epoch } = this.#open();
    const kind = this.#parts.agent(agent);
    return {
      key,
      agent,
      owner,
      visibility,
      title,
      createdAt,
      updatedAt,
      position,
      epoch,
      run: this.run,
      queue: this.#inbox.messages,
      approvals: this.#runningTurn?.approvals ?? [],
      lease: this.lease.info,
      steer: kind?.driver.steer ?? ['queue'],
    };
  }

  /**
   * Takes a message. Throws `bad_request`, `message_too_large`, `message_conflict`, `queue_full`, `unknown_agent`,
   * `lease_held`, `lease_lost`, `disk_full`.
   */
  send(asked: SendMessage, by: Author, lease?: string): SendReceipt {
    const id = asked.id ?? uuidv7();
    this.#check(id, asked.text);
    const known = this.#rows.message(id);
    if (known !== undefined) return this.#repeated(known, asked);
    const admitted = this.lease.admit(by.name, lease);
    this.#rows.requireRoom();
    if (isStopText(asked.text)) return this.#stop({ ...asked, id }, by);
    const kind = this.#parts.agent(this.record.agent);
    if (kind === undefined) throw this.#unknownAgent();
    const { maxQueued } = this.#parts.limits;
    if (this.#inbox.messages.length >= maxQueued) {
      throw new BinnacleError('queue_full', { details: { limit: maxQueued } });
    }
    const wanted = asked.steer ?? 'queue';
    // While an agent settles after an abort there is no run, and still a place to be put before the others.
    const isWorking = this.#turn !== undefined || (wanted === 'interrupt' && this.#inbox.messages.length > 0);
    const canSteer = wanted !== 'inject' || (this.#isGiven && callIn(asked.text, this.#parts.commands) === undefined);
    const steer: SteerMode = isWorking && canSteer && kind.driver.steer.includes(wanted) ? wanted : 'queue';
    const message: MessageInfo = {
      id,
      role: 'user',
      text: asked.text,
      by,
      at: Date.now(),
      state: 'queued',
      steer,
      run: null,
      ...(asked.timeoutMs === undefined ? {} : { timeoutMs: asked.timeoutMs }),
    };
    this.lease.check(admitted);
    this.#append([{ type: 'message', at: message.at, message }]);
    if (steer === 'inject') this.#inject({ id, text: asked.text }, by);
    if (steer === 'interrupt') this.#cutTurn({ via: 'interrupt', by });
    this.#startNext();
    return this.#receipt(id, false);
  }

  /** What runs and what waits, or one of them. Ids of what was aborted. Throws `run_not_found`, `disk_full`. */
  abort(target: string | undefined, via: AbortVia, by: Author): readonly string[] {
    return this.#abort(target, via, by, []);
  }

  /** `first`: kept in one entry with the ends, or not at all. */
  #abort(
    target: string | undefined,
    via: AbortVia,
    by: Author,
    first: readonly ConversationEvent[],
  ): readonly string[] {
    const waiting = this.#inbox.messages.filter(({ id }) => target === undefined || id === target);
    const hitsTurn = this.#turn !== undefined && (target === undefined || this.#turn.run.id === target);
    if (waiting.length === 0 && !hitsTurn) {
      if (target !== undefined) this.findRun(target);
      if (first.length > 0) this.#append(first);
      return [];
    }
    const at = Date.now();
    const cancelled = [
      ...first,
      ...waiting.map(({ id }): ConversationEvent => ({ type: 'message_cancelled', at, id, by })),
    ];
    const ids = waiting.map(({ id }) => id);
    if (!hitsTurn) {
      this.#append(cancelled);
      return ids;
    }
    const run = this.#turn?.run.id ?? '';
    this.#cutTurn({ via, by }, cancelled);
    return [run, ...ids];
  }

  /** First answer wins. Throws `approval_not_found`, `approval_answered` (details), `unknown_option`, `disk_full`. */
  answer(id: string, option: string, by: Author): ApprovalAnswer {
    const approval = this.#approvals.require(this.#runningTurn?.approvals ?? [], id, option);
    const answer: ApprovalAnswer = { option, by, reason: 'answered' };
    this.#pass(approval, answer);
    return answer;
  }

  /**
   * Of a message that waits: by who sent it, or `isManager`. Throws `message_not_found`, `message_delivered`,
   * `forbidden`, and what `send` throws for a text and for the lease.
   */
  edit(id: string, text: string, by: Author, { isManager, lease }: Changing): MessageInfo {
    this.#check(id, text);
    const message = this.#inbox.requireWaiting(this.message(id));
    // The agent takes it for the word of who sent it.
    if (!isManager && message.by.user !== by.user) {
      throw new BinnacleError('forbidden', {
        message: `Only ${message.by.name} and the owner may change that message.`,
      });
    }
    this.lease.check(this.lease.admit(by.name, lease));
    this.#rows.requireRoom();
    this.#append([{ type: 'message_edited', at: Date.now(), id, text, by }]);
    return this.message(id);
  }

  /** Throws `message_not_found`, `message_delivered`. By everybody who may abort what it would begin. */
  cancel(id: string, by: Author): MessageInfo {
    this.#inbox.requireWaiting(this.message(id));
    this.#append([{ type: 'message_cancelled', at: Date.now(), id, by }]);
    return this.message(id);
  }

  /** Throws `message_not_found`. */
  message(id: string): MessageInfo {
    const message = this.#rows.message(id);
    if (message === undefined) throw new BinnacleError('message_not_found');
    return message;
  }

  /** A message by that id was sent before. */
  knows(id: string): boolean {
    return this.#rows.message(id) !== undefined;
  }

  history(page: { readonly before?: string | undefined; readonly limit?: number | undefined }) {
    return this.#rows.history(page);
  }

  /** Also of a message that waits for its turn. Throws `run_not_found`. */
  findRun(id: string): ConversationRun {
    if (this.#runningTurn?.run.id === id) return this.#runningTurn.info;
    const known = this.#rows.run(id);
    if (known !== undefined) return known;
    const message = this.#inbox.find(id);
    if (message === undefined) {
      throw new BinnacleError('run_not_found', { hint: 'Its id is that of the message which began it.' });
    }
    return this.#queuedRun(message);
  }

  update(change: { readonly title?: string; readonly visibility?: Visibility }, by: Author): void {
    this.#append([{ type: 'changed', at: Date.now(), by, ...change }]);
  }

  /** Throws `lease_held`, `lease_lost`, `message_too_large`. */
  note(text: string, by: Author, lease?: string): void {
    this.#check('note', text);
    this.lease.check(this.lease.admit(by.name, lease));
    this.#append([{ type: 'note', at: Date.now(), text, by }]);
  }

  /** What an earlier gateway left: a run under way, messages that wait, a process without work. */
  async recover(): Promise<void> {
    const rows = this.#rows;
    const transcript = this.#open();
    const left = this.record.place;
    for await (const { entry, place } of transcript.readFrom(left)) {
      // What is in the log and not in the rows: we were killed in between.
      rows.take(entry.events, { epoch: transcript.epoch, place, state: 'busy' });
    }
    this.#inbox = new Inbox(rows.queue());
    const running = rows.running();
    const { memoryPlace } = this.#seat;
    const isGiven = running !== undefined && running.isAsked !== true && running.command === undefined;
    const from = isGiven ? Math.min(memoryPlace, startOf(running)) : memoryPlace;
    const kind = this.#parts.agent(this.record.agent);
    const turn = running === undefined ? undefined : new Turn(running, kind?.approvalMs ?? 0);
    const marks: DriverMark[] = [];
    for await (const { entry, place } of transcript.readFrom(from)) {
      for (const event of entry.events)
        if (turn !== undefined && 'run' in event && event.run === running?.id) {
          turn.fold(event);
          if (event.type === 'approval_answered') this.#approvals.note(event.id, event.answer);
        }
      if (entry.driver === undefined || place <= memoryPlace) continue;
      marks.push(entry.driver);
      turn?.restore(entry.driver.carry ?? {});
    }
    this.#turn = turn;
    // Or from a later place, where they were kept again; then they are once more.
    if (running !== undefined) this.#wordsFrom = startOf(running);
    this.#isGiven = isGiven;
    this.#goOn(kind, running, marks);
    this.#watchApprovals();
    for (const approval of this.#runningTurn?.approvals ?? []) this.#askAbout(approval);
    this.#armDeadline();
    this.#startNext();
  }

  /** Closes its files until they are needed again. Only while nothing is under way and nobody reads. */
  release(): void {
    const transcript = this.#transcript;
    this.#transcript = undefined;
    if (transcript !== undefined) this.#closing = Promise.all([this.#closing, this.#shut(transcript)]);
  }

  /** Lets go. Runs that cannot outlive the gateway are aborted; `all`: the others, too, with their processes. */
  async close(all: boolean): Promise<void> {
    const by: Author = { user: null, name: 'gateway' };
    const { run } = this;
    // What waits goes on waiting, for the next gateway; so does what others are asked about.
    if (run !== null && (all || (run.isAsked !== true && !this.#seat.isProcess)))
      this.#tryAbort(run.id, 'shutdown', by);
    this.#isClosed = true;
    this.#deadline.clear();
    this.#approvals.clear();
    this.#rows.stop();
    this.#retries.stop();
    this.lease.stop();
    await this.#seat.close(all);
    this.release();
    await this.#closing;
  }

  /** Ends everything of it; whoever reads it hears so. */
  async destroy(by: Author): Promise<void> {
    this.#tryAbort(undefined, 'deleted', by);
    this.lease.end();
    await this.close(true);
  }

  async #shut(transcript: Transcript): Promise<void> {
    try {
      await transcript.close();
    } catch (error) {
      // Every entry was written before anybody was told; what a full disk keeps from us is the sync of the last ones.
      this.#parts.log.error({ err: error, conversation: this.record.key }, 'a log could not be synced');
    }
  }

  #goOn(kind: AgentKind | undefined, running: RunRecord | undefined, marks: readonly DriverMark[]): void {
    const left = this.#seat.resume(kind, this.#isGiven ? running : undefined, marks);
    if (running === undefined) return;
    if (running.command !== undefined) {
      // Half of it may be done: nobody does it twice.
      const message = `The gateway was restarted while the plugin "${running.command.plugin}" was at it.`;
      this.#fail(new BinnacleError('agent_lost', { message }));
    } else if (running.isAsked === true) {
      const { id, text, by } = this.message(running.id);
      this.#await({ id, text }, this.#asking({ id, text }, by));
    } else if (left === 'lost') this.#fail(new BinnacleError(kind === undefined ? 'unknown_agent' : 'agent_lost'));
    else if (left === 'begins' && kind !== undefined) {
      this.#seat.begin(kind, { id: running.id, text: this.message(running.id).text });
    }
  }

  #startNext(): void {
    if (this.#turn !== undefined || !this.#seat.isFree || this.#isClosed) return;
    const message = this.#inbox.next;
    if (message === undefined) return;
    const { ready } = this.#parts.guard;
    if (ready !== undefined) {
      void ready.then(() => this.#startNext());
      return;
    }
    const { id, by, text } = message;
    const at = Date.now();
    let position: string;
    try {
      position = this.#open().position;
    } catch {
      this.#retries.later('start', () => this.#startNext());
      return;
    }
    const call = callIn(text, this.#parts.commands);
    const kind = this.#parts.agent(this.record.agent);
    const asking = call === undefined && kind !== undefined ? this.#asking({ id, text }, by) : undefined;
    const run: ConversationRun = {
      ...this.#queuedRun(message),
      state: 'running',
      startedAt: at,
      position,
      ...(call === undefined ? {} : { command: { plugin: call.command.plugin, name: call.command.name } }),
      ...(asking === undefined ? {} : { isAsked: true }),
    };
    this.#turn = new Turn(run, kind?.approvalMs ?? 0);
    this.#wordsFrom = startOf(run);
    try {
      this.#append([
        { type: 'message_delivered', at, id, run: id },
        { type: 'run_started', at, run },
      ]);
    } catch {
      this.#turn = undefined;
      // It is asked again then.
      asking?.catch(() => undefined);
      this.#retries.later('start', () => this.#startNext());
      return;
    }
    this.#armDeadline();
    if (call !== undefined) {
      const { key: conversation, agent } = this.record;
      this.#seat.lend(commandAgent(call, { conversation, agent, by, told: this.#toldByGuest }), { id, text });
    } else if (asking !== undefined) this.#await({ id, text }, asking);
    else this.#give(kind, { id, text });
  }

  #give(kind: AgentKind | undefined, prompt: Prompt): void {
    if (kind === undefined) {
      this.#fail(this.#unknownAgent());
      return;
    }
    this.#isGiven = true;
    this.#seat.begin(kind, prompt);
  }

  #asking({ id, text }: Prompt, by: Author): Promise<void> | undefined {
    const { key: conversation, agent } = this.record;
    return this.#parts.guard.beforeRun({ conversation, run: id, agent, text, by: by.name });
  }

  /** The run has begun, and the agent gets its message when nobody has anything against it. */
  #await(prompt: Prompt, asking: Promise<void> | undefined): void {
    const turn = this.#turn;
    // Whoever ended it meanwhile was quicker.
    const isStill = (): boolean => this.#turn === turn && this.#runningTurn !== undefined && !this.#isClosed;
    const allow = (): void => {
      if (!isStill()) return;
      try {
        this.#append([{ type: 'run_allowed', at: Date.now(), run: prompt.id }]);
      } catch {
        this.#retries.later('allow', allow);
        return;
      }
      this.#give(this.#parts.agent(this.record.agent), prompt);
    };
    if (asking === undefined) allow();
    else
      asking.then(allow, (error: unknown) => {
        if (isStill()) this.#fail(refusalOf(error).error);
      });
  }

  /** Into the turn that is under way. Where that ends first, the message begins one of its own, and is asked about then. */
  #inject(prompt: Prompt, by: Author): void {
    const turn = this.#turn;
    const asking = this.#asking(prompt, by);
    const isWaiting = (): boolean => !this.#isClosed && this.#inbox.find(prompt.id) !== undefined;
    const hand = (): void => {
      if (isWaiting() && this.#turn === turn && this.#runningTurn !== undefined) this.#seat.agent?.inject(prompt);
    };
    const cancel = (error: unknown): void => {
      if (!isWaiting()) return;
      const { by: who, why } = refusalOf(error);
      try {
        this.#append([{ type: 'message_cancelled', at: Date.now(), id: prompt.id, by: who, why }]);
      } catch {
        this.#retries.later(`cancel ${prompt.id}`, () => cancel(error));
      }
    };
    if (asking === undefined && this.#injections.isEmpty) this.#seat.agent?.inject(prompt);
    else this.#injections.pass(asking, hand).catch(cancel);
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
      this.#append(turn.end({ error: error.toWire() }, Date.now()));
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
      if (!this.#isClosed) setImmediate(() => this.#startNext());
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
      // Not in the middle of what the agent is doing.
      if (!this.#isClosed) setImmediate(() => this.#startNext());
    },
    remember: (process) => {
      // Also while it is closed, when its log is not opened again.
      const place = this.#transcript?.head.place ?? this.record.place;
      const memory = { ...process, place };
      this.#seat.remember(memory);
      this.#rows.setProcess(JSON.stringify(memory));
    },
  };

  #commit(turn: Turn | undefined, effects: readonly Effect[], mark: Omit<DriverMark, 'carry'> | undefined): void {
    const attached = this.#attached;
    if (turn === undefined) {
      const late = effects.filter(({ kind }) => kind !== 'ended').length;
      if (late > 0) this.#parts.droppedLate(late);
      if (mark?.sent !== undefined || mark?.state !== undefined) this.#append(attached, mark);
      this.#attached = [];
      return;
    }
    // What is told of a message that does not wait (any more) is old news.
    const news = effects.filter(
      (effect) => effect.kind !== 'delivered' || this.#inbox.find(effect.message) !== undefined,
    );
    const { events, carry, isOver } = turn.turn(news, Date.now());
    const all = [...attached, ...events];
    if (all.length === 0 && mark === undefined && Object.keys(carry).length === 0) return;
    if (all.length > 0 || mark !== undefined) {
      const hasCarry = Object.keys(carry).length > 0;
      this.#append(all, mark === undefined ? undefined : { ...mark, ...(hasCarry ? { carry } : {}) });
    }
    this.#attached = [];
    for (const event of attached) if (event.type === 'approval_answered') this.#approvals.passed(event.id);
    turn.keep(carry);
    if (!turn.isOver) return;
    this.#turnOnEnd();
    // It said more than fits: it goes on until it is told.
    if (isOver) this.#seat.agent?.interrupt();
  }

  /** Everything that becomes of a conversation goes through here. Throws `disk_full` and has changed nothing then. */
  #append(events: readonly ConversationEvent[], mark?: DriverMark): void {
    const transcript = this.#open();
    const head = transcript.append(mark === undefined ? { events } : { events, driver: mark });
    for (const event of events) this.#fold(event);
    const isBusy = this.#runningTurn !== undefined || this.#inbox.messages.length > 0;
    this.#rows.take(events, { epoch: transcript.epoch, place: head.place, state: isBusy ? 'busy' : 'idle' });
    this.#keepWords(transcript);
    transcript.tell();
    if (events.length > 0) this.#parts.happened(this, events, transcript.position);
  }

  #fold(event: ConversationEvent): void {
    if ('run' in event && event.run === this.#turn?.run.id) this.#turn.fold(event);
    this.#inbox.fold(event);
    if (event.type === 'approval') {
      this.#watchApprovals();
      this.#askAbout(event.approval);
    } else if (event.type === 'approval_answered') this.#approvals.note(event.id, event.answer);
  }

  /** The log lets go of its oldest part; what the run under way has said must not go with it. */
  #keepWords(transcript: Transcript): void {
    const turn = this.#runningTurn;
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
      this.#parts.log.error({ err: error, conversation: this.record.key }, 'what was said could not be kept again');
    }
  }

  #stop(asked: SendMessage & { readonly id: string }, by: Author): SendReceipt {
    const message: MessageInfo = {
      id: asked.id,
      role: 'user',
      text: asked.text,
      by,
      at: Date.now(),
      state: 'cancelled',
      steer: 'queue',
      run: null,
    };
    const aborted = this.#abort(undefined, 'stop_text', by, [{ type: 'message', at: message.at, message }]);
    return { message, run: null, duplicate: false, aborted };
  }

  /** Throws `disk_full` and has changed nothing then. */
  #cutTurn(end: Parameters<Turn['end']>[0], before: readonly ConversationEvent[] = []): void {
    const turn = this.#turn;
    if (turn === undefined) return;
    this.#append([...before, ...turn.end(end, Date.now())]);
    this.#turnOnEnd();
    this.#seat.agent?.interrupt();
  }

  #tryAbort(target: string | undefined, via: AbortVia, by: Author): void {
    try {
      this.abort(target, via, by);
    } catch (error) {
      // The next gateway finds a run without an end, and says so.
      this.#parts.log.error({ err: error, conversation: this.record.key }, 'a run could not be aborted');
    }
  }

  #turnOnEnd(): void {
    this.#turn = undefined;
    this.#isGiven = false;
    this.#attached = [];
    this.#approvals.clear();
    this.#deadline.clear();
    // The agent may be free already, where it was it that failed to begin.
    if (!this.#isClosed) setImmediate(() => this.#startNext());
  }

  #pass(approval: Approval, answer: ApprovalAnswer): void {
    const { id } = approval;
    const turn = this.#turn;
    const { agent } = this.#seat;
    if (turn === undefined || agent === undefined) return;
    const event: ConversationEvent = { type: 'approval_answered', at: Date.now(), run: turn.run.id, id, answer };
    const driverId = turn.driverId(id);
    if (!this.#seat.isProcess) {
      this.#append([event]);
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
    for (const approval of this.#approvals.due(this.#runningTurn?.approvals ?? [], Date.now())) {
      const deny = denyOf(approval);
      const by = denierOf(approval);
      try {
        if (deny === undefined) this.#cutTurn({ via: 'timeout', by });
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
    const asked = { tool: title, input: { detail }, caller: this.record.agent, via: 'approval' } as const;
    this.#parts.guard.beforeToolCall(asked)?.catch((error: unknown) => this.#veto(id, error));
  }

  #veto(id: string, refused: unknown): void {
    const approval = this.#approvals.find(this.#runningTurn?.approvals ?? [], id);
    if (approval === undefined || this.#isClosed) return;
    const { error, by, why } = refusalOf(refused);
    const deny = denyOf(approval);
    try {
      if (deny === undefined) this.#cutTurn({ error: error.toWire() });
      else this.#pass(approval, { option: deny.id, by, reason: 'vetoed', why });
    } catch {
      this.#retries.later(`veto ${id}`, () => this.#veto(id, refused));
    }
  }

  #armDeadline(): void {
    const run = this.#turn?.run;
    if (run === undefined) return;
    const asked = this.#rows.message(run.id)?.timeoutMs;
    const timeoutMs = asked ?? this.#parts.agent(this.record.agent)?.timeoutMs ?? 0;
    if (timeoutMs > 0) this.#deadline.set((run.startedAt ?? 0) + timeoutMs, () => this.#runOut());
  }

  #runOut(): void {
    try {
      this.#cutTurn({ via: 'timeout', by: { user: null, name: 'time limit' } });
    } catch {
      this.#retries.later('deadline', () => this.#runOut());
    }
  }

  #check(id: string, text: string): void {
    if (!isRunId(id)) {
      throw new BinnacleError('bad_request', {
        message: 'A message id is 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-".',
      });
    }
    if (text.trim() === '') throw new BinnacleError('bad_request', { message: 'The message is empty.' });
    const { maxMessageBytes } = this.#parts.limits;
    const escaped = Buffer.byteLength(JSON.stringify(JSON.stringify(text)));
    if (Buffer.byteLength(text) > maxMessageBytes || escaped > MAX_ESCAPED_BYTES) {
      const details = { limitBytes: maxMessageBytes, limitEscapedBytes: MAX_ESCAPED_BYTES };
      throw new BinnacleError('message_too_large', { details });
    }
  }

  /** Not the one whose end is being told. */
  get #runningTurn(): Turn | undefined {
    return this.#turn?.isOver === true ? undefined : this.#turn;
  }

  #repeated(known: MessageInfo, asked: SendMessage): SendReceipt {
    if (this.#rows.digest(known.id) !== digestOf(asked)) throw new BinnacleError('message_conflict');
    return this.#receipt(known.id, true);
  }

  #receipt(id: string, duplicate: boolean): SendReceipt {
    const message = this.message(id);
    const isOwnRun =
      message.run === null ? message.state === 'queued' && message.steer !== 'inject' : message.run === id;
    return { message, run: isOwnRun ? this.findRun(id) : null, duplicate };
  }

  #queuedRun(message: MessageInfo): ConversationRun {
    const { key, agent } = this.record;
    return {
      id: message.id,
      conversation: key,
      agent,
      state: 'queued',
      by: message.by,
      queuedAt: message.at,
      startedAt: null,
      endedAt: null,
      position: null,
      text: '',
      end: null,
      usage: null,
    };
  }

  #unknownAgent(): BinnacleError {
    const { agent } = this.record;
    return new BinnacleError('unknown_agent', {
      message: `The agent "${agent}" is not in the config file.`,
      hint: `Add agents.entries.${agent}, or use another agent (GET /v1/agents).`,
    });
  }

  #open(): Transcript {
    if (this.#isClosed) throw new BinnacleError('going_away');
    this.#transcript ??= this.#parts.openTranscript(this.record);
    return this.#transcript;
  }
}

const startOf = ({ position }: RunRecord): number => (position === null ? 0 : parsePosition(position).place);
