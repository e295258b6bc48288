// A feed over HTTP: server-sent events of one log. A slow consumer makes it read slowly, and the gateway keep the rest.
// The codec knows what the events mean.

import { BinnacleError, formatPosition, type Position, parsePosition, type WireError } from '@binnacle/protocol';
import type { HttpRequest } from '../transport/http.ts';
import type { Operations } from '../transport/operation.ts';
import { Reconnector } from '../transport/reconnector.ts';
import { EventReader, type ServerEvent } from '../transport/server-sent-events.ts';
import { listenForWake } from '../transport/wake.ts';
import { wrongEpoch } from './feed-state.ts';
import { type FeedLink, type Piece, ResumableFeed } from './resumable-feed.ts';

/** An event with its data parsed. */
export interface LogEvent {
  readonly event: string;
  readonly id: string;
  readonly body: unknown;
  /** Position behind it: its id. */
  readonly after: Position;
}

/** The requests and the events of one log. */
export interface EventStreamCodec<Item> {
  /** Names the log in errors. */
  readonly about: Readonly<Record<string, string>>;
  readonly isEventLog: boolean;
  /** Returns the request for what follows `position`; null: from the codec's own beginning. May throw. */
  request(position: string | null): HttpRequest;
  /** Returns whether the request may be repeated after this error. */
  mayRetry(error: BinnacleError): boolean;
  /** Reads an event. A number is the offset of an event that cannot be there; undefined: of a later version. */
  read(event: LogEvent): Piece<Item> | number | undefined;
  /** Called with each item before it is handed out. */
  onItem?(item: Item): void;
  /** Called at the end. `error`: the stream broke off. */
  closed(error: BinnacleError | null): void;
}

/** The gateway says something every 15 s: three of them missed, and the connection is dead. */
const SILENCE_MS = 45_000;

export class EventStream<Item extends object> implements FeedLink<Item> {
  readonly feed: ResumableFeed<Item>;
  readonly #operations: Operations;
  readonly #codec: EventStreamCodec<Item>;
  readonly #reconnector: Reconnector;
  readonly #unlisten: () => void;
  #abort: AbortController | null = null;
  #isPaused = false;
  /** Wakes the reading when the buffer has room again. */
  #resume: (() => void) | undefined;

  constructor(
    operations: Operations,
    codec: EventStreamCodec<Item>,
    bufferBytes: number,
    head: Position | null = null,
  ) {
    const { about, isEventLog } = codec;
    const { settings } = operations;
    this.#operations = operations;
    this.#codec = codec;
    this.feed = new ResumableFeed<Item>(this, settings, { bufferBytes, about, isEventLog }, head);
    this.#reconnector = new Reconnector(settings, {
      open: (generation) => void this.#follow(generation),
      drop: () => this.#abort?.abort(),
    });
    const wake = () => this.wake();
    const unlisten = listenForWake(wake);
    operations.sleepers.add(wake);
    this.#unlisten = () => {
      unlisten();
      operations.sleepers.delete(wake);
    };
    this.#reconnector.apply({ kind: 'want' });
  }

  /** Reconnects at once if the stream waits to. */
  wake(): void {
    this.#reconnector.apply({ kind: 'wake' });
  }

  /** The request is answered already: going on means to read on. */
  request(attempt: number): void {
    this.feed.begun(attempt);
    this.#isPaused = false;
    this.#resume?.();
  }

  pause(): void {
    this.#isPaused = true;
  }

  reconnect(error: BinnacleError): void {
    // Ends the reading of this answer; `#follow` reports it and connects again.
    throw new BinnacleError('connection_lost', { cause: error });
  }

  report(error: BinnacleError): void {
    this.#operations.events.emit('error', error);
  }

  onItem(item: Item): void {
    this.#codec.onItem?.(item);
  }

  close(error: BinnacleError | null): void {
    this.#isPaused = false;
    this.#unlisten();
    this.#reconnector.apply({ kind: 'stop', code: error?.code ?? 'client_closed' });
    this.#resume?.();
    this.#codec.closed(error);
  }

  async #follow(generation: number): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    const isOurs = () => this.#reconnector.state.generation === generation && !this.#isOver;
    // The constructor's caller has this object by then, and can be notified.
    await Promise.resolve();
    try {
      const { head } = this.feed.state;
      const response = await this.#operations.http.open(
        this.#codec.request(head === null ? null : formatPosition(head)),
        abort,
      );
      if (!isOurs()) return;
      this.#reconnector.apply({ kind: 'opened', generation });
      this.feed.apply({ kind: 'connected' });
      await this.#read(response, abort);
    } catch (cause) {
      if (!isOurs()) return;
      const error = cause instanceof BinnacleError ? cause : new BinnacleError('connection_lost', { cause });
      if (!this.#codec.mayRetry(error)) {
        this.feed.end(error);
        return;
      }
      this.report(error);
      // The rest of the stream is not wanted any more.
      abort.abort();
    }
    if (!isOurs()) return;
    this.feed.apply({ kind: 'lost' });
    this.#reconnector.apply({ kind: 'closed', generation, closeCode: 1006, code: null });
  }

  /** Reads until the answer ends, or `abort` ends it. */
  async #read(response: Response, abort: AbortController): Promise<void> {
    const reader = response.body?.getReader();
    const events = new EventReader();
    while (reader !== undefined) {
      // Only while we read: a slow consumer is no silence of the gateway.
      const silence = setTimeout(() => abort.abort(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      if (done) return;
      for (const event of events.push(value)) {
        if (!this.#isOver) this.#onEvent(event);
        if (this.#isPaused) await this.#room();
      }
    }
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  get #isOver(): boolean {
    return this.feed.state.phase === 'over';
  }

  #onEvent({ id, event, data }: ServerEvent): void {
    const body: unknown = JSON.parse(data);
    if (event === 'error') throw BinnacleError.fromWire(body as WireError);
    const after = parsePosition(id);
    const { head } = this.feed.state;
    if (head !== null && after.epoch !== head.epoch) throw wrongEpoch(head, after);
    const piece = this.#codec.read({ event, id, body, after });
    // Behind the last event only the end of the answer comes; read to it, the connection can serve the next request.
    if (typeof piece === 'object' && piece.isLast === true) this.#abort = null;
    this.feed.accept(piece);
  }
}
