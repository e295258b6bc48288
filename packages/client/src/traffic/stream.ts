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
import { Outlet } from '../feed/outlet.ts';
import { Liveness } from '../transport/liveness.ts';
import type { Settings, WebSocketLike } from '../transport/options.ts';
import { FIRST, type Link, type LinkAction, type LinkEvent, step } from '../transport/reconnect.ts';
import { listenForWake } from '../transport/wake.ts';

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

/** What an event costs besides its output: a flood of one-byte events must not slip through the limit. */
const EVENT_BYTES = 256;
/** Subscribe again when so little is left: the rest bridges the round trip. */
const LOW_WATER = 1 / 4;
/** The gateway takes as many places in one `resume`. */
const MAX_PLACES = 10_000;

type Item = { readonly event: PtyEvent } | { readonly gap: TrafficGap };
type Phase = 'waiting' | 'subscribed' | 'paused' | 'over';

/** Iterable of events in all sessions that match a filter, from `Binnacle.watchTraffic`. */
export class TrafficStream implements AsyncIterableIterator<PtyEvent, undefined, undefined> {
  private readonly parts: TrafficStreamParts;
  private readonly outlet: Outlet<PtyEvent>;
  private readonly bufferBytes: number;
  private readonly unlisten: () => void;
  private readonly buffer: Item[];
  private buffered: number;
  private link: Link;
  private timer: ReturnType<typeof setTimeout> | null;
  private giveUp: ReturnType<typeof setTimeout> | null;
  private socket: WebSocketLike | null;
  private liveness: Liveness | null;
  private phase: Phase;
  /** Number of the subscription. Frames of an older one have another id. */
  private attempt: number;
  /** Position of each known session, by its id. Ended ones stay, or they would come again. */
  private readonly places: Map<string, string>;
  private readonly ended: Set<string>;
  /** Time of the first `subscribed` by the gateway's clock: sessions that began before are known or not wanted. */
  private since: number | null;
  private fault: BinnacleError | null;

  constructor(parts: TrafficStreamParts) {
    this.parts = parts;
    this.outlet = new Outlet(() => this.take());
    this.bufferBytes = parts.options.bufferBytes ?? parts.settings.bufferBytes;
    this.buffer = [];
    this.buffered = 0;
    this.link = FIRST;
    this.timer = null;
    this.giveUp = null;
    this.socket = null;
    this.liveness = null;
    this.phase = 'waiting';
    this.attempt = 0;
    this.places = new Map();
    this.ended = new Set();
    this.since = null;
    this.fault = null;
    this.unlisten = listenForWake(() => this.wake());
    this.apply({ kind: 'want' });
  }

  /**
   * Resolves with the next event; `done` behind `is_final` of the one session that the filter names, and after
   * `return`.
   */
  next(): Promise<IteratorResult<PtyEvent, undefined>> {
    return this.outlet.next();
  }

  /** Unsubscribes and closes the WebSocket. Leaving a `for await` early calls it. */
  return(): Promise<IteratorResult<PtyEvent, undefined>> {
    this.stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Reconnects at once if the stream waits to, and probes an open connection. */
  wake(): void {
    this.apply({ kind: 'wake' });
    this.liveness?.check();
  }

  /** Ends the iteration and drops what is buffered. */
  stop(): void {
    if (this.phase === 'subscribed') this.unsubscribe();
    this.buffer.length = 0;
    this.finish(null);
  }

  private apply(event: LinkEvent): void {
    const { now, random, backoff } = this.parts.settings;
    const { state, actions } = step(this.link, event, now(), random(), backoff);
    const wasStopped = this.link.kind === 'stopped';
    this.link = state;
    for (const action of actions) this.act(action);
    if (state.kind !== 'stopped' || wasStopped || this.phase === 'over') return;
    this.finish(this.fault?.code === state.code ? this.fault : new BinnacleError(state.code));
  }

  private act(action: LinkAction): void {
    switch (action.kind) {
      case 'open':
        this.open(action.generation);
        break;
      case 'wait': {
        const { generation } = action;
        this.timer = setTimeout(() => this.apply({ kind: 'timer', generation }), action.ms);
        break;
      }
      case 'cancel':
        if (this.timer !== null) clearTimeout(this.timer);
        this.timer = null;
        break;
      case 'drop':
        this.drop();
        break;
    }
  }

  private open(generation: number): void {
    const { settings } = this.parts;
    this.fault = null;
    let socket: WebSocketLike;
    try {
      socket = settings.makeSocket(`${settings.base.replace(/^http/, 'ws')}/ws/pty-traffic`, settings.headers);
    } catch (cause) {
      this.fault = cause instanceof BinnacleError ? cause : new BinnacleError('bad_request', { cause });
      this.apply({ kind: 'refused', generation, code: this.fault.code });
      return;
    }
    this.socket = socket;
    const isOurs = () => this.socket === socket;
    this.giveUp = setTimeout(() => this.apply({ kind: 'broken', generation }), settings.connectTimeoutMs);
    socket.addEventListener('message', ({ data }) => {
      if (!isOurs()) return;
      this.liveness?.heard();
      try {
        this.onMessage(JSON.parse(String(data)) as TrafficServerMessage, generation);
      } catch (cause) {
        this.fault = new BinnacleError('protocol_error', { cause });
        this.apply({ kind: 'broken', generation });
      }
    });
    // 'error' says nothing that 'close' does not; without a listener `ws` would throw it.
    socket.addEventListener('error', () => {});
    socket.addEventListener('close', ({ code = 1006 }) => {
      if (!isOurs()) return;
      const wasOpen = this.link.kind === 'open';
      this.letGo();
      const closed = { kind: 'closed', generation, closeCode: code, code: this.fault?.code ?? null } as const;
      if (wasOpen) this.apply(closed);
      else this.askWhy(closed);
    });
  }

  /** Handles a failed upgrade. Only an HTTP request can distinguish "not now" from "not you". */
  private askWhy(closed: Extract<LinkEvent, { kind: 'closed' }>): void {
    const { generation } = closed;
    this.parts.probe().then(
      () => this.apply(closed),
      (cause: unknown) => {
        if (this.link.kind !== 'connecting' || this.link.generation !== generation) return;
        this.fault = cause instanceof BinnacleError ? cause : new BinnacleError('internal', { cause });
        this.apply({ kind: 'refused', generation, code: this.fault.code });
      },
    );
  }

  private drop(): void {
    const { socket } = this;
    this.letGo();
    try {
      socket?.close(1000);
      // A dead link never completes the closing handshake; a living one carries the reason to the gateway.
      if (this.phase !== 'over') socket?.terminate?.();
    } catch {
      // Closing twice or too early is no fault: it is gone either way.
    }
  }

  private letGo(): void {
    if (this.giveUp !== null) clearTimeout(this.giveUp);
    this.giveUp = null;
    this.liveness?.stop();
    this.liveness = null;
    this.socket = null;
    if (this.phase === 'subscribed') {
      this.phase = 'waiting';
      if (this.since !== null) this.parts.options.onState?.('reconnecting');
    }
  }

  private send(message: TrafficClientMessage): void {
    this.socket?.send(JSON.stringify(message));
  }

  private onMessage(message: TrafficServerMessage, generation: number): void {
    switch (message.type) {
      case 'connected':
        if (this.giveUp !== null) clearTimeout(this.giveUp);
        this.giveUp = null;
        this.apply({ kind: 'opened', generation });
        // The gateway pings as often as it does on its other sockets.
        this.liveness = new Liveness(this.parts.settings.now, Number.NaN, {
          ping: (timestamp) => this.send({ type: 'ping', timestamp }),
          dead: () => this.apply({ kind: 'broken', generation }),
          measured: () => {},
        });
        if (this.phase === 'waiting') this.subscribe();
        return;
      case 'ping':
        this.send({ type: 'pong', timestamp: message.timestamp });
        return;
      case 'pong':
        this.liveness?.pong(message.timestamp, message.server_timestamp);
        return;
      case 'error':
        this.onError(message, generation);
        return;
      case 'subscribed':
        if (message.id !== this.id) return;
        this.since ??= this.from === 'now' ? message.timestamp : 0;
        this.parts.options.onState?.('live');
        return;
      case 'pty_event':
      case 'gap':
        // Events on their way at the unsubscribe come again from the present position.
        if (this.phase === 'subscribed' && message.id === this.id) this.onNews(message);
        return;
      default:
        return; // of a later version
    }
  }

  private get from(): string {
    return this.parts.options.from ?? (this.parts.filter.session_id === undefined ? 'now' : 'start');
  }

  private get id(): string {
    return `watch-${this.attempt}`;
  }

  private unsubscribe(): void {
    this.send({ type: 'unsubscribe', id: this.id });
  }

  private subscribe(): void {
    this.phase = 'subscribed';
    this.attempt += 1;
    const { filter, options } = this.parts;
    const resume = this.since === null ? undefined : { since: this.since, positions: Object.fromEntries(this.places) };
    this.send({
      type: 'subscribe',
      id: this.id,
      filter,
      from: this.from,
      encoding: options.encoding ?? 'text',
      // From a position, and nothing came: it still stands there.
      ...(resume === undefined || (this.places.size === 0 && this.isPlace) ? {} : { resume }),
    });
  }

  private get isPlace(): boolean {
    return this.from !== 'start' && this.from !== 'now';
  }

  private onNews(message: Extract<TrafficServerMessage, { type: 'pty_event' | 'gap' }>): void {
    if (message.type === 'gap') {
      const { type: _, id: __, ...gap } = message;
      this.keep(gap.session, gap.position);
      this.push({ gap });
      return;
    }
    const { event } = message;
    this.keep(event.session, event.position);
    if (event.is_final) this.ended.add(event.session);
    this.push({ event });
    // For good: nothing of this stream is there any more that could connect again.
    if (event.is_final && this.parts.filter.session_id !== undefined) this.finish(null);
  }

  private keep(session: string, position: string): void {
    this.places.set(session, position);
    if (this.places.size <= MAX_PLACES) return;
    const [oldest] = this.ended;
    if (oldest === undefined) return;
    this.ended.delete(oldest);
    this.places.delete(oldest);
  }

  private onError(message: Extract<TrafficServerMessage, { type: 'error' }>, generation: number): void {
    if (message.id !== undefined && message.id !== this.id) return;
    const error = BinnacleError.fromWire(message.error);
    const { session } = message;
    const canRetry = CODES[error.code].retry;
    // Too many sessions match, and some wait: the gateway continues with them by itself.
    const isNotice = error.code === 'too_many_subscriptions';
    if (session !== undefined && !canRetry) {
      this.places.delete(session);
      this.ended.delete(session);
    }
    if (isNotice || (session !== undefined && !canRetry && this.parts.filter.session_id === undefined)) {
      this.parts.options.onError?.(error, session ?? null);
      return;
    }
    if (!canRetry) {
      this.finish(error);
      return;
    }
    this.parts.options.onError?.(error, session ?? null);
    // After a while, from where everything stands.
    this.apply({ kind: 'broken', generation });
  }

  private push(item: Item): void {
    this.buffer.push(item);
    this.buffered += cost(item);
    this.outlet.deliver();
    if (this.phase !== 'subscribed' || this.buffered <= this.bufferBytes) return;
    this.phase = 'paused';
    this.unsubscribe();
  }

  private take(): PtyEvent | undefined {
    for (let item = this.buffer.shift(); item !== undefined; item = this.buffer.shift()) {
      this.buffered -= cost(item);
      if (this.phase === 'paused' && this.buffered <= this.bufferBytes * LOW_WATER) {
        this.phase = 'waiting';
        if (this.link.kind === 'open') this.subscribe();
      }
      if ('event' in item) return item.event;
      this.parts.options.onGap?.(item.gap);
    }
    return undefined;
  }

  private finish(error: BinnacleError | null): void {
    if (this.phase !== 'over') {
      this.phase = 'over';
      this.unlisten();
      this.apply({ kind: 'stop', code: error?.code ?? 'client_closed' });
      this.parts.over();
    }
    this.outlet.end(error);
  }
}

const cost = (item: Item): number =>
  EVENT_BYTES + ('event' in item ? (item.event.response ?? item.event.response_base64 ?? '').length * 2 : 0);
