// Base of the stores that follow a list: the list, then its changes. Knows no React.

import { BinnacleError } from '@binnacle/protocol';
import type { Binnacle } from '../../client.ts';
import { SnapshotStore } from './store.ts';

/** State of a list, as components see it. */
export interface ListSnapshot {
  /** State of the watch. `reconnecting`: the data is the last known. */
  readonly state: 'connecting' | 'live' | 'reconnecting' | 'failed';
  /** Why the watch failed. */
  readonly error: BinnacleError | undefined;
}

/** Result of a client's `watch`. */
interface ListWatch<Event> extends AsyncIterable<Event> {
  stop(): void;
}

export abstract class ListStore<T extends ListSnapshot, Event> extends SnapshotStore<T> {
  protected readonly client: Binnacle;
  #unlisten: (() => void) | undefined;
  #watch: ListWatch<Event> | undefined;

  constructor(client: Binnacle, initial: T) {
    super(initial);
    this.client = client;
  }

  begin(): void {
    this.#unlisten = this.client.on('state', ({ kind }) => {
      // Live again with the next list, not with the connection.
      if (kind !== 'open' && this.latest.state === 'live') this.setState('reconnecting');
    });
    this.#run().catch((cause: unknown) => this.setState('failed', BinnacleError.of(cause)));
  }

  protected abstract watch(): ListWatch<Event>;
  /** Applies an event. Returns true for the last part of a list. */
  protected abstract apply(event: Event): boolean;

  protected setState(state: ListSnapshot['state'], error?: BinnacleError): void {
    const change: Partial<ListSnapshot> = { state, error };
    this.change(change as Partial<T>);
  }

  protected stop(): void {
    this.#unlisten?.();
    this.#watch?.stop();
  }

  async #run(): Promise<void> {
    const watch = this.watch();
    this.#watch = watch;
    for await (const event of watch) {
      if (this.isOver) return;
      if (this.apply(event)) this.setState('live');
      else this.change({});
    }
    if (!this.isOver) throw new BinnacleError('client_closed');
  }
}
