// Typed events for listeners. Stores nothing and waits for no listener.

type Listener<T> = (value: T) => void;

export class Emitter<Events extends object> {
  readonly #listeners: { [K in keyof Events]?: Set<Listener<Events[K]>> } = {};

  /** Returns what ends the listening. */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
    const set = this.#listeners[name] ?? new Set();
    this.#listeners[name] = set;
    set.add(listener);
    return () => set.delete(listener);
  }

  emit<K extends keyof Events>(name: K, value: Events[K]): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        // A listener's fault must not stop the connection in the middle of a frame; it shows up as uncaught.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
