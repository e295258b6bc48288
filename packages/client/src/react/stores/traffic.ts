// Events of the sessions that match a filter as a store for components: the latest ones, within a limit. Knows no
// React.

import { BinnacleError, defined, type PtyEvent, type TrafficFilter } from '@binnacle/protocol';
import type { Binnacle } from '../../client.ts';
import type { TrafficGap, TrafficStream } from '../../traffic/stream.ts';
import type { FollowState } from './session.ts';
import { SnapshotStore } from './store.ts';

/** Options of `useTraffic`. */
export interface TrafficOptions {
  /**
   * `start`: everything that is stored. `now`: what comes. Default `start` if the filter names a session, else `now`.
   */
  readonly from?: 'start' | 'now' | string;
  /** Bytes of events to keep; older ones are dropped. Default 2 MiB. */
  readonly maxBytes?: number;
}

/** State of the traffic, as components see it. */
export interface TrafficSnapshot {
  /** State of the watch. `ended`: the one session that the filter names has ended. */
  readonly state: FollowState;
  /** Events in their order. Output is text, and no character is cut. */
  readonly events: readonly PtyEvent[];
  /** Number of events in front of these that were dropped. */
  readonly dropped: number;
  /** The latest gaps. */
  readonly gaps: readonly TrafficGap[];
  /** The last error of a single session, or of too many. The watch goes on. */
  readonly notice: BinnacleError | undefined;
  /** Why the watch failed. */
  readonly error: BinnacleError | undefined;
}

export const NO_TRAFFIC_YET: TrafficSnapshot = {
  state: 'connecting',
  events: [],
  dropped: 0,
  gaps: [],
  notice: undefined,
  error: undefined,
};

const MAX_BYTES = 2 * 1024 * 1024;
const MAX_GAPS = 100;
/** Bytes that an event costs besides its output. */
const EVENT_BYTES = 256;

export class TrafficStore extends SnapshotStore<TrafficSnapshot> {
  readonly #client: Binnacle;
  readonly #filter: TrafficFilter;
  readonly #options: TrafficOptions;
  readonly #events: PtyEvent[] = [];
  #cost = 0;
  #dropped = 0;
  #isChanged = false;
  #stream: TrafficStream | undefined;

  constructor(client: Binnacle, filter: TrafficFilter, options: TrafficOptions) {
    super(NO_TRAFFIC_YET);
    this.#client = client;
    this.#filter = filter;
    this.#options = options;
  }

  begin(): void {
    this.#run().catch((cause: unknown) => this.change({ state: 'failed', error: BinnacleError.of(cause) }));
  }

  protected stop(): void {
    this.#stream?.stop();
  }

  protected override settle(state: TrafficSnapshot): TrafficSnapshot {
    if (!this.#isChanged) return state;
    this.#isChanged = false;
    return { ...state, events: [...this.#events], dropped: this.#dropped };
  }

  async #run(): Promise<void> {
    const { from } = this.#options;
    const stream = this.#client.watchTraffic(this.#filter, {
      ...defined({ from }),
      onState: (state) => this.change({ state }),
      onGap: (gap) => this.change({ gaps: [...this.latest.gaps, gap].slice(-MAX_GAPS) }),
      onError: (notice) => this.change({ notice }),
    });
    this.#stream = stream;
    let hasEnded = false;
    for await (const event of stream) {
      if (this.isOver) return;
      this.#keep(event);
      hasEnded = event.is_final && this.#filter.session_id !== undefined;
    }
    if (hasEnded) this.change({ state: 'ended' });
    else if (!this.isOver) throw new BinnacleError('client_closed');
  }

  #keep(event: PtyEvent): void {
    this.#events.push(event);
    this.#cost += costOf(event);
    const limit = this.#options.maxBytes ?? MAX_BYTES;
    let tooMany = 0;
    for (const old of this.#events) {
      if (this.#cost <= limit || tooMany === this.#events.length - 1) break;
      this.#cost -= costOf(old);
      tooMany += 1;
    }
    this.#events.splice(0, tooMany);
    this.#dropped += tooMany;
    this.#isChanged = true;
    this.change({});
  }
}

const costOf = (event: PtyEvent): number =>
  EVENT_BYTES + ((event.response ?? '').length + (event.command ?? '').length) * 2;
