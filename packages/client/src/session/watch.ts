// The states of all sessions as an async iterable: their list page by page, then changes. Buffers one pending change
// per session, and one page.

import type { BinnacleError, ServerFrame, SessionInfo, SessionList } from '@binnacle/protocol';
import { Listing, type ListingPage } from '../feed/listing.ts';
import type { Connection } from '../transport/connection.ts';

/** A page of the list, a session that is new or changed, or the id of a deleted session. */
export type WatchEvent =
  /**
   * Some of all there are, newest first: a list comes first, and again after each reconnect, in as many of these as it
   * has pages. What no page of a list had is there no more once its last one has come; `KnownSessions` minds that.
   */
  | {
      readonly type: 'list';
      readonly sessions: readonly SessionInfo[];
      /** Whether a list begins with this page. */
      readonly isFirst: boolean;
      /** Whether the list ends with this page; changes follow. */
      readonly isLast: boolean;
    }
  | { readonly type: 'session'; readonly info: SessionInfo }
  | { readonly type: 'deleted'; readonly session: string };

/** Reads a page of the list; `after` is null for the first page. */
export type ListPage = (after: string | null) => Promise<SessionList>;

/**
 * Iterable of the states of all sessions, from `Binnacle.watch`. A slow consumer gets the latest state of each session.
 */
export class Watch extends Listing<WatchEvent, SessionList> {
  private readonly list: ListPage;
  /** By session: a consumer that is slow gets the latest, and costs no more than there are sessions. */
  private readonly changes: Map<string, WatchEvent>;
  /** Cursor of the next page, which is requested when the page before was taken. */
  private after: string | null;

  constructor(connection: Connection, list: ListPage) {
    super(connection);
    this.list = list;
    this.changes = new Map();
    this.after = null;
    connection.watchers.add(this);
    this.start();
  }

  protected ask(answered: (error?: BinnacleError) => void): void {
    const on = this.connection.watchers.size > 0;
    this.connection.ask(
      (ref) => ({ t: 'watch', ref, on }),
      (answer) => answered('error' in answer ? answer.error : undefined),
    );
  }

  protected left(): void {
    const { watchers } = this.connection;
    watchers.delete(this);
    if (this.connection.isOpen && watchers.size === 0) this.ask(() => {});
  }

  protected fetch(): Promise<SessionList> {
    return this.list(this.after);
  }

  protected toItem({ sessions, next }: SessionList): ListingPage<WatchEvent> {
    const isFirst = this.after === null;
    const isLast = next === null;
    this.after = next;
    return { item: { type: 'list', sessions, isFirst, isLast }, isLast };
  }

  protected heard(frame: ServerFrame): boolean {
    if (frame.t !== 'session' && frame.t !== 'deleted') return false;
    const session = frame.t === 'session' ? frame.info.id : frame.session;
    // Deleted first, so that the map's order is the order of the latest changes.
    this.changes.delete(session);
    this.changes.set(
      session,
      frame.t === 'session' ? { type: 'session', info: frame.info } : { type: 'deleted', session },
    );
    return true;
  }

  protected news(): WatchEvent | undefined {
    const [first] = this.changes;
    if (first === undefined) return undefined;
    this.changes.delete(first[0]);
    return first[1];
  }

  protected forgetNews(): void {
    this.after = null;
    this.changes.clear();
  }
}
