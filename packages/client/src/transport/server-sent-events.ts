// Reads server-sent events from the bytes of an answer. Knows no request and nothing of what events say.

import { BinnacleError } from '@binnacle/protocol';

export interface ServerEvent {
  /** Id of this event, or of the last one that had an id. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** An event holds one entry, which has at most 1 MiB; base64 makes it a third longer. */
const MAX_EVENT_CHARS = 8 * 1024 * 1024;

export class EventReader {
  readonly #decoder = new TextDecoder();
  /** The beginning of a line whose end has not come. */
  #rest = '';
  #id = '';
  #event = '';
  #data: string[] = [];

  /** The events that are complete now. Throws `protocol_error` when one is longer than any that a gateway sends. */
  push(bytes: Uint8Array): ServerEvent[] {
    const events: ServerEvent[] = [];
    const text = this.#decoder.decode(bytes, { stream: true });
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      // Some proxies like their lines to end in CR LF.
      const event = this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (event !== undefined) events.push(event);
    }
    const buffered = this.#data.reduce((sum, line) => sum + line.length, this.#rest.length);
    if (buffered > MAX_EVENT_CHARS) throw new BinnacleError('protocol_error', { message: 'The event is too long.' });
    return events;
  }

  #line(line: string): ServerEvent | undefined {
    if (line === '') {
      const id = this.#id;
      const event = this.#event;
      const data = this.#data;
      this.#event = '';
      this.#data = [];
      return data.length === 0 ? undefined : { id, event, data: data.join('\n') };
    }
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    // A line that begins with a colon is a comment; an unknown name is for later versions.
    if (name === 'id') this.#id = value;
    else if (name === 'event') this.#event = value;
    else if (name === 'data') this.#data.push(value);
    return undefined;
  }
}
