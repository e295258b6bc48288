// The catalogue rows of one conversation, derived from its log, and the events that a full disk keeps from them.

import {
  BinnacleError,
  type ConversationEvent,
  type ConversationRun,
  isEndEvent,
  type MessageInfo,
} from '@binnacle/protocol';
import type { Logger } from 'pino';
import { Timer } from '../../base/timer.ts';
import {
  type ConversationRecord,
  type ConversationStore,
  type RunRecord,
  runEndOf,
} from '../../store/conversations.ts';
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

  /** Stores the memory of the process. Without room, a restart does not know the memory. */
  setProcess(process: string): void {
    try {
      this.#store.setProcess(this.#record.id, process);
    } catch (error) {
      this.#complain(error);
    }
  }

  message(id: string): MessageInfo | undefined {
    let message = this.#store.messages.find(this.#record.id, id);
    for (const event of this.#waiting) {
      if (event.type === 'message' && event.message.id === id) message = event.message;
      if (message === undefined || !('id' in event) || event.id !== id) continue;
      if (event.type === 'message_edited') message = { ...message, text: event.text };
      if (event.type === 'message_cancelled') message = { ...message, state: 'cancelled' };
      if (event.type === 'message_delivered') message = { ...message, state: 'delivered', run: event.run };
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
      if (run === undefined || !isEndEvent(event) || event.run !== id || run.end !== null) continue;
      const end = runEndOf(event);
      run = { ...run, state: end.state, end, endedAt: event.at, text: event.text };
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
      this.#record = this.#seen();
      this.#retry.set(RETRY_MS, () => this.#settle());
      return false;
    }
  }

  /** Returns the record with the waiting changes of title and visibility. */
  #seen(): ConversationRecord {
    let { title, visibility } = this.#record;
    for (const event of this.#waiting) {
      if (event.type !== 'changed') continue;
      title = event.title ?? title;
      visibility = event.visibility ?? visibility;
    }
    return { ...this.#record, title, visibility };
  }

  #complain(error: unknown): void {
    this.#log.error({ err: error, conversation: this.#record.key }, 'the catalogue could not be written');
  }
}
