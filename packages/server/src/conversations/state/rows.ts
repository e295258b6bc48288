// What the log of one conversation says, as rows that can be asked; and what a full disk keeps from them. Appends nothing.

import {
  BinnacleError,
  type ConversationEvent,
  type ConversationRun,
  isEndEvent,
  type MessageInfo,
} from '@binnacle/protocol';
import type { Logger } from 'pino';
import { type ConversationRecord, type ConversationStore, endOf, type RunRecord } from '../../store/conversations.ts';
import { digestOf } from '../../store/messages.ts';

/** What could not be taken for want of room is tried again this often. */
const RETRY_MS = 500;

type Standing = Pick<ConversationRecord, 'epoch' | 'place' | 'state'>;

export class Rows {
  readonly #store: ConversationStore;
  readonly #log: Logger;
  #record: ConversationRecord;
  /** In the log, and not in the catalogue. Empty but on a full disk. */
  #waiting: ConversationEvent[] = [];
  #standing: Standing;
  #retry: NodeJS.Timeout | undefined;

  constructor(record: ConversationRecord, store: ConversationStore, log: Logger) {
    this.#record = record;
    this.#standing = record;
    this.#store = store;
    this.#log = log;
  }

  get record(): ConversationRecord {
    return this.#record;
  }

  /**
   * Takes over what an entry of the log says; never throws. Deltas and tool calls are in the log alone. What the
   * catalogue has no room for is told from here all the same, and taken over when there is room.
   */
  take(events: readonly ConversationEvent[], standing: Standing): void {
    const rest = events.filter(({ type }) => type !== 'delta' && type !== 'tool');
    if (rest.length === 0 && this.#waiting.length === 0) return;
    for (const event of rest) this.#waiting.push(event);
    this.#standing = standing;
    this.#settle();
  }

  /** All of the log is taken over and nothing is under way: the next start need not look after it. */
  rest(standing: Pick<Standing, 'epoch' | 'place'>): void {
    if (this.#record.state === 'idle') return;
    this.#standing = { ...standing, state: 'idle' };
    this.#settle();
  }

  /** Of what is asked for next, all must be found again by its id. Throws `disk_full`. */
  requireRoom(): void {
    if (this.#waiting.length > 0 && !this.#settle()) throw new BinnacleError('disk_full');
  }

  /** Also where there is no room for it; then a restart does not know it. */
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

  /** What it was when it was sent, whatever was edited since. */
  digest(id: string): string | undefined {
    const sent = this.#waiting.find((event) => event.type === 'message' && event.message.id === id);
    return sent?.type === 'message' ? digestOf(sent.message) : this.#store.messages.digest(this.#record.id, id);
  }

  run(id: string): ConversationRun | undefined {
    let run = this.#store.run(this.#record.id, id);
    for (const event of this.#waiting) {
      if (event.type === 'run_started' && event.run.id === id) run = event.run;
      if (run === undefined || !isEndEvent(event) || event.run !== id || run.end !== null) continue;
      const end = endOf(event);
      run = { ...run, state: end.state, end, endedAt: event.at, text: event.text };
    }
    return run;
  }

  /** The one that was under way when the gateway ended. */
  running(): RunRecord | undefined {
    return this.#store.running(this.#record.id);
  }

  /** Messages that wait for their turn, in order. */
  queue(): MessageInfo[] {
    return this.#store.messages.waiting(this.#record.id);
  }

  history(page: { readonly before?: string | undefined; readonly limit?: number | undefined }) {
    return this.#store.messages.history(this.#record.id, page);
  }

  stop(): void {
    clearTimeout(this.#retry);
  }

  /** False: there is no room yet. */
  #settle(): boolean {
    clearTimeout(this.#retry);
    try {
      this.#record = this.#store.apply(this.#record, this.#waiting, this.#standing);
      this.#waiting = [];
      return true;
    } catch (error) {
      this.#complain(error);
      // Whoever may see it must be asked of what is in force now.
      this.#record = this.#seen();
      this.#retry = setTimeout(() => this.#settle(), RETRY_MS);
      this.#retry.unref();
      return false;
    }
  }

  /** With what waits of it that others go by. */
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
