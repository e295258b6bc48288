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
  type SendMessage,
  type SendReceipt,
  type SteerMode,
  type Visibility,
} from '@binnacle/protocol';
import type { Logger } from 'pino';
import { uuidv7 } from 'uuidv7';
import type { TrustedTime } from '../base/trusted-time.ts';
import type { LogReader } from '../log/log.ts';
import type { ConversationRecord, ConversationStore } from '../store/conversations.ts';
import { digestOf } from '../store/messages.ts';
import type { AgentKind, ProcessMemory } from './agents/agent.ts';
import type { Guard } from './agents/agent-hooks.ts';
import type { ChatCommands } from './agents/chat-command.ts';
import { Inbox } from './state/inbox.ts';
import { Rows } from './state/rows.ts';
import { isStopText } from './state/stop-text.ts';
import type { DriverMark, Transcript } from './state/transcript.ts';
import { queuedRun, Turns, type TurnsOf, unknownAgent } from './turns.ts';
import type { WriteLease } from './write-lease.ts';

/**
 * A message goes to an agent as JSON in JSON, and as that into one entry of the log (1 MiB) with what the driver knows:
 * control characters and backslashes become many.
 */
const MAX_ESCAPED_BYTES = 700 * 1024;

export interface ConversationParts {
  readonly store: ConversationStore;
  readonly log: Logger;
  readonly time: TrustedTime;
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
  #inbox: Inbox;
  readonly #turns: Turns;
  /** Of files that are not needed any more. */
  #closing: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(record: ConversationRecord, parts: ConversationParts) {
    this.#parts = parts;
    this.#rows = new Rows(record, parts.store, parts.log);
    this.#inbox = new Inbox(this.#rows.queue());
    const memory = record.process === null ? null : (JSON.parse(record.process) as ProcessMemory);
    const { guard, commands, log, time, droppedLate } = parts;
    this.#turns = new Turns({ of: this.#asTurnsSee(record), memory, guard, commands, log, time, droppedLate });
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
    return this.#turns.process;
  }

  get isOpen(): boolean {
    return this.#transcript !== undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isBusy(): boolean {
    return this.#inbox.messages.length > 0 || !this.#turns.isFree;
  }

  get run(): ConversationRun | null {
    return this.#turns.run;
  }

  /** Requests that wait for somebody's answer. */
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
      queue: this.#inbox.messages,
      approvals: this.#turns.approvals,
      lease: this.lease.info,
      usage,
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
    if (kind === undefined) throw unknownAgent(this.record.agent);
    const { maxQueued } = this.#parts.limits;
    if (this.#inbox.messages.length >= maxQueued) {
      throw new BinnacleError('queue_full', { details: { limit: maxQueued } });
    }
    const wanted = asked.steer ?? 'queue';
    // While an agent settles after an abort there is no run, and still a place to be put before the others.
    const isWorking = this.#turns.isUnderWay || (wanted === 'interrupt' && this.#inbox.messages.length > 0);
    const canSteer = wanted !== 'inject' || this.#turns.takesInjected(asked.text);
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
    if (steer === 'inject') this.#turns.inject({ id, text: asked.text }, by);
    if (steer === 'interrupt') this.#turns.abort('interrupt', by);
    this.#turns.startNext();
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
    this.#turns.abort(via, by, cancelled);
    return [run, ...ids];
  }

  /** First answer wins. Throws `approval_not_found`, `approval_answered` (details), `unknown_option`, `disk_full`. */
  answer(id: string, option: string, by: Author): ApprovalAnswer {
    return this.#turns.answer(id, option, by);
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
    const { run } = this;
    if (run?.id === id) return run;
    const known = this.#rows.run(id);
    if (known !== undefined) return known;
    const message = this.#inbox.find(id);
    if (message === undefined) {
      throw new BinnacleError('run_not_found', { hint: 'Its id is that of the message which began it.' });
    }
    return queuedRun(message, this.record);
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
    await this.#turns.resume(running, transcript.readFrom(this.#turns.placeToResumeFrom(running)));
    if (!this.isBusy) rows.rest({ epoch: transcript.epoch, place: transcript.head.place });
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
    if (run !== null && (all || !this.#turns.outlivesUs)) this.#tryAbort(run.id, 'shutdown', by);
    this.#isClosed = true;
    this.#rows.stop();
    this.lease.stop();
    await this.#turns.close(all);
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

  /** Everything that becomes of a conversation goes through here. Throws `disk_full` and has changed nothing then. */
  #append(events: readonly ConversationEvent[], mark?: DriverMark): void {
    const transcript = this.#open();
    const head = transcript.append(mark === undefined ? { events } : { events, driver: mark });
    for (const event of events) {
      this.#turns.fold(event);
      this.#inbox.fold(event);
    }
    const isBusy = this.#turns.run !== null || this.#inbox.messages.length > 0;
    this.#rows.take(events, { epoch: transcript.epoch, place: head.place, state: isBusy ? 'busy' : 'idle' });
    this.#turns.keepWords(transcript);
    transcript.tell();
    if (events.length > 0) this.#parts.happened(this, events, transcript.position);
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

  #asTurnsSee({ id, key, agent }: ConversationRecord): TurnsOf {
    return {
      id,
      key,
      agent,
      position: () => this.#open().position,
      append: (events, mark) => this.#append(events, mark),
      next: () => this.#inbox.next,
      isWaiting: (message) => this.#inbox.find(message) !== undefined,
      message: (message) => this.message(message),
      timeoutOf: (message) => this.#rows.message(message)?.timeoutMs,
      kind: () => this.#parts.agent(agent),
      remember: (process) => {
        // Also while it is closed, when its log is not opened again.
        const memory = { ...process, place: this.#transcript?.head.place ?? this.record.place };
        this.#rows.setProcess(JSON.stringify(memory));
        return memory;
      },
    };
  }

  #tryAbort(target: string | undefined, via: AbortVia, by: Author): void {
    try {
      this.abort(target, via, by);
    } catch (error) {
      // The next gateway finds a run without an end, and says so.
      this.#parts.log.error({ err: error, conversation: this.record.key }, 'a run could not be aborted');
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

  #open(): Transcript {
    if (this.#isClosed) throw new BinnacleError('going_away');
    this.#transcript ??= this.#parts.openTranscript(this.record);
    return this.#transcript;
  }
}
