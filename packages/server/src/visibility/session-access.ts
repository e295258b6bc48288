// Access checks of sessions. The only file of this folder that has all sessions: every surface gets `SeenSessions`, the
// part that its principal may see.

import type { ServerResponse } from 'node:http';
import {
  allows,
  BinnacleError,
  type CreateSession,
  type SessionId,
  type SessionInfo,
  type SessionList,
  type SessionQuery,
} from '@binnacle/protocol';
import type { Principal } from '../access/principal.ts';
import type { Entry } from '../log/log.ts';
import type { Session, SessionListener } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { SessionFilter } from '../store/sessions.ts';
import { entryForGuests, infoForGuests } from './guest-view.ts';

/** The fields of a principal that decide which sessions it sees. */
export type SessionViewer = Pick<Principal, 'user' | 'scope' | 'guest'>;

/**
 * Tells whether a principal may see the sessions of a conversation. Called at each check, so the answer may change.
 * Must not throw.
 */
export type MayAccess = (conversation: string, who: SessionViewer) => boolean;

/** Default without conversations: only admins see sessions of a conversation. */
const onlyAdmins: MayAccess = (_, who) => allows(who.scope, 'admin');

declare const brand: unique symbol;
/** A response that ends when its viewer may no longer see its session. Only `SeenSessions.takeOver` makes one. */
export type SeenResponse = ServerResponse & { readonly [brand]: 'SeenResponse' };

interface OpenView {
  readonly principal: SessionViewer;
  readonly session: Session;
  readonly close: (why: BinnacleError) => void;
}

export class SessionAccess {
  readonly #sessions: Sessions;
  readonly #mayAccess: MayAccess;
  /** Open views, by conversation. Sessions without a conversation are visible as long as the token lives. */
  readonly #open = new Map<string, Set<OpenView>>();

  constructor(sessions: Sessions, mayAccess: MayAccess = onlyAdmins) {
    this.#sessions = sessions;
    this.#mayAccess = mayAccess;
  }

  seenBy(principal: SessionViewer): SeenSessions {
    return new SeenSessions(this.#sessions, {
      isGuest: principal.guest !== null,
      isSeen: (record) => this.#isSeen(record, principal),
      hold: (session, close) => this.#hold({ principal, session, close }),
    });
  }

  /** Ends the open views of a conversation's sessions for users who may no longer see the conversation. */
  recheck(conversation: string): void {
    for (const view of [...(this.#open.get(conversation) ?? [])]) this.#recheckView(view);
  }

  /** Counts the open views of a conversation's sessions, for all users. */
  countOpen(conversation: string): number {
    return this.#open.get(conversation)?.size ?? 0;
  }

  #isSeen(record: Parameters<SessionFilter>[0], who: SessionViewer): boolean {
    const { conversation, hidden } = record;
    if (who.guest === null) return !hidden && (conversation === null || this.#mayAccess(conversation, who));
    return who.guest.seesSession(record, {
      maker: (maker) => this.#isSeen(record, { ...maker, guest: null }),
      conversation: (shared) => this.#mayAccess(shared, who),
    });
  }

  #hold(view: OpenView): () => void {
    const { conversation } = view.session.record;
    if (conversation === null) return () => undefined;
    const views = this.#open.get(conversation) ?? new Set();
    this.#open.set(conversation, views);
    views.add(view);
    // Access may have changed since the session was looked up.
    queueMicrotask(() => this.#recheckView(view));
    return () => this.#drop(view);
  }

  #recheckView(view: OpenView): void {
    if (this.#isSeen(view.session.record, view.principal)) return;
    if (this.#drop(view)) view.close(new BinnacleError('session_not_found'));
  }

  /** Removes an open view. Returns false if it was removed before. */
  #drop(view: OpenView): boolean {
    const conversation = view.session.record.conversation ?? '';
    const views = this.#open.get(conversation);
    const isOpen = views?.delete(view) ?? false;
    if (views?.size === 0) this.#open.delete(conversation);
    return isOpen;
  }
}

interface SessionVisibility {
  readonly isGuest: boolean;
  readonly isSeen: SessionFilter;
  hold(session: Session, close: (why: BinnacleError) => void): () => void;
}

/** The sessions that one principal may see. All other sessions behave as if they had never existed. */
export class SeenSessions {
  readonly #sessions: Sessions;
  readonly #visibility: SessionVisibility;

  constructor(sessions: Sessions, visibility: SessionVisibility) {
    this.#sessions = sessions;
    this.#visibility = visibility;
  }

  /** Filter for queries over many sessions. */
  get isSeen(): SessionFilter {
    return this.#visibility.isSeen;
  }

  /** Throws `session_not_found`, and `session_gone` for a deleted session. */
  get(id: string): Session {
    return this.#sessions.get(id, this.#visibility.isSeen);
  }

  /** Tells whether the principal sees the session. True also for a deleted session that the principal could see. */
  has(id: string): boolean {
    try {
      this.get(id);
      return true;
    } catch (error) {
      if (!(error instanceof BinnacleError)) throw error;
      return error.code !== 'session_not_found';
    }
  }

  /** True for a guest of a share link, who sees nothing of how a program was started. */
  get isGuest(): boolean {
    return this.#visibility.isGuest;
  }

  async info(id: string): Promise<SessionInfo> {
    return this.#shown(await this.#sessions.info(this.get(id).id));
  }

  /** Returns the session's last known state. */
  infoOf(session: Session): SessionInfo {
    return this.#shown(session.info);
  }

  /** Returns an entry of a session's log as this principal may see it. */
  entryOf(entry: Entry): Entry {
    return this.isGuest ? entryForGuests(entry) : entry;
  }

  async list(query: SessionQuery): Promise<SessionList> {
    const { sessions, next } = await this.#sessions.list(query, this.#visibility.isSeen);
    return { sessions: sessions.map((info) => this.#shown(info)), next };
  }

  /** Throws the errors of `Sessions.create`. */
  async create(
    spec: CreateSession,
    options: { readonly id?: SessionId; readonly isShell?: boolean; readonly orPipes?: boolean } = {},
  ): Promise<Session> {
    return await this.#sessions.create(spec, options);
  }

  async delete(id: string): Promise<void> {
    await this.#sessions.delete(this.get(id).id);
  }

  /** Notifies the listener of every change of any session that the principal sees at that time. */
  watch({ changed, deleted, ran }: SessionListener): () => void {
    const ifSeen =
      <T extends unknown[]>(notify: ((session: Session, ...more: T) => void) | undefined) =>
      (session: Session, ...more: T): void => {
        if (this.#visibility.isSeen(session.record)) notify?.(session, ...more);
      };
    return this.#sessions.watch({ changed: ifSeen(changed), deleted: ifSeen(deleted), ran: ifSeen(ran) });
  }

  /**
   * Watches an open view. Calls `close` once, with `session_not_found`, when the principal may no longer see the
   * session; never in the event-loop turn of this call. Returns the function that ends the watch.
   */
  hold(session: Session, close: (why: BinnacleError) => void): () => void {
    return this.#visibility.hold(session, close);
  }

  #shown(info: SessionInfo): SessionInfo {
    return this.isGuest ? infoForGuests(info) : info;
  }

  /**
   * Wraps `RouteContext.takeOver` for responses that show a session: destroys the response when access ends. Throws
   * `session_not_found` if access has ended since the session was looked up.
   */
  takeOver(session: Session, takeOver: () => ServerResponse): SeenResponse {
    this.get(session.id);
    const response = takeOver();
    const letGo = this.hold(session, () => response.destroy());
    response.once('close', letGo);
    // Closed during the check of the request: no further `close` event will come.
    if (response.destroyed) letGo();
    return response as SeenResponse;
  }
}
