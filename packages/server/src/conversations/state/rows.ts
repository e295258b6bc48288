// The catalogue rows of one conversation, derived from its log, and the events that a full disk keeps from them.

import {
  BinnacleError,
  type ConversationEvent,
  type ConversationRun,
  factsAfter,
  type MessageInfo,
  messageAfter,
  runAfter,
} from '@binnacle/protocol';
import type { Logger } from 'pino';
import { Timer } from '../../base/timer.ts';
import type { ConversationRecord, ConversationStore, RunRecord } from '../../store/conversations.ts';
import { messageDigest } from '../../store/messages.ts';

/** Delay before a retry of events that had no room. */
const RETRY_MS = 500;

type ConversationStatus = Pick<ConversationRecord, 'epoch' | 'place' | 'state'>;

export class ConversationRows {
  readonly #store: ConversationStore;
  readonly #log: Logger;
  #record: ConversationRecord;
  /** Events that are in the log but not in the catalogue. Empty unless the disk is full. */
  #waiting: ConversationEvent[] = [];
  #status: ConversationStatus;
  readonly #retry = new Timer();

  constructor(record: ConversationRecord, store: ConversationStore, log: Logger) {
    this.#record = record;
    this.#status = record;
    this.#store = store;
    this.#log = log;
  }

  get record(): ConversationRecord {
    return this.#record;
  }

  /**
   * Takes over the events of a log entry; never throws. Deltas and tool calls stay in the log alone. Events for which
   * the catalogue has no room are answered from memory, and taken over when there is room.
   */
  take(events: readonly ConversationEvent[], status: ConversationStatus): void {
    const rest = events.filter(({ type }) => type !== 'delta' && type !== 'tool');
    if (rest.length === 0 && this.#waiting.length === 0) return;
    for (const event of rest) this.#waiting.push(event);
    this.#status = status;
    this.#settle();
  }

  /**
   * Records that all of the log is taken over and the conversation is idle, so that the next start need not recover it.
   */
  rest(status: Pick<ConversationStatus, 'epoch' | 'place'>): void {
    if (this.#record.state === 'idle') return;
    this.#status = { ...status, state: 'idle' };
    this.#settle();
  }

  /**
   * Writes the waiting events first, because each accepted message must be found again by its id. Throws `disk_full`.
   */
  requireRoom(): void {
    if (this.#waiting.length > 0 && !this.#settle()) throw new BinnacleError('disk_full');
  }

  /** Stores and returns the memory of the agent's process. Without room, a restart does not know the memory. */
  remember<T extends object>(memory: T): T {
    try {
      this.#store.setProcess(this.#record.id, JSON.stringify(memory));
    } catch (error) {
      this.#complain(error);
    }
    return memory;
  }

  message(id: string): MessageInfo | undefined {
    let message = this.#store.messages.find(this.#record.id, id);
    for (const event of this.#waiting) {
      if (event.type === 'message' && event.message.id === id) message = event.message;
      else if (message !== undefined) message = messageAfter(message, event);
    }
    return message;
  }

  /** Returns the digest of a message as it was sent, before any edit. */
  digest(id: string): string | undefined {
    const sent = this.#waiting.find((event) => event.type === 'message' && event.message.id === id);
    return sent?.type === 'message' ? messageDigest(sent.message) : this.#store.messages.digest(this.#record.id, id);
  }

  run(id: string): ConversationRun | undefined {
    let run = this.#store.run(this.#record.id, id);
    for (const event of this.#waiting) {
      if (event.type === 'run_started' && event.run.id === id) run = event.run;
      else if (run !== undefined && 'run' in event && event.run === id) run = runAfter(run, event);
    }
    return run;
  }

  /** Returns the run that was under way when the gateway ended. */
  running(): RunRecord | undefined {
    return this.#store.running(this.#record.id);
  }

  /** Returns the queued messages, in order. */
  queue(): MessageInfo[] {
    return this.#store.messages.waiting(this.#record.id);
  }

  history(page: { readonly before?: string | undefined; readonly limit?: number | undefined }) {
    return this.#store.messages.history(this.#record.id, page);
  }

  stop(): void {
    this.#retry.clear();
  }

  /** Writes the waiting events. Returns false if there is no room yet. */
  #settle(): boolean {
    this.#retry.clear();
    try {
      this.#record = this.#store.apply(this.#record, this.#waiting, this.#status);
      this.#waiting = [];
      return true;
    } catch (error) {
      this.#complain(error);
      // Access must be decided by the visibility in force now.
      this.#record = this.#waiting.reduce(factsAfter, this.#record);
      this.#retry.set(RETRY_MS, () => this.#settle());
      return false;
    }
  }

  #complain(error: unknown): void {
    this.#log.error({ err: error, conversation: this.#record.key }, 'the catalogue could not be written');
  }
}
