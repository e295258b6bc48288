// A list, then its changes, as an async iterable that survives reconnects: the list over HTTP page by page, changes
// over the WebSocket. A description says what is listed.

import { BinnacleError, type ClientFrame, CODES, type ServerFrame } from '@binnacle/protocol';
import type { Connection, Participant } from '../transport/connection.ts';
import { backoffDelay } from '../transport/reconnect.ts';
import { Outlet } from './outlet.ts';

/** Page of a list. */
export interface TopicPage<Item> {
  readonly item: Item;
  /** Cursor of the next page; null: the list ends with this one, and changes follow. */
  readonly next: string | null;
  /** Returns whether the list contains a change already. */
  has?(change: Item): boolean;
}

/** A change, until the consumer takes it. */
export interface TopicChange<Item> {
  /** Replaces an earlier change of this key: a slow consumer gets the latest, and costs no more than there are keys. */
  readonly key: unknown;
  readonly item: Item;
  /** Bytes; they count for `TopicDescription.change`. Default 0. */
  readonly cost?: number;
}

export interface TopicDescription<Item, Member extends object> {
  /** Watches of the topic on this connection: the gateway knows one per connection. */
  readonly members: Set<Member>;
  /** This watch among them. */
  readonly member: Member;
  /** Returns the frame with which the gateway reports changes for all members, or none if there is no member. */
  request(ref: number): ClientFrame;
  /** Reads a page; `after` is null for the first. */
  fetch(after: string | null): Promise<TopicPage<Item>>;
  /** Reads a frame; undefined: no change. `buffered`: bytes of the changes that wait. */
  change(frame: ServerFrame, buffered: number): TopicChange<Item> | undefined;
  /** Maximum number of changes that wait; the oldest are dropped. Default: as many as there are keys. */
  readonly maxChanges?: number;
}

/** Iterable of a list and its changes. Each reconnect begins with a new list. */
export class Topic<Item extends object, Member extends object = object>
  implements AsyncIterableIterator<Item, undefined, undefined>
{
  readonly #connection: Connection;
  readonly #description: TopicDescription<Item, Member>;
  readonly #participant: Participant;
  readonly #unlisten: () => void;
  readonly #outlet = new Outlet<Item>(() => this.#take());
  /** In the order of the latest changes. They wait while a list is on its way: they are newer than it, or say the same. */
  readonly #changes = new Map<unknown, TopicChange<Item>>();
  /** Bytes of the changes. */
  #buffered = 0;
  /** The page that waits for the consumer. */
  #page: TopicPage<Item> | null = null;
  /** Cursor of the next page, which is requested when the page before was taken. */
  #after: string | null = null;
  #isListing = true;
  /** Number of the present list; answers to an older one are ignored. */
  #round = 0;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(connection: Connection, description: TopicDescription<Item, Member>) {
    this.#connection = connection;
    this.#description = description;
    description.members.add(description.member);
    this.#participant = {
      opened: () => this.#begin(),
      lost: () => this.#forget(),
      stopped: (error) => this.#finish(error.code === 'client_closed' ? null : error),
    };
    this.#unlisten = connection.listen((frame) => this.#onFrame(frame));
    connection.join(this.#participant);
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    return this.#outlet.next();
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the iteration. */
  stop(): void {
    if (this.#isOver) return;
    this.#page = null;
    this.#changes.clear();
    this.#finish(null);
  }

  #begin(): void {
    this.#forget();
    const round = this.#round;
    this.#connection.ask(this.#description.request, (answer) => {
      if (this.#round !== round || this.#isOver) return;
      if ('error' in answer) this.#finish(answer.error);
      else this.#fetchPage(round);
    });
  }

  #fetchPage(round: number): void {
    this.#description.fetch(this.#after).then(
      (page) => {
        if (this.#round !== round || this.#isOver) return;
        this.#failures = 0;
        this.#page = page;
        this.#after = page.next;
        for (const [key, { item }] of this.#changes) if (page.has?.(item) === true) this.#drop(key);
        this.#outlet.deliver();
      },
      (cause: unknown) => {
        if (this.#round !== round || this.#isOver) return;
        const error = BinnacleError.of(cause);
        if (!CODES[error.code].retry) {
          this.#finish(error);
          return;
        }
        const { random, backoff } = this.#connection.settings;
        const delayMs = backoffDelay(this.#failures, random(), backoff);
        this.#failures += 1;
        this.#retry = setTimeout(() => this.#fetchPage(round), delayMs);
      },
    );
  }

  #onFrame(frame: ServerFrame): void {
    const { change, maxChanges = Number.POSITIVE_INFINITY } = this.#description;
    const made = this.#isOver ? undefined : change(frame, this.#buffered);
    if (made === undefined) return;
    // Deleted first, so that the map's order is the order of the latest changes.
    this.#drop(made.key);
    this.#changes.set(made.key, made);
    this.#buffered += made.cost ?? 0;
    if (this.#changes.size > maxChanges) this.#drop(this.#changes.keys().next().value);
    this.#outlet.deliver();
  }

  #forget(): void {
    clearTimeout(this.#retry);
    this.#round += 1;
    this.#isListing = true;
    this.#page = null;
    this.#after = null;
    this.#changes.clear();
    this.#buffered = 0;
  }

  #take(): Item | undefined {
    const page = this.#page;
    if (page !== null) {
      this.#page = null;
      if (page.next === null) this.#isListing = false;
      else this.#fetchPage(this.#round);
      return page.item;
    }
    const [first] = this.#isListing ? [] : this.#changes.values();
    if (first !== undefined) this.#drop(first.key);
    return first?.item;
  }

  #drop(key: unknown): void {
    this.#buffered -= this.#changes.get(key)?.cost ?? 0;
    this.#changes.delete(key);
  }

  #finish(error: BinnacleError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#retry);
    this.#unlisten();
    this.#leave();
    this.#connection.leave(this.#participant);
    this.#outlet.end(error);
  }

  /** Requests what the others want, if that is something else. */
  #leave(): void {
    const { members, member, request } = this.#description;
    const before = JSON.stringify(request(0));
    members.delete(member);
    if (this.#connection.isOpen && JSON.stringify(request(0)) !== before) this.#connection.ask(request, () => {});
  }
}
