// The queued messages of one conversation. Events report what becomes of them.

import { BinnacleError, type ConversationEvent, type MessageInfo } from '@binnacle/protocol';

export class Inbox {
  #waiting: readonly MessageInfo[];

  /** `waiting`: the queued messages, in order. */
  constructor(waiting: readonly MessageInfo[]) {
    this.#waiting = waiting;
  }

  get messages(): readonly MessageInfo[] {
    return this.#waiting;
  }

  get next(): MessageInfo | undefined {
    return this.#waiting[0];
  }

  find(id: string): MessageInfo | undefined {
    return this.#waiting.find((one) => one.id === id);
  }

  /**
   * Returns a message that can still be changed. An injected message may reach the agent at any moment. Throws
   * `message_delivered`, `message_not_found`.
   */
  requireWaiting(message: MessageInfo): MessageInfo {
    const found = this.find(message.id);
    if (found !== undefined && found.steer !== 'inject') return found;
    if (message.state !== 'cancelled') throw new BinnacleError('message_delivered');
    throw new BinnacleError('message_not_found', { message: 'The message was cancelled.' });
  }

  fold(event: ConversationEvent): void {
    if (event.type === 'message' && event.message.state === 'queued') this.#add(event.message);
    else if (event.type === 'message_edited') {
      this.#waiting = this.#waiting.map((one) => (one.id === event.id ? { ...one, text: event.text } : one));
    } else if (event.type === 'message_cancelled' || event.type === 'message_delivered') {
      this.#waiting = this.#waiting.filter(({ id }) => id !== event.id);
    }
  }

  /** Adds a message. Interrupting messages go before the others, after earlier interrupting ones. */
  #add(message: MessageInfo): void {
    const isFirst = message.steer === 'interrupt';
    const at = isFirst ? this.#waiting.findIndex(({ steer }) => steer !== 'interrupt') : -1;
    this.#waiting = at < 0 ? [...this.#waiting, message] : this.#waiting.toSpliced(at, 0, message);
  }
}
