// The states of all sessions, as an async iterable: a list, then changes. Keeps one pending change for a session.

import { BinnacleError, CODES, type ServerFrame, type SessionInfo } from '@binnacle/protocol';
import type { Connection, Participant } from './connection.ts';
import { Outlet } from './outlet.ts';
import { backoffDelay } from './reconnect.ts';

export type WatchEvent =
  /** All there are. Replaces what was known; the first event, and again after each reconnect. */
  | { readonly type: 'list'; readonly sessions: readonly SessionInfo[] }
  | { readonly type: 'session'; readonly info: SessionInfo }
  | { readonly type: 'deleted'; readonly session: string };

export class Watch implements AsyncIterableIterator<WatchEvent, undefined, undefined> {
  private readonly connection: Connection;
  private readonly list: () => Promise<SessionInfo[]>;
  private readonly participant: Participant;
  private readonly unlisten: () => void;
  private readonly outlet: Outlet<WatchEvent>;
  /** By session: a consumer that is slow gets the latest, and costs no more than there are sessions. */
  private readonly changes: Map<string, WatchEvent>;
  private listed: SessionInfo[] | null;
  /** Changes wait while a list is on its way: they are newer than it, or say the same. */
  private isListing: boolean;
  private round: number;
  private failures: number;
  private retry: ReturnType<typeof setTimeout> | null;
  private isOver: boolean;

  constructor(connection: Connection, list: () => Promise<SessionInfo[]>) {
    this.connection = connection;
    this.list = list;
    this.outlet = new Outlet(() => this.take());
    this.changes = new Map();
    this.listed = null;
    this.isListing = true;
    this.round = 0;
    this.failures = 0;
    this.retry = null;
    this.isOver = false;
    this.participant = {
      opened: () => this.begin(),
      lost: () => this.forget(),
      stopped: (error) => this.finish(error.code === 'client_closed' ? null : error),
    };
    this.unlisten = connection.listen((frame) => this.onFrame(frame));
    connection.watchers.add(this);
    connection.join(this.participant);
  }

  next(): Promise<IteratorResult<WatchEvent, undefined>> {
    return this.outlet.next();
  }

  return(): Promise<IteratorResult<WatchEvent, undefined>> {
    this.stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the iteration. */
  stop(): void {
    if (this.isOver) return;
    this.changes.clear();
    this.listed = null;
    this.finish(null);
  }

  private begin(): void {
    this.forget();
    const { round } = this;
    this.connection.ask(
      (ref) => ({ t: 'watch', ref, on: true }),
      (answer) => {
        if (this.round !== round || this.isOver) return;
        if ('error' in answer) this.finish(answer.error);
        else this.fetchList(round);
      },
    );
  }

  private fetchList(round: number): void {
    this.list().then(
      (sessions) => {
        if (this.round !== round || this.isOver) return;
        this.listed = sessions;
        this.isListing = false;
        this.failures = 0;
        this.outlet.deliver();
      },
      (cause: unknown) => {
        if (this.round !== round || this.isOver) return;
        const error = cause instanceof BinnacleError ? cause : new BinnacleError('internal', { cause });
        if (!CODES[error.code].retry) {
          this.finish(error);
          return;
        }
        const { random, backoff } = this.connection.settings;
        const delayMs = backoffDelay(this.failures, random(), backoff);
        this.failures += 1;
        this.retry = setTimeout(() => this.fetchList(round), delayMs);
      },
    );
  }

  /** The next list makes what waits here old. */
  private forget(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    this.round += 1;
    this.isListing = true;
    this.changes.clear();
  }

  private onFrame(frame: ServerFrame): void {
    if (this.isOver || (frame.t !== 'session' && frame.t !== 'deleted')) return;
    const session = frame.t === 'session' ? frame.info.id : frame.session;
    // Deleted first, so that the map's order is the order of the latest changes.
    this.changes.delete(session);
    this.changes.set(
      session,
      frame.t === 'session' ? { type: 'session', info: frame.info } : { type: 'deleted', session },
    );
    this.outlet.deliver();
  }

  private take(): WatchEvent | undefined {
    if (this.isListing) return undefined;
    if (this.listed !== null) {
      const sessions = this.listed;
      this.listed = null;
      return { type: 'list', sessions };
    }
    const [first] = this.changes;
    if (first === undefined) return undefined;
    this.changes.delete(first[0]);
    return first[1];
  }

  private finish(error: BinnacleError | null): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.retry !== null) clearTimeout(this.retry);
    this.unlisten();
    this.connection.watchers.delete(this);
    if (this.connection.isOpen && this.connection.watchers.size === 0) {
      this.connection.ask(
        (ref) => ({ t: 'watch', ref, on: false }),
        () => {},
      );
    }
    this.connection.leave(this.participant);
    this.outlet.end(error);
  }
}
