// The messages of one conversation that wait for their turn. Knows no log: it is told what became of them.

import { BinnacleError, type ConversationEvent, type MessageInfo } from '@binnacle/protocol';

export class Inbox {
  #waiting: readonly MessageInfo[];

  /** In order. */
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

  /** One that can still be changed: what was handed into a turn may be there any moment. */
  requireWaiting(message: MessageInfo): MessageInfo {
    const found = this.find(message.id);
    if (found !== undefined && found.steer !== 'inject') return found;
    if (message.state !== 'cancelled') throw new BinnacleError('message_delivered');
    throw new BinnacleError('message_not_found', { message: 'That message was cancelled.' });
  }

  fold(event: ConversationEvent): void {
    if (event.type === 'message' && event.message.state === 'queued') this.#add(event.message);
    else if (event.type === 'message_edited') {
      this.#waiting = this.#waiting.map((one) => (one.id === event.id ? { ...one, text: event.text } : one));
    } else if (event.type === 'message_cancelled' || event.type === 'message_delivered') {
      this.#waiting = this.#waiting.filter(({ id }) => id !== event.id);
    }
  }

  /** Who interrupts comes before those who wait, behind others who interrupt. */
  #add(message: MessageInfo): void {
    const isFirst = message.steer === 'interrupt';
    const at = isFirst ? this.#waiting.findIndex(({ steer }) => steer !== 'interrupt') : -1;
    this.#waiting = at < 0 ? [...this.#waiting, message] : this.#waiting.toSpliced(at, 0, message);
  }
}
