// A topic of one reader: a source whose changes it watches, and the newest change of each key while changes wait.

export interface TopicParts<Key, Change> {
  /** Starts to publish changes, for `watch`. Returns the function that ends it. Default: only the owner publishes. */
  source?(publish: (key: Key, change: Change) => void): () => void;
  send(change: Change, key: Key): void;
  /** Returns false while the reader takes nothing: then changes wait for `resume`. Default: `send` bounds the reader. */
  hasRoom?(): boolean;
  /** Delay from the first unsent change of a key until it is sent, in ms (throttle). Default 0. */
  readonly delayMs?: number;
}

/**
 * Watches a source for a reader. A slow reader gets the newest change of each key, and costs no more than there are keys.
 *
 * @example
 * const source = (publish) => sessions.watch({ changed: ({ id, info }) => publish(id, info) });
 * const topic = new Topic<string, SessionInfo>({ source, send: (info) => say(info), hasRoom: () => !socket.isFull });
 * topic.watch(true);
 */
export class Topic<Key, Change extends object> {
  readonly #parts: TopicParts<Key, Change>;
  /** Unsent changes, in the order of the first of each key. */
  readonly #changes = new Map<Key, Change>();
  readonly #timers = new Map<Key, NodeJS.Timeout>();
  #end: (() => void) | undefined;

  constructor(parts: TopicParts<Key, Change>) {
    this.#parts = parts;
  }

  /** Starts the source, again if it runs, or ends it. */
  watch(on: boolean): void {
    this.stop();
    if (on) this.#end = this.#parts.source?.((key, change) => this.publish(key, change));
  }

  /** Sends a change, or replaces the change of this key that waits. */
  publish(key: Key, change: Change): void {
    this.#changes.set(key, change);
    const { delayMs = 0 } = this.#parts;
    if (delayMs === 0) this.#send(key);
    else if (!this.#timers.has(key)) {
      const sendLate = () => {
        this.#timers.delete(key);
        this.#send(key);
      };
      this.#timers.set(key, setTimeout(sendLate, delayMs));
    }
  }

  /** Sends what waits for room. Called when the reader has room again. */
  resume(): void {
    for (const key of this.#changes.keys()) if (!this.#timers.has(key)) this.#send(key);
  }

  /** Drops the unsent change of a key. */
  drop(key: Key): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    this.#changes.delete(key);
  }

  /** Ends the source, and drops all unsent changes. */
  stop(): void {
    this.#end?.();
    this.#end = undefined;
    for (const key of [...this.#changes.keys()]) this.drop(key);
  }

  #send(key: Key): void {
    const change = this.#changes.get(key);
    if (change === undefined || this.#parts.hasRoom?.() === false) return;
    this.#changes.delete(key);
    this.#parts.send(change, key);
  }
}
