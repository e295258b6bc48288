// Presence: the clients that follow a session. Listens from the first listener on, while the session is attached.

import type { ServerFrame, Watcher } from '@binnacle/protocol';
import type { Connection } from '../transport/connection.ts';
import { Emitter } from '../transport/event-emitter.ts';

/** The clients that follow a session. */
export interface WatchersChange {
  /** At most 100 of them, this client included. A guest of a share link sees itself alone. */
  readonly watchers: readonly Watcher[];
  /** Number of all of them. */
  readonly count: number;
  /** The `id` of this client. */
  readonly you: string;
}

/** Events of `Watchers`. */
export interface WatchersEvents {
  /** A client came, went or got another name. */
  change: WatchersChange;
}

/**
 * Presence in one session, as `Session.watchers`. It reports while the session is attached and has a listener.
 *
 * @example
 * ```ts
 * session.watchers.on('change', ({ watchers, count }) => {
 *   console.log(count, watchers.map(({ name }) => name).join(', '));
 * });
 * ```
 */
export class Watchers {
  readonly #connection: Connection;
  readonly #session: string;
  readonly #events = new Emitter<WatchersEvents>();
  #unlisten: (() => void) | null = null;
  #listeners = 0;
  #now: WatchersChange | null = null;

  constructor(connection: Connection, session: string) {
    this.#connection = connection;
    this.#session = session;
  }

  /** The last report; null before the first one and while there is no listener. */
  get latest(): WatchersChange | null {
    return this.#now;
  }

  /**
   * Adds a listener for changes while the session is attached, also after a reconnect. Returns a function that removes
   * it.
   */
  on<K extends keyof WatchersEvents>(name: K, listener: (value: WatchersEvents[K]) => void): () => void {
    const undo = this.#events.on(name, listener);
    this.#listeners += 1;
    if (this.#listeners === 1) {
      this.#unlisten = this.#connection.listen((frame) => this.#onFrame(frame));
      this.#ask(true);
    }
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      undo();
      this.#listeners -= 1;
      if (this.#listeners > 0) return;
      this.#unlisten?.();
      this.#unlisten = null;
      this.#now = null;
      this.#ask(false);
    };
  }

  /** Called by the attachment when it has sent a subscription: the request for presence goes behind it. */
  subscribed(): void {
    if (this.#listeners > 0) this.#ask(true);
  }

  #ask(on: boolean): void {
    if (!this.#connection.isOpen) return;
    const session = this.#session;
    this.#connection.ask(
      (ref) => ({ t: 'watch_watchers', ref, session, on }),
      () => {
        // A session that is not attached has no presence to report.
      },
    );
  }

  #onFrame(frame: ServerFrame): void {
    if (frame.t !== 'watchers' || frame.session !== this.#session) return;
    const { watchers, count, you } = frame;
    this.#now = { watchers, count, you };
    this.#events.emit('change', this.#now);
  }
}
