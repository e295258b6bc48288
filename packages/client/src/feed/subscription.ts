// A feed over the shared connection: one session or one conversation. The codec knows its frames.

import { BinnacleError, type ClientFrame, type OutputFrame, type Position, type ServerFrame } from '@binnacle/protocol';
import type { Connection, Participant, Subscriber } from '../transport/connection.ts';
import type { FeedState } from './feed-state.ts';
import { type FeedLink, type Piece, ResumableFeed } from './resumable-feed.ts';

/** Position from which a gateway sends. */
export interface Beginning<Item> {
  readonly at: Position;
  /** Item for the consumer. */
  readonly item?: Item | undefined;
  /** It may be anywhere: nothing of the log was handed out. */
  readonly isFresh?: boolean;
}

/** The frames of one session or conversation. */
export interface SubscriptionCodec<Item extends object> {
  /** Id of the session, or key of the conversation. */
  readonly key: string;
  /** Names it in errors. */
  readonly about: Readonly<Record<string, string>>;
  readonly isEventLog: boolean;
  request(ref: number, head: Position | null): ClientFrame;
  unsubscribe(ref: number): ClientFrame;
  /** Called behind each request. */
  requested?(): void;
  /** Reads the answer to a request. `state`: as it was until then. */
  begin(frame: ServerFrame, state: FeedState): Beginning<Item> | undefined;
  /** Reads a frame. A number is the offset of a frame that cannot be there; undefined: nothing of the log. */
  read(frame: ServerFrame, head: Position): Piece<Item> | number | undefined;
  output?(frame: OutputFrame, head: Position): Piece<Item>;
  /** The feed is over. */
  closed?(): void;
}

export class Subscription<Item extends object> implements FeedLink<Item> {
  readonly feed: ResumableFeed<Item>;
  readonly #connection: Connection;
  readonly #codec: SubscriptionCodec<Item>;
  readonly #participant: Participant;
  readonly #subscriber: Subscriber;

  /** Throws `too_many_subscriptions` while this client follows it already. It begins with `start`. */
  constructor(
    connection: Connection,
    codec: SubscriptionCodec<Item>,
    bufferBytes: number | undefined,
    head: Position | null,
  ) {
    const { settings } = connection;
    const { about, isEventLog } = codec;
    const feed = new ResumableFeed<Item>(
      this,
      settings,
      { bufferBytes: bufferBytes ?? settings.bufferBytes, about, isEventLog },
      head,
    );
    this.feed = feed;
    this.#connection = connection;
    this.#codec = codec;
    this.#participant = {
      opened: () => feed.apply({ kind: 'connected' }),
      lost: () => feed.apply({ kind: 'lost' }),
      stopped: (error) => feed.end(error.code === 'client_closed' ? null : error),
    };
    // Frames that the gateway sent before it heard of a pause are still on their way for a while.
    const read = (piece: (head: Position) => Piece<Item> | number | undefined) => {
      const { head } = feed.state;
      if (feed.isLive && head !== null) feed.accept(piece(head));
    };
    this.#subscriber = {
      output: (frame) => read((head) => codec.output?.(frame, head)),
      frame: (frame) => {
        if (frame.t === 'error') feed.apply({ kind: 'refused', error: BinnacleError.fromWire(frame.error) });
        else read((head) => codec.read(frame, head));
      },
    };
    connection.route(codec.key, this.#subscriber);
  }

  start(): void {
    this.#connection.join(this.#participant);
  }

  request(attempt: number): void {
    const { feed } = this;
    this.#connection.ask(
      (ref) => this.#codec.request(ref, feed.state.head),
      (answer) => {
        if ('error' in answer) {
          feed.apply({ kind: 'refused', error: answer.error, attempt });
          return;
        }
        const beginning = this.#codec.begin(answer.frame, feed.state);
        if (beginning !== undefined) feed.begun(attempt, beginning.at, beginning.item, beginning.isFresh);
      },
    );
    this.#codec.requested?.();
  }

  pause(): void {
    // Whatever the answer is, the next beginning separates the frames that are still on their way.
    if (this.#connection.isOpen)
      this.#connection.ask(
        (ref) => this.#codec.unsubscribe(ref),
        () => {},
      );
  }

  reconnect(error: BinnacleError): void {
    this.#connection.broken(error);
  }

  report(error: BinnacleError): void {
    this.#connection.events.emit('error', error);
  }

  close(): void {
    this.#connection.unroute(this.#codec.key, this.#subscriber);
    this.#connection.leave(this.#participant);
    this.#codec.closed?.();
  }
}
