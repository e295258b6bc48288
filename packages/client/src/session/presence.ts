// Who follows a session besides us. Listens from the first listener on, as long as the session is attached.

import type { ServerFrame, Watcher } from '@binnacle/protocol';
import type { Connection } from '../transport/connection.ts';
import { Emitter } from '../transport/event-emitter.ts';

export interface WatchersChange {
  /** At most 100 by name, oneself among them. Guests of a share link are told of themselves alone. */
  readonly watchers: readonly Watcher[];
  /** All of them. */
  readonly count: number;
  /** Our own `id`. */
  readonly you: string;
}

export interface WatchersEvents {
  change: WatchersChange;
}

export class Watchers {
  private readonly connection: Connection;
  private readonly session: string;
  private readonly events: Emitter<WatchersEvents>;
  private unlisten: (() => void) | null;
  private listeners: number;
  private now: WatchersChange | null;

  constructor(connection: Connection, session: string) {
    this.connection = connection;
    this.session = session;
    this.events = new Emitter();
    this.unlisten = null;
    this.listeners = 0;
    this.now = null;
  }

  /** As last heard; null before that, and while nobody listens. */
  get latest(): WatchersChange | null {
    return this.now;
  }

  /** Heard with each change while the session is attached, also after a reconnect. Returns what ends the listening. */
  on<K extends keyof WatchersEvents>(name: K, listener: (value: WatchersEvents[K]) => void): () => void {
    const undo = this.events.on(name, listener);
    this.listeners += 1;
    if (this.listeners === 1) {
      this.unlisten = this.connection.listen((frame) => this.onFrame(frame));
      this.ask(true);
    }
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      undo();
      this.listeners -= 1;
      if (this.listeners > 0) return;
      this.unlisten?.();
      this.unlisten = null;
      this.now = null;
      this.ask(false);
    };
  }

  /** A subscription was asked for: what we want to hear goes behind it. */
  subscribed(): void {
    if (this.listeners > 0) this.ask(true);
  }

  private ask(on: boolean): void {
    if (!this.connection.isOpen) return;
    const { session } = this;
    this.connection.ask(
      (ref) => ({ t: 'watch_watchers', ref, session, on }),
      () => {
        // Where it is not attached there is nobody to hear of, until it is.
      },
    );
  }

  private onFrame(frame: ServerFrame): void {
    if (frame.t !== 'watchers' || frame.session !== this.session) return;
    const { watchers, count, you } = frame;
    this.now = { watchers, count, you };
    this.events.emit('change', this.now);
  }
}
