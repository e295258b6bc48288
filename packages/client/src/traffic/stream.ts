// Events of the sessions that match a filter, as an async iterable over a WebSocket of its own. It resumes each session
// where it stood, over cuts and restarts, and buffers no more than its limit.

import {
  BinnacleError,
  CODES,
  type PtyEvent,
  type TrafficClientMessage,
  type TrafficFilter,
  type TrafficServerMessage,
} from '@binnacle/protocol';
import { FeedIterator, type FeedLink, ITEM_BYTES, ResumableFeed } from '../feed/resumable-feed.ts';
import type { Settings } from '../transport/options.ts';
import type { Link } from '../transport/reconnect.ts';
import { SocketLink } from '../transport/socket-link.ts';

/** Output bytes `from` up to `to` of a session that are no longer stored. */
export type TrafficGap = Omit<Extract<TrafficServerMessage, { type: 'gap' }>, 'type' | 'id'>;

/** Options of `Binnacle.watchTraffic`. */
export interface WatchTrafficOptions {
  /**
   * `start`: everything that is stored, then what comes. `now`: what comes. A position: behind an event of the one
   * session that the filter names. Default `start` with a `session_id`, else `now`.
   */
  readonly from?: 'start' | 'now' | string;
  /** `text` (default): invalid bytes are U+FFFD and no character is cut. `base64`: the bytes as they are. */
  readonly encoding?: 'text' | 'base64';
  /** Bytes to buffer for a slow consumer. Default: `bufferBytes` of the client. */
  readonly bufferBytes?: number;
  /** Called for output that is gone, before the events behind it are handed out. */
  readonly onGap?: (gap: TrafficGap) => void;
  /** Called for an error of one session (deleted, no longer visible) or of too many. The watch goes on. */
  readonly onError?: (error: BinnacleError, session: string | null) => void;
  /**
   * Called with `live` when the gateway has accepted the filter, with `reconnecting` when the connection is lost after
   * that.
   */
  readonly onState?: (state: 'live' | 'reconnecting') => void;
}

/** Parts that a stream takes from its client. */
export interface TrafficStreamParts {
  readonly settings: Settings;
  readonly filter: TrafficFilter;
  readonly options: WatchTrafficOptions;
  /** Throws the reason why the gateway refuses this client: a browser gets no reason from a failed upgrade. */
  probe(): Promise<void>;
  /** Called when the stream has ended. */
  over(): void;
}

/** The gateway takes as many places in one `resume`. */
const MAX_PLACES = 10_000;

/**
 * Iterable of events in all sessions that match a filter, from `Binnacle.watchTraffic`. It ends behind `is_final` of the
 * one session that the filter names. Leaving a `for await` early closes the WebSocket.
 */
export class TrafficStream extends FeedIterator<PtyEvent> {
  readonly #link: TrafficLink;

  constructor(parts: TrafficStreamParts) {
    const link = new TrafficLink(parts);
    super(link.feed);
    this.#link = link;
  }

  /** Reconnects at once if the stream waits to, and probes an open connection. */
  wake(): void {
    this.#link.wake();
  }

  /** Ends the iteration and drops what is buffered. */
  stop(): void {
    this.#link.feed.stop();
  }
}

/** The messages of one subscription, over a WebSocket of its own. Keeps the position of each session. */
class TrafficLink implements FeedLink<PtyEvent> {
  readonly feed: ResumableFeed<PtyEvent>;
  readonly #parts: TrafficStreamParts;
  readonly #socket: SocketLink;
  readonly #from: string;
  /** Position of each known session, by its id. Ended ones stay, or they would come again. */
  readonly #places = new Map<string, string>();
  readonly #ended = new Set<string>();
  /** Time of the first `subscribed` by the gateway's clock: sessions that began before are known or not wanted. */
  #since: number | null = null;

  constructor(parts: TrafficStreamParts) {
    const { settings, filter, options } = parts;
    this.#parts = parts;
    this.#from = options.from ?? (filter.session_id === undefined ? 'now' : 'start');
    const limits = { bufferBytes: options.bufferBytes ?? settings.bufferBytes, about: {} };
    this.feed = new ResumableFeed<PtyEvent>(this, settings, limits, null);
    this.#socket = new SocketLink(settings, '/ws/pty-traffic', parts.probe, {
      message: (data) => this.#onMessage(JSON.parse(String(data)) as TrafficServerMessage),
      ping: (timestamp) => this.#send({ type: 'ping', timestamp }),
      changed: (state, before) => this.#onChanged(state, before),
    });
    this.#socket.apply({ kind: 'want' });
  }

  wake(): void {
    this.#socket.wake();
  }

  request(attempt: number): void {
    const { filter, options } = this.#parts;
    const isPlace = this.#from !== 'start' && this.#from !== 'now';
    // From a position, and nothing came: it still stands there.
    const isResumed = this.#since !== null && (this.#places.size > 0 || !isPlace);
    this.#send({
      type: 'subscribe',
      id: this.#id,
      filter,
      from: this.#from,
      encoding: options.encoding ?? 'text',
      ...(isResumed ? { resume: { since: this.#since ?? 0, positions: Object.fromEntries(this.#places) } } : {}),
    });
    // Its messages have its id: nothing has to be awaited.
    this.feed.begun(attempt);
  }

  pause(): void {
    this.#send({ type: 'unsubscribe', id: this.#id });
  }

  reconnect(error: BinnacleError): void {
    this.#socket.broken(error);
  }

  report(error: BinnacleError, session: string | null = null): void {
    this.#parts.options.onError?.(error, session);
  }

  close(error: BinnacleError | null): void {
    this.#socket.stop(error?.code);
    this.#parts.over();
  }

  /** Messages of an older subscription have another id. */
  get #id(): string {
    return `watch-${this.feed.state.attempt}`;
  }

  #send(message: TrafficClientMessage): void {
    this.#socket.send(message);
  }

  #onChanged(state: Link, before: Link): void {
    if (state.kind === 'open' && before.kind !== 'open') this.feed.apply({ kind: 'connected' });
    if (before.kind === 'open' && state.kind !== 'open') {
      if (this.feed.isLive && this.#since !== null) this.#parts.options.onState?.('reconnecting');
      this.feed.apply({ kind: 'lost' });
    }
    if (state.kind === 'stopped') this.feed.end(this.#socket.stopError);
  }

  #onMessage(message: TrafficServerMessage): void {
    switch (message.type) {
      case 'connected':
        // The gateway pings as often as it does on its other sockets.
        this.#socket.opened(Number.NaN);
        return;
      case 'ping':
        this.#send({ type: 'pong', timestamp: message.timestamp });
        return;
      case 'pong':
        this.#socket.pong(message.timestamp, message.server_timestamp);
        return;
      case 'error':
        this.#onError(message);
        return;
      case 'subscribed':
        if (message.id !== this.#id) return;
        this.#since ??= this.#from === 'now' ? message.timestamp : 0;
        this.#parts.options.onState?.('live');
        return;
      case 'pty_event':
      case 'gap':
        // Events on their way at the unsubscribe come again from the present position.
        if (this.feed.isLive && message.id === this.#id) this.#onNews(message);
        return;
      default:
        return; // of a later version
    }
  }

  #onNews(message: Extract<TrafficServerMessage, { type: 'pty_event' | 'gap' }>): void {
    if (message.type === 'gap') {
      const { type: _, id: __, ...gap } = message;
      this.#keep(gap.session, gap.position);
      this.feed.accept({ kind: 'gap', notice: () => this.#parts.options.onGap?.(gap), cost: ITEM_BYTES });
      return;
    }
    const { event } = message;
    this.#keep(event.session, event.position);
    if (event.is_final) this.#ended.add(event.session);
    const cost = ITEM_BYTES + (event.response ?? event.response_base64 ?? '').length * 2;
    // For good: nothing of this stream is there any more that could connect again.
    const isLast = event.is_final && this.#parts.filter.session_id !== undefined;
    this.feed.accept({ kind: 'entry', item: event, cost, isLast });
  }

  #keep(session: string, position: string): void {
    this.#places.set(session, position);
    if (this.#places.size <= MAX_PLACES) return;
    const [oldest] = this.#ended;
    if (oldest === undefined) return;
    this.#ended.delete(oldest);
    this.#places.delete(oldest);
  }

  #onError(message: Extract<TrafficServerMessage, { type: 'error' }>): void {
    if (message.id !== undefined && message.id !== this.#id) return;
    const error = BinnacleError.fromWire(message.error);
    const { session } = message;
    const canRetry = CODES[error.code].retry;
    // Too many sessions match, and some wait: the gateway continues with them by itself.
    const isNotice = error.code === 'too_many_subscriptions';
    if (session !== undefined && !canRetry) {
      this.#places.delete(session);
      this.#ended.delete(session);
    }
    if (isNotice || (session !== undefined && !canRetry && this.#parts.filter.session_id === undefined)) {
      this.report(error, session ?? null);
    } else if (canRetry) {
      this.report(error, session ?? null);
      // After a while, from where everything stands.
      this.#socket.broken(error);
    } else {
      this.feed.end(error);
    }
  }
}
