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
import type { Agent, ProcessMemory, Told } from './agent.ts';
import type { Driver, Prompt } from './drivers/driver.ts';
import type { Effect } from './effects.ts';
import { isStopText } from './stop-text.ts';
import type { DriverMark, Transcript } from './transcript.ts';
import { Turn } from './turn.ts';
import type { WriteLease } from './write-lease.ts';

/** What could not be kept for want of room is tried again this often. */
const DISK_RETRY_MS = 500;
/** Of requests that were answered, for who comes second. */
const MAX_ANSWERS = 200;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** One agent of the config, ready to be used. */
export interface AgentKind {
  readonly driver: Driver;
  /** Changes when its settings do. */
  readonly version: string;
  /** Milliseconds; 0: none. */
  readonly timeoutMs: number;
  readonly approvalMs: number;
  make(conversation: ConversationRecord, told: Told, memory: ProcessMemory | null): AgentMade;
}

export interface AgentMade {
  readonly agent: Agent;
  /** Goes on with a process of an earlier gateway; false: there is none any more. */
  resume?(
    memory: ProcessMemory & { readonly session: string },
    marks: readonly DriverMark[],
    isInTurn: boolean,
  ): boolean;
}

export interface ConversationParts {
  readonly store: ConversationStore;
  readonly log: Logger;
  readonly limits: { readonly maxQueued: number; readonly maxMessageBytes: number };
  openTranscript(record: ConversationRecord): Transcript;
  makeLease(record: ConversationRecord): WriteLease;
  agent(id: string): AgentKind | undefined;
  /** In-process subscribers hear of everything, whoever watches. */
  happened(conversation: Conversation, events: readonly ConversationEvent[], position: string): void;
  /** Something came for a run that is over. */
  droppedLate(count: number): void;
}

export class Conversation {
  readonly lease: WriteLease;
  readonly #parts: ConversationParts;
  #record: ConversationRecord;
  #transcript: Transcript | undefined;
  #turn: Turn | undefined;
  #queue: MessageInfo[];
  #agent: { readonly made: AgentMade; readonly version: string; readonly kind: Driver['kind'] } | undefined;
  #isAgentFree = true;
  #memory: ProcessMemory | null;
  /** Told to the log with the next entry of the agent: what it is the answer to must not be there without it. */
  #attached: ConversationEvent[] = [];
  /** Of files that are not needed any more. */
  #closing: Promise<unknown> = Promise.resolve();
  /** What the run under way has said is in the log from this place on. */
  #wordsFrom = 0;
  readonly #answering = new Set<string>();
  readonly #answers = new Map<string, ApprovalAnswer>();
  /** What the catalogue could not take; it takes it with what comes next. */
  #unapplied: ConversationEvent[] = [];
  #deadline: NodeJS.Timeout | undefined;
  #approvalTimer: NodeJS.Timeout | undefined;
  /** What waits for room on the disk, one of each kind. */
  readonly #retries = new Map<'start' | 'failed' | 'approvals' | 'deadline', NodeJS.Timeout>();
  #isClosed = false;

  constructor(record: ConversationRecord, parts: ConversationParts) {
    this.#record = record;
    this.#parts = parts;
    this.#queue = parts.store.waiting(record.id);
    this.#memory = record.process === null ? null : (JSON.parse(record.process) as ProcessMemory);
    this.lease = parts.makeLease(record);
  }

  get record(): ConversationRecord {
    return this.#record;
  }

  get log(): LogReader {
    return this.#open().log;
  }

  /** Its log holds more than its rows: we were killed in between, and `recover` is due. */
  get isBehind(): boolean {
    return this.#open().head.place > this.#record.place;
  }

  get isOpen(): boolean {
    return this.#transcript !== undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isBusy(): boolean {
    return this.#turn !== undefined || this.#queue.length > 0 || !this.#isAgentFree;
  }

  get run(): ConversationRun | null {
    return this.#runningTurn?.info ?? null;
  }

  get info(): Omit<ConversationInfo, 'mine'> {
    const { key, agent, owner, visibility, title, createdAt, updatedAt } = this.#record;
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
      queue: this.#queue,
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
    const { store, limits } = this.#parts;
    const known = store.message(this.#record.id, id);
    if (known !== undefined) return this.#repeated(known, asked);
    const admitted = this.lease.admit(by.name, lease);
    if (isStopText(asked.text)) return this.#stop({ ...asked, id }, by);
    const kind = this.#parts.agent(this.#record.agent);
    if (kind === undefined) throw this.#unknownAgent();
    if (this.#queue.length >= limits.maxQueued) {
      throw new BinnacleError('queue_full', { details: { limit: limits.maxQueued } });
    }
    const wanted = asked.steer ?? 'queue';
    // While an agent settles after an abort there is no run, and still a place to be put before the others.
    const isWorking = this.#turn !== undefined || (wanted === 'interrupt' && this.#queue.length > 0);
    const steer: SteerMode = isWorking && kind.driver.steer.includes(wanted) ? wanted : 'queue';
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
    if (steer === 'inject' && this.#agent !== undefined) this.#agent.made.agent.inject({ id, text: asked.text });
    if (steer === 'interrupt') this.#abortTurn('interrupt', by, []);
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
    const waiting = this.#queue.filter(({ id }) => target === undefined || id === target);
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
    this.#abortTurn(via, by, cancelled);
    return [run, ...ids];
  }

  /** First answer wins. Throws `approval_not_found`, `approval_answered` (details), `unknown_option`, `disk_full`. */
  answer(id: string, option: string, by: Author): ApprovalAnswer {
    const approval = this.#turn?.approvals.find((one) => one.id === id);
    if (approval === undefined || this.#answering.has(id)) {
      const answer = this.#answers.get(id);
      if (answer === undefined) throw new BinnacleError('approval_not_found');
      throw new BinnacleError('approval_answered', {
        details: { option: answer.option, by: answer.by.name, reason: answer.reason },
      });
    }
    if (!approval.options.some((one) => one.id === option)) {
      const options = approval.options.map((one) => one.id);
      throw new BinnacleError('unknown_option', { details: { options } });
    }
    const answer: ApprovalAnswer = { option, by, reason: 'answered' };
    this.#pass(approval, answer);
    return answer;
  }

  /** Of a message that waits. Throws `message_not_found`, `message_delivered`, and what `send` throws for a text. */
  edit(id: string, text: string, by: Author): MessageInfo {
    this.#check(id, text);
    this.#waitingMessage(id);
    this.#append([{ type: 'message_edited', at: Date.now(), id, text, by }]);
    return this.message(id);
  }

  /** Throws `message_not_found`, `message_delivered`. */
  cancel(id: string, by: Author): MessageInfo {
    this.#waitingMessage(id);
    this.#append([{ type: 'message_cancelled', at: Date.now(), id, by }]);
    return this.message(id);
  }

  /** Throws `message_not_found`. */
  message(id: string): MessageInfo {
    const message = this.#parts.store.message(this.#record.id, id);
    if (message === undefined) throw new BinnacleError('message_not_found');
    return message;
  }

  /** A message by that id was sent before. */
  knows(id: string): boolean {
    return this.#parts.store.message(this.#record.id, id) !== undefined;
  }

  history(page: { readonly before?: string | undefined; readonly limit?: number | undefined }) {
    return this.#parts.store.history(this.#record.id, page);
  }

  /** Also of a message that waits for its turn. Throws `run_not_found`. */
  findRun(id: string): ConversationRun {
    if (this.#runningTurn?.run.id === id) return this.#runningTurn.info;
    const run = this.#parts.store.run(this.#record.id, id) ?? this.#queuedRun(id);
    if (run === undefined) {
      throw new BinnacleError('run_not_found', { hint: 'Its id is that of the message which began it.' });
    }
    return run;
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
    const { store } = this.#parts;
    const transcript = this.#open();
    const left = this.#record.place;
    for await (const { entry, place } of transcript.readFrom(left)) {
      // What is in the log and not in the rows: we were killed in between.
      this.#record = store.apply(this.#record, entry.events, { epoch: transcript.epoch, place, state: 'busy' });
    }
    this.#queue = store.waiting(this.#record.id);
    const running = store.running(this.#record.id);
    const memoryPlace = this.#memory?.place ?? 0;
    const from = running === undefined ? memoryPlace : Math.min(memoryPlace, startOf(running));
    const kind = this.#parts.agent(this.#record.agent);
    const turn = running === undefined ? undefined : new Turn(running, kind?.approvalMs ?? 0);
    const marks: DriverMark[] = [];
    for await (const { entry, place } of transcript.readFrom(from)) {
      for (const event of entry.events)
        if (turn !== undefined && 'run' in event && event.run === running?.id) {
          turn.fold(event);
          if (event.type === 'approval_answered') this.#noteAnswer(event.id, event.answer);
        }
      if (entry.driver === undefined || place <= memoryPlace) continue;
      marks.push(entry.driver);
      turn?.restore(entry.driver.carry ?? {});
    }
    this.#turn = turn;
    // Or from a later place, where they were kept again; then they are once more.
    if (running !== undefined) this.#wordsFrom = startOf(running);
    this.#goOn(kind, running, marks);
    this.#armApprovals();
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
    // What waits goes on waiting, for the next gateway.
    if (run !== null && (all || this.#agent?.kind !== 'process')) this.#tryAbort(run.id, 'shutdown', by);
    this.#isClosed = true;
    for (const timer of [this.#deadline, this.#approvalTimer, ...this.#retries.values()]) clearTimeout(timer);
    this.lease.stop();
    await this.#agent?.made.agent.close(all);
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
      this.#parts.log.error({ err: error, conversation: this.#record.key }, 'a log could not be synced');
    }
  }

  #goOn(kind: AgentKind | undefined, running: RunRecord | undefined, marks: readonly DriverMark[]): void {
    const isInTurn = running !== undefined;
    const session = marks.at(-1)?.session ?? this.#memory?.session ?? undefined;
    if (kind === undefined || kind.driver.kind === 'local') {
      if (isInTurn) this.#told.failed(new BinnacleError(kind === undefined ? 'unknown_agent' : 'agent_lost'));
      return;
    }
    const made = this.#makeAgent(kind);
    if (session === undefined) {
      // Killed between the start of the run and the first word to the agent.
      if (isInTurn) this.#begin(made.agent, { id: running.id, text: this.message(running.id).text });
      return;
    }
    const isSame = this.#memory?.session === session;
    const { memory = null, ...known } = this.#memory ?? {};
    const base: ProcessMemory & { readonly session: string } = isSame
      ? { offset: 0, n: 0, state: null, place: 0, ...known, memory, session }
      : { session, offset: 0, n: 0, state: null, memory, place: 0 };
    this.#isAgentFree = !isInTurn;
    const own = marks.filter((mark) => mark.session === session);
    // A run that was aborted a moment before: nobody knows when it has settled, so it gets no second one.
    const isSettling = !isInTurn && marks.length > 0;
    if (made.resume?.(base, own, isInTurn) !== true) {
      if (isInTurn) this.#told.failed(new BinnacleError('agent_lost'));
      this.#isAgentFree = true;
    } else if (isSettling) {
      this.#agent = undefined;
      void made.agent.close(true);
    }
  }

  #startNext(): void {
    if (this.#turn !== undefined || !this.#isAgentFree || this.#isClosed) return;
    const [message] = this.#queue;
    if (message === undefined) return;
    const { id, by, text } = message;
    const at = Date.now();
    let position: string;
    try {
      position = this.#open().position;
    } catch {
      this.#retryLater('start', () => this.#startNext());
      return;
    }
    const run: ConversationRun = {
      id,
      conversation: this.#record.key,
      agent: this.#record.agent,
      state: 'running',
      by,
      queuedAt: message.at,
      startedAt: at,
      endedAt: null,
      position,
      text: '',
      end: null,
      usage: null,
    };
    const kind = this.#parts.agent(this.#record.agent);
    this.#turn = new Turn(run, kind?.approvalMs ?? 0);
    this.#wordsFrom = startOf(run);
    try {
      this.#append([
        { type: 'message_delivered', at, id, run: id },
        { type: 'run_started', at, run },
      ]);
    } catch {
      this.#turn = undefined;
      this.#retryLater('start', () => this.#startNext());
      return;
    }
    this.#armDeadline();
    if (kind === undefined) {
      this.#told.failed(this.#unknownAgent());
      return;
    }
    this.#begin(this.#makeAgent(kind).agent, { id, text });
  }

  #begin(agent: Agent, prompt: Prompt): void {
    this.#isAgentFree = false;
    agent.begin(prompt);
  }

  /** The one of before, unless its settings are others now. */
  #makeAgent(kind: AgentKind): AgentMade {
    if (this.#agent?.version === kind.version) return this.#agent.made;
    void this.#agent?.made.agent.close(true);
    const made = kind.make(this.#record, this.#told, this.#memory);
    this.#agent = { made, version: kind.version, kind: kind.driver.kind };
    return made;
  }

  readonly #told: Told = {
    commit: (effects, mark) => this.#commit(effects, mark),
    failed: (error) => {
      const turn = this.#turn;
      if (turn === undefined || this.#isClosed) return;
      try {
        this.#append(turn.end({ error: error.toWire() }, Date.now()));
      } catch {
        this.#retryLater('failed', () => this.#told.failed(error));
        return;
      }
      this.#turnOnEnd();
    },
    free: () => {
      this.#isAgentFree = true;
      // Not in the middle of what the agent is doing.
      if (!this.#isClosed) setImmediate(() => this.#startNext());
    },
    remember: (process) => {
      // Also while it is closed, when its log is not opened again.
      const place = this.#transcript?.head.place ?? this.#record.place;
      this.#memory = { ...process, place };
      this.#keep(() => this.#parts.store.setProcess(this.#record.id, JSON.stringify(this.#memory)));
    },
  };

  #commit(effects: readonly Effect[], mark: Omit<DriverMark, 'carry'> | undefined): void {
    const turn = this.#turn;
    const attached = this.#attached;
    if (turn === undefined) {
      const late = effects.filter(({ kind }) => kind !== 'ended').length;
      if (late > 0) this.#parts.droppedLate(late);
      if (mark?.sent !== undefined || mark?.state !== undefined) this.#append(attached, mark);
      this.#attached = [];
      return;
    }
    // What is told of a message that does not wait (any more) is old news.
    const news = effects.filter((effect) => effect.kind !== 'delivered' || this.#isWaiting(effect.message));
    const { events, carry, isOver } = turn.turn(news, Date.now());
    const all = [...attached, ...events];
    if (all.length === 0 && mark === undefined && Object.keys(carry).length === 0) return;
    if (all.length > 0 || mark !== undefined) {
      const hasCarry = Object.keys(carry).length > 0;
      this.#append(all, mark === undefined ? undefined : { ...mark, ...(hasCarry ? { carry } : {}) });
    }
    this.#attached = [];
    for (const event of attached) if (event.type === 'approval_answered') this.#answering.delete(event.id);
    turn.keep(carry);
    if (!turn.isOver) return;
    this.#turnOnEnd();
    // It said more than fits: it goes on until it is told.
    if (isOver) this.#agent?.made.agent.interrupt();
  }

  /** Everything that becomes of a conversation goes through here. Throws `disk_full` and has changed nothing then. */
  #append(events: readonly ConversationEvent[], mark?: DriverMark): void {
    const transcript = this.#open();
    const head = transcript.append(mark === undefined ? { events } : { events, driver: mark });
    for (const event of events) this.#fold(event);
    this.#apply(events, head.place);
    this.#keepWords(transcript);
    transcript.tell();
    if (events.length > 0) this.#parts.happened(this, events, transcript.position);
  }

  #fold(event: ConversationEvent): void {
    if ('run' in event && event.run === this.#turn?.run.id) this.#turn.fold(event);
    if (event.type === 'message' && event.message.state === 'queued') this.#enqueue(event.message);
    else if (event.type === 'message_edited') {
      this.#queue = this.#queue.map((one) => (one.id === event.id ? { ...one, text: event.text } : one));
    } else if (event.type === 'message_cancelled' || event.type === 'message_delivered') {
      this.#queue = this.#queue.filter(({ id }) => id !== event.id);
    } else if (event.type === 'approval') this.#armApprovals();
    else if (event.type === 'approval_answered') this.#noteAnswer(event.id, event.answer);
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
      this.#parts.log.error({ err: error, conversation: this.#record.key }, 'what was said could not be kept again');
    }
  }

  /** Deltas are in the log alone; everything else is in the rows as well, for questions. */
  #apply(events: readonly ConversationEvent[], place: number): void {
    const rest = events.filter(({ type }) => type !== 'delta' && type !== 'tool');
    if (rest.length === 0 && this.#unapplied.length === 0) return;
    this.#unapplied.push(...rest);
    const state = (this.#turn !== undefined && !this.#turn.isOver) || this.#queue.length > 0 ? 'busy' : 'idle';
    const { epoch } = this.#open();
    this.#keep(() => {
      this.#record = this.#parts.store.apply(this.#record, this.#unapplied, { epoch, place, state });
      this.#unapplied = [];
    });
  }

  /** A full disk must not stop the news; what could not be kept is found in the log again. */
  #keep(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#parts.log.error({ err: error, conversation: this.#record.key }, 'the catalogue could not be written');
    }
  }

  #enqueue(message: MessageInfo): void {
    const isFirst = message.steer === 'interrupt';
    const at = isFirst ? this.#queue.findIndex(({ steer }) => steer !== 'interrupt') : -1;
    this.#queue = at < 0 ? [...this.#queue, message] : this.#queue.toSpliced(at, 0, message);
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

  #abortTurn(via: AbortVia, by: Author, before: readonly ConversationEvent[]): void {
    const turn = this.#turn;
    if (turn === undefined) return;
    this.#append([...before, ...turn.end({ via, by }, Date.now())]);
    this.#turnOnEnd();
    this.#agent?.made.agent.interrupt();
  }

  #tryAbort(target: string | undefined, via: AbortVia, by: Author): void {
    try {
      this.abort(target, via, by);
    } catch (error) {
      // The next gateway finds a run without an end, and says so.
      this.#parts.log.error({ err: error, conversation: this.#record.key }, 'a run could not be aborted');
    }
  }

  #turnOnEnd(): void {
    this.#turn = undefined;
    this.#attached = [];
    this.#answering.clear();
    clearTimeout(this.#deadline);
    clearTimeout(this.#approvalTimer);
    // The agent may be free already, where it was it that failed to begin.
    if (!this.#isClosed) setImmediate(() => this.#startNext());
  }

  #pass(approval: Approval, answer: ApprovalAnswer): void {
    const { id } = approval;
    const turn = this.#turn;
    const agent = this.#agent;
    if (turn === undefined || agent === undefined) return;
    const event: ConversationEvent = { type: 'approval_answered', at: Date.now(), run: turn.run.id, id, answer };
    const driverId = turn.driverId(id);
    if (agent.kind === 'local') {
      this.#append([event]);
      agent.made.agent.answer(driverId, answer.option);
      return;
    }
    // Kept in one entry with the line that tells the agent: there is never one without the other.
    this.#answering.add(id);
    this.#noteAnswer(id, answer);
    this.#attached.push(event);
    agent.made.agent.answer(driverId, answer.option);
  }

  #noteAnswer(id: string, answer: ApprovalAnswer): void {
    this.#answers.set(id, answer);
    for (const old of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS) break;
      this.#answers.delete(old);
    }
  }

  #armApprovals(): void {
    clearTimeout(this.#approvalTimer);
    const open = (this.#turn?.approvals ?? []).filter(({ id }) => !this.#answering.has(id));
    if (open.length === 0) return;
    const next = open.reduce((a, b) => (a.expiresAt <= b.expiresAt ? a : b));
    const delay = Math.min(Math.max(0, next.expiresAt - Date.now()), MAX_TIMER_MS);
    this.#approvalTimer = setTimeout(() => this.#expire(), delay);
    this.#approvalTimer.unref();
  }

  #expire(): void {
    const now = Date.now();
    const by: Author = { user: null, name: 'time limit' };
    for (const approval of this.#turn?.approvals ?? []) {
      if (approval.expiresAt > now || this.#answering.has(approval.id)) continue;
      const deny = approval.options.find(({ kind }) => kind === 'deny_once' || kind === 'deny_always');
      try {
        if (deny === undefined) this.#abortTurn('timeout', by, []);
        else this.#pass(approval, { option: deny.id, by, reason: 'timed_out' });
      } catch {
        this.#retryLater('approvals', () => this.#expire());
        return;
      }
    }
    this.#armApprovals();
  }

  #armDeadline(): void {
    clearTimeout(this.#deadline);
    const run = this.#turn?.run;
    if (run === undefined) return;
    const asked = this.#parts.store.message(this.#record.id, run.id)?.timeoutMs;
    const timeoutMs = asked ?? this.#parts.agent(this.#record.agent)?.timeoutMs ?? 0;
    if (timeoutMs === 0) return;
    const delay = Math.min(Math.max(0, (run.startedAt ?? 0) + timeoutMs - Date.now()), MAX_TIMER_MS);
    this.#deadline = setTimeout(() => this.#runOut(timeoutMs), delay);
    this.#deadline.unref();
  }

  #runOut(timeoutMs: number): void {
    const run = this.#turn?.run;
    if (run === undefined) return;
    if ((run.startedAt ?? 0) + timeoutMs > Date.now() + 1) this.#armDeadline();
    else {
      try {
        this.#abortTurn('timeout', { user: null, name: 'time limit' }, []);
      } catch {
        this.#retryLater('deadline', () => this.#runOut(timeoutMs));
      }
    }
  }

  #retryLater(what: 'start' | 'failed' | 'approvals' | 'deadline', act: () => void): void {
    clearTimeout(this.#retries.get(what));
    const timer = setTimeout(act, DISK_RETRY_MS);
    timer.unref();
    this.#retries.set(what, timer);
  }

  #check(id: string, text: string): void {
    if (!isRunId(id)) {
      throw new BinnacleError('bad_request', {
        message: 'A message id is 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-".',
      });
    }
    if (text.trim() === '') throw new BinnacleError('bad_request', { message: 'The message is empty.' });
    const { maxMessageBytes } = this.#parts.limits;
    if (Buffer.byteLength(text) > maxMessageBytes) {
      throw new BinnacleError('message_too_large', { details: { limitBytes: maxMessageBytes } });
    }
  }

  /** Not the one whose end is being told. */
  get #runningTurn(): Turn | undefined {
    return this.#turn?.isOver === true ? undefined : this.#turn;
  }

  #isWaiting(id: string): boolean {
    return this.#queue.some((one) => one.id === id);
  }

  #waitingMessage(id: string): void {
    if (this.#queue.some((one) => one.id === id && one.steer !== 'inject')) return;
    const { state } = this.message(id);
    if (state === 'cancelled') throw new BinnacleError('message_not_found', { message: 'That message was cancelled.' });
    throw new BinnacleError('message_delivered');
  }

  #repeated(known: MessageInfo, asked: SendMessage): SendReceipt {
    if (this.#parts.store.digest(this.#record.id, known.id) !== digestOf(asked))
      throw new BinnacleError('message_conflict');
    return this.#receipt(known.id, true);
  }

  #receipt(id: string, duplicate: boolean): SendReceipt {
    const message = this.message(id);
    const isOwnRun =
      message.run === null ? message.state === 'queued' && message.steer !== 'inject' : message.run === id;
    return { message, run: isOwnRun ? this.findRun(id) : null, duplicate };
  }

  #queuedRun(id: string): ConversationRun | undefined {
    const message = this.#queue.find((one) => one.id === id);
    if (message === undefined) return undefined;
    const { key, agent } = this.#record;
    return {
      id,
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
    const { agent } = this.#record;
    return new BinnacleError('unknown_agent', {
      message: `The agent "${agent}" is not in the config file.`,
      hint: `Add agents.entries.${agent}, or use another agent (GET /v1/agents).`,
    });
  }

  #open(): Transcript {
    if (this.#isClosed) throw new BinnacleError('going_away');
    this.#transcript ??= this.#parts.openTranscript(this.#record);
    return this.#transcript;
  }
}

const startOf = ({ position }: RunRecord): number => (position === null ? 0 : parsePosition(position).place);
