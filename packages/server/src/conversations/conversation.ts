// A conversation: one session key, its log, its runs in order, and its queue of messages. The only code that appends to
// the log, so that every way in which a run can end is recorded.

import {
  type AbortVia,
  type Approval,
  type ApprovalAnswer,
  type Author,
  BinnacleError,
  type ConversationEvent,
  type ConversationInfo,
  type ConversationRun,
  defined,
  type MessageInfo,
  type SendMessage,
  type SendReceipt,
  type SteerMode,
  type Visibility,
} from '@binnacle/protocol';
import type { Logger } from 'pino';
import { uuidv7 } from 'uuidv7';
import type { LogReader } from '../log/log.ts';
import type { ConversationRecord, ConversationStore } from '../store/conversations.ts';
import { messageDigest } from '../store/messages.ts';
import { type AgentTurns, unknownAgent } from './agent-turns.ts';
import type { ConversationLease } from './lease.ts';
import { requireMessage, requireWaiting } from './state/message-rules.ts';
import { ConversationRows } from './state/rows.ts';
import { isStopText } from './state/stop-text.ts';
import type { DriverMark, Transcript } from './state/transcript.ts';
import { queuedRun, startOf } from './turn.ts';
import { TurnExecutor, type TurnExecutorParts } from './turn-executor.ts';

export interface ConversationParts extends TurnExecutorParts {
  readonly store: ConversationStore;
  readonly log: Logger;
  readonly limits: { readonly maxQueued: number; readonly maxMessageBytes: number };
  openTranscript(record: ConversationRecord): Transcript;
  makeLease(record: ConversationRecord): ConversationLease;
  /** Called for in-process subscribers with every event, whether or not a viewer watches. */
  happened(conversation: Conversation, events: readonly ConversationEvent[], position: string): void;
}

/** The right by which a caller changes a message. */
export interface ChangeRight {
  /** True for the owner and for admins. */
  readonly hasManageRight: boolean;
  readonly lease?: string | undefined;
}

export class Conversation {
  readonly lease: ConversationLease;
  readonly #parts: ConversationParts;
  readonly #rows: ConversationRows;
  #transcript: Transcript | undefined;
  /** Settles when released log files are closed. */
  #closing: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  readonly #work: TurnExecutor;
  readonly #turns: AgentTurns;
  /** Place of the log at which the text of a run was last repeated. */
  #repeatedAt = 0;

  constructor(record: ConversationRecord, parts: ConversationParts) {
    this.#parts = parts;
    this.#rows = new ConversationRows(record, parts.store, parts.log);
    this.#work = new TurnExecutor(record, this.#rows.queue(), parts, {
      position: () => this.#open().position,
      append: (events, mark) => this.#append(events, mark),
      // The process can also change while the conversation is closed, when the log must not be opened again.
      remember: (process) =>
        this.#rows.remember({ ...process, place: this.#transcript?.head.place ?? this.record.place }),
    });
    this.#turns = this.#work.turns;
    this.lease = parts.makeLease(record);
  }

  get record(): ConversationRecord {
    return this.#rows.record;
  }

  get log(): LogReader {
    return this.#open().log;
  }

  /** True if the log is ahead of the rows: the gateway was killed between the two writes, and `recover` is due. */
  get isBehind(): boolean {
    return this.#open().head.place > this.record.place;
  }

  /** Id of the session of the agent's process; null without a process. */
  get process(): string | null {
    return this.#work.session;
  }

  get isOpen(): boolean {
    return this.#transcript !== undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isBusy(): boolean {
    return this.#turns.queue.length > 0 || !this.#turns.isFree;
  }

  get run(): ConversationRun | null {
    return this.#turns.run;
  }

  /** Requests that wait for an answer. */
  get approvals(): readonly Approval[] {
    return this.#turns.approvals;
  }

  get info(): Omit<ConversationInfo, 'mine'> {
    const { key, agent, owner, visibility, title, createdAt, updatedAt, usage } = this.record;
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
      queue: this.#turns.queue,
      approvals: this.#turns.approvals,
      lease: this.lease.info,
      usage,
      steer: kind?.driver.steer ?? ['queue'],
    };
  }

  /**
   * Accepts a message. Throws `bad_request`, `message_too_large`, `message_conflict`, `queue_full`, `unknown_agent`,
   * `lease_held`, `lease_lost`, `disk_full`.
   */
  send(request: SendMessage, by: Author, lease?: string): SendReceipt {
    const id = request.id ?? uuidv7();
    requireMessage(id, request.text, this.#parts.limits);
    const known = this.#rows.message(id);
    if (known !== undefined) return this.#repeated(known, request);
    const admitted = this.lease.admit(by.name, lease);
    this.#rows.requireRoom();
    if (isStopText(request.text)) return this.#stop({ ...request, id }, by);
    const kind = this.#parts.agent(this.record.agent);
    if (kind === undefined) throw unknownAgent(this.record.agent);
    const { maxQueued } = this.#parts.limits;
    if (this.#turns.queue.length >= maxQueued) {
      throw new BinnacleError('queue_full', { details: { limit: maxQueued } });
    }
    const requested = request.steer ?? 'queue';
    // While an agent settles after an abort there is no run, but an interrupting message still goes to the front of the
    // queue.
    const isWorking = this.#turns.isUnderWay || (requested === 'interrupt' && this.#turns.queue.length > 0);
    const canSteer = requested !== 'inject' || this.#turns.takesInjected(request.text);
    const steer: SteerMode = isWorking && canSteer && kind.driver.steer.includes(requested) ? requested : 'queue';
    const message: MessageInfo = {
      id,
      role: 'user',
      text: request.text,
      by,
      at: Date.now(),
      state: 'queued',
      steer,
      run: null,
      ...defined({ timeoutMs: request.timeoutMs }),
    };
    this.lease.check(admitted);
    this.#append([{ type: 'message', at: message.at, message }]);
    if (steer === 'inject') this.#work.inject({ id, text: request.text }, by);
    if (steer === 'interrupt') this.#work.run(this.#turns.abort('interrupt', by));
    this.#work.startNext();
    return this.#receipt(id, false);
  }

  /**
   * Aborts the run and all queued messages, or only `target`. Returns the aborted ids. Throws `run_not_found`,
   * `disk_full`.
   */
  abort(target: string | undefined, via: AbortVia, by: Author): readonly string[] {
    return this.#abort(target, via, by, []);
  }

  /** `first`: events that are stored in the same entry as the ends, all or none. */
  #abort(
    target: string | undefined,
    via: AbortVia,
    by: Author,
    first: readonly ConversationEvent[],
  ): readonly string[] {
    const waiting = this.#turns.queue.filter(({ id }) => target === undefined || id === target);
    const hitsTurn = this.#turns.isUnderWay && (target === undefined || this.#turns.runId === target);
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
    const run = this.#turns.runId;
    this.#work.run(this.#turns.abort(via, by, cancelled));
    return [run, ...ids];
  }

  /**
   * Answers a request. The first answer wins. Throws `approval_not_found`, `approval_answered` (details),
   * `unknown_option`, `disk_full`.
   */
  answer(id: string, option: string, by: Author): ApprovalAnswer {
    const answer: ApprovalAnswer = { option, by, reason: 'answered' };
    this.#work.run(this.#turns.answer(id, answer));
    return answer;
  }

  /**
   * Edits a queued message. Allowed to its sender, or with `hasManageRight`. Throws `message_not_found`,
   * `message_delivered`, `forbidden`, and what `send` throws for a text and for the lease.
   */
  edit(id: string, text: string, by: Author, { hasManageRight, lease }: ChangeRight): MessageInfo {
    requireMessage(id, text, this.#parts.limits);
    const message = requireWaiting(this.#turns.queue, this.message(id));
    // The agent takes the text for the words of the original sender.
    if (!hasManageRight && message.by.user !== by.user) {
      throw new BinnacleError('forbidden', {
        message: `Only ${message.by.name} and the owner may change this message.`,
      });
    }
    this.lease.check(this.lease.admit(by.name, lease));
    this.#rows.requireRoom();
    this.#append([{ type: 'message_edited', at: Date.now(), id, text, by }]);
    return this.message(id);
  }

  /**
   * Cancels a queued message. Callers: everybody who may abort the run that it would start. Throws `message_not_found`,
   * `message_delivered`.
   */
  cancel(id: string, by: Author): MessageInfo {
    requireWaiting(this.#turns.queue, this.message(id));
    this.#append([{ type: 'message_cancelled', at: Date.now(), id, by }]);
    return this.message(id);
  }

  /** Returns a message. Throws `message_not_found`. */
  message(id: string): MessageInfo {
    const message = this.#rows.message(id);
    if (message === undefined) throw new BinnacleError('message_not_found');
    return message;
  }

  /** Returns true if a message with that id was sent before. */
  knows(id: string): boolean {
    return this.#rows.message(id) !== undefined;
  }

  history(page: { readonly before?: string | undefined; readonly limit?: number | undefined }) {
    return this.#rows.history(page);
  }

  /** Returns a run, or the future run of a queued message. Throws `run_not_found`. */
  findRun(id: string): ConversationRun {
    const { run } = this;
    if (run?.id === id) return run;
    const known = this.#rows.run(id);
    if (known !== undefined) return known;
    const message = this.#turns.queue.find((one) => one.id === id);
    if (message === undefined) {
      throw new BinnacleError('run_not_found', { hint: 'Its id is that of the message which began it.' });
    }
    return queuedRun(message, this.record);
  }

  update(change: { readonly title?: string; readonly visibility?: Visibility }, by: Author): void {
    this.#append([{ type: 'changed', at: Date.now(), by, ...change }]);
  }

  /** Appends a note. Throws `lease_held`, `lease_lost`, `message_too_large`. */
  note(text: string, by: Author, lease?: string): void {
    requireMessage('note', text, this.#parts.limits);
    this.lease.check(this.lease.admit(by.name, lease));
    this.#append([{ type: 'note', at: Date.now(), text, by }]);
  }

  /** Takes over from an earlier gateway: a run under way, queued messages, an idle process. */
  async recover(): Promise<void> {
    const rows = this.#rows;
    const transcript = this.#open();
    for await (const { entry, place } of transcript.readFrom(this.record.place)) {
      // The log has entries that the rows lack: the gateway was killed between the two writes.
      this.lease.catchUp(entry.fence ?? 0);
      rows.take(entry.events, { epoch: transcript.epoch, place, state: 'busy' });
    }
    const running = rows.running();
    const message = running && rows.message(running.id);
    await this.#work.resume({ queue: rows.queue(), running, message }, (place) => transcript.readFrom(place));
    if (!this.isBusy) rows.rest({ epoch: transcript.epoch, place: transcript.head.place });
  }

  /** Closes the files until the next use. Call only while the conversation is idle and has no readers. */
  release(): void {
    const transcript = this.#transcript;
    this.#transcript = undefined;
    if (transcript === undefined) return;
    // Every event was written before any listener learned of it. A full disk prevents only the sync of the last entries.
    const closed = transcript.close().catch((error: unknown) => this.#complain(error, 'a log could not be synced'));
    this.#closing = Promise.all([this.#closing, closed]);
  }

  /**
   * Closes the conversation. Aborts a run that cannot outlive the gateway. `all`: aborts every run and ends its
   * process.
   */
  async close(all: boolean): Promise<void> {
    const by: Author = { user: null, name: 'gateway' };
    const { run } = this;
    // Queued messages stay for the next gateway, as do runs that wait for the verdict of a plugin.
    if (run !== null && (all || !this.#turns.outlivesUs)) this.#tryAbort(run.id, 'shutdown', by);
    this.#isClosed = true;
    this.#rows.stop();
    this.lease.stop();
    await this.#work.close(all);
    this.release();
    await this.#closing;
  }

  /** Ends the run, the queue and the lease, and closes the conversation. The log tells its readers of the aborts. */
  async destroy(by: Author): Promise<void> {
    this.#tryAbort(undefined, 'deleted', by);
    this.lease.end();
    await this.close(true);
  }

  /** Appends events; the only way in which a conversation changes. Throws `disk_full`; nothing has changed then. */
  #append(events: readonly ConversationEvent[], mark?: DriverMark): void {
    const transcript = this.#open();
    const { fence } = this.lease;
    const head = transcript.append({ events, ...defined({ driver: mark, fence: fence === 0 ? undefined : fence }) });
    for (const event of events) this.#work.fold(event);
    const isBusy = this.#turns.run !== null || this.#turns.queue.length > 0;
    this.#rows.take(events, { epoch: transcript.epoch, place: head.place, state: isBusy ? 'busy' : 'idle' });
    this.#repeatText(transcript);
    transcript.wakeReaders();
    if (events.length > 0) this.#parts.happened(this, events, transcript.position);
  }

  /** Repeats the text of the run under way before retention removes its beginning from the log. */
  #repeatText(transcript: Transcript): void {
    const { run } = this.#turns;
    if (run === null || run.text === '') return;
    if (transcript.doomed <= Math.max(this.#repeatedAt, startOf(run))) return;
    const { place } = transcript.head;
    const { id, text } = run;
    try {
      transcript.append({ events: [{ type: 'delta', at: Date.now(), run: id, stream: 'said', text, replace: true }] });
      this.#repeatedAt = place;
    } catch (error) {
      // The text is missing only if the gateway is killed before the end of the run.
      this.#complain(error, 'the messages could not be stored again');
    }
  }

  #stop(request: SendMessage & { readonly id: string }, by: Author): SendReceipt {
    const message: MessageInfo = {
      id: request.id,
      role: 'user',
      text: request.text,
      by,
      at: Date.now(),
      state: 'cancelled',
      steer: 'queue',
      run: null,
    };
    const aborted = this.#abort(undefined, 'stop_text', by, [{ type: 'message', at: message.at, message }]);
    return { message, run: null, duplicate: false, aborted };
  }

  #tryAbort(target: string | undefined, via: AbortVia, by: Author): void {
    try {
      this.abort(target, via, by);
    } catch (error) {
      // The next gateway finds the run without an end, and records one.
      this.#complain(error, 'a run could not be aborted');
    }
  }

  #repeated(known: MessageInfo, request: SendMessage): SendReceipt {
    if (this.#rows.digest(known.id) !== messageDigest(request)) throw new BinnacleError('message_conflict');
    return this.#receipt(known.id, true);
  }

  #receipt(id: string, duplicate: boolean): SendReceipt {
    const message = this.message(id);
    const isOwnRun =
      message.run === null ? message.state === 'queued' && message.steer !== 'inject' : message.run === id;
    return { message, run: isOwnRun ? this.findRun(id) : null, duplicate };
  }

  #complain(error: unknown, message: string): void {
    this.#parts.log.error({ err: error, conversation: this.record.key }, message);
  }

  #open(): Transcript {
    if (this.#isClosed) throw new BinnacleError('going_away');
    this.#transcript ??= this.#parts.openTranscript(this.record);
    return this.#transcript;
  }
}
