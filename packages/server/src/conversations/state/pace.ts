// The pace of events for one viewer: deltas at an even interval, all other events at once, in order. A property of one
// cursor, not of the log.

import type { ConversationEvent, Position } from '@binnacle/protocol';

export interface PaceClock {
  /** Monotonic, ms. */
  now(): number;
  /** Calls back after `ms`. Returns the function that cancels the call. */
  after(ms: number, call: () => void): () => void;
}

export const PACE_CLOCK: PaceClock = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export const DELTA_INTERVAL_MS = 50;
/** Maximum length of collected text. More is sent at once, whatever the pace, because it occupies memory. */
const MAX_BUFFERED_LENGTH = 64 * 1024;

export type EmitEvents = (events: readonly ConversationEvent[], position: Position) => void;

export class EventPacer {
  readonly #intervalMs: number;
  readonly #clock: PaceClock;
  readonly #emit: EmitEvents;
  #buffered: ConversationEvent[] = [];
  #bufferedLength = 0;
  #position: Position | undefined;
  /** Time at which deltas were last sent. */
  #sentAt = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;

  /** `intervalMs` 0: sends every delta at once. */
  constructor(intervalMs: number, clock: PaceClock, emit: EmitEvents) {
    this.#intervalMs = intervalMs;
    this.#clock = clock;
    this.#emit = emit;
  }

  /** Takes the events of one entry, all or a selection, and the position after it. */
  take(events: readonly ConversationEvent[], position: Position): void {
    let isUrgent = false;
    for (const event of events) {
      if (event.type === 'delta') this.#join(event);
      else {
        // The first text of a run is sent at once.
        if (event.type === 'run_started') this.#sentAt = Number.NEGATIVE_INFINITY;
        this.#buffered.push(event);
        isUrgent = true;
      }
    }
    this.#position = position;
    if (isUrgent || this.#bufferedLength > MAX_BUFFERED_LENGTH) this.flush();
  }

  /** Reports that there are no further events for now. */
  caughtUp(): void {
    if (this.#buffered.length === 0 || this.#cancel !== undefined) return;
    const waitMs = this.#sentAt + this.#intervalMs - this.#clock.now();
    if (waitMs <= 0) this.flush();
    else {
      this.#cancel = this.#clock.after(waitMs, () => {
        this.#cancel = undefined;
        this.flush();
      });
    }
  }

  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const events = this.#buffered;
    if (events.length === 0 || this.#position === undefined) return;
    this.#buffered = [];
    this.#bufferedLength = 0;
    if (events.some(({ type }) => type === 'delta')) this.#sentAt = this.#clock.now();
    this.#emit(events, this.#position);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#buffered = [];
  }

  #join(event: Extract<ConversationEvent, { type: 'delta' }>): void {
    this.#bufferedLength += event.text.length;
    const last = this.#buffered.at(-1);
    if (last?.type !== 'delta' || last.run !== event.run || last.stream !== event.stream) this.#buffered.push(event);
    else if (event.replace === true) this.#buffered[this.#buffered.length - 1] = event;
    else this.#buffered[this.#buffered.length - 1] = { ...last, text: last.text + event.text };
  }
}
