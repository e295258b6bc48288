// Who may see which session. The one file of this folder that has all of them: everything that answers somebody gets
// what that principal may see, and can reach no more.

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

/** What decides on what somebody sees. */
export type Seer = Pick<Principal, 'user' | 'scope' | 'reach'>;

/** Whether somebody may see the sessions of a conversation: asked each time, so it may change. Must not throw. */
export type MayAccess = (conversation: string, who: Seer) => boolean;

/** Where nobody knows of conversations. */
const onlyAdmins: MayAccess = (_, who) => allows(who.scope, 'admin');

declare const brand: unique symbol;
/** A response that ends when its viewer may not see its session any more. Only `SeenSessions.takeOver` makes one. */
export type SeenResponse = ServerResponse & { readonly [brand]: 'SeenResponse' };

interface Look {
  readonly principal: Seer;
  readonly session: Session;
  readonly close: (why: BinnacleError) => void;
}

export class SessionAccess {
  readonly #sessions: Sessions;
  readonly #mayAccess: MayAccess;
  /** What is open, by conversation. Sessions without one are seen as long as the token lives. */
  readonly #open = new Map<string, Set<Look>>();

  constructor(sessions: Sessions, mayAccess: MayAccess = onlyAdmins) {
    this.#sessions = sessions;
    this.#mayAccess = mayAccess;
  }

  seenBy(principal: Seer): SeenSessions {
    return new SeenSessions(this.#sessions, {
      isGuest: principal.reach !== null,
      isSeen: (record) => this.#isSeen(record, principal),
      hold: (session, close) => this.#hold({ principal, session, close }),
    });
  }

  /** Who may see a conversation has changed: ends what is open of its sessions for those who may not any more. */
  recheck(conversation: string): void {
    for (const look of [...(this.#open.get(conversation) ?? [])]) this.#look(look);
  }

  /** How much is open of the sessions of a conversation, for whomever. */
  countOpen(conversation: string): number {
    return this.#open.get(conversation)?.size ?? 0;
  }

  #isSeen(record: Parameters<SessionFilter>[0], who: Seer): boolean {
    const { id, conversation, hidden } = record;
    const { reach } = who;
    if (reach !== null && reach.kind === 'session') {
      // Of the one that it was shared, no more than whoever shared it sees now.
      return id === reach.id && this.#isSeen(record, { ...reach.maker, reach: null });
    }
    if (hidden) return false;
    if (conversation === null) return reach === null;
    return (reach === null || conversation === reach.id) && this.#mayAccess(conversation, who);
  }

  #hold(look: Look): () => void {
    const { conversation } = look.session.record;
    if (conversation === null) return () => undefined;
    const looks = this.#open.get(conversation) ?? new Set();
    this.#open.set(conversation, looks);
    looks.add(look);
    // It may have changed since the session was looked up.
    queueMicrotask(() => this.#look(look));
    return () => this.#drop(look);
  }

  #look(look: Look): void {
    if (this.#isSeen(look.session.record, look.principal)) return;
    if (this.#drop(look)) look.close(new BinnacleError('session_not_found'));
  }

  /** False when it was dropped before. */
  #drop(look: Look): boolean {
    const conversation = look.session.record.conversation ?? '';
    const looks = this.#open.get(conversation);
    const isOpen = looks?.delete(look) ?? false;
    if (looks?.size === 0) this.#open.delete(conversation);
    return isOpen;
  }
}

interface Sight {
  readonly isGuest: boolean;
  readonly isSeen: SessionFilter;
  hold(session: Session, close: (why: BinnacleError) => void): () => void;
}

/** The sessions as one principal sees them. Those that it may not see are answered like those that never were. */
export class SeenSessions {
  readonly #sessions: Sessions;
  readonly #sight: Sight;

  constructor(sessions: Sessions, sight: Sight) {
    this.#sessions = sessions;
    this.#sight = sight;
  }

  /** For what asks of many sessions at once. */
  get isSeen(): SessionFilter {
    return this.#sight.isSeen;
  }

  /** Throws `session_not_found`, and `session_gone` for one that was deleted. */
  get(id: string): Session {
    return this.#sessions.get(id, this.#sight.isSeen);
  }

  /** True for a deleted one as well, for those who saw it. */
  has(id: string): boolean {
    try {
      this.get(id);
      return true;
    } catch (error) {
      if (!(error instanceof BinnacleError)) throw error;
      return error.code !== 'session_not_found';
    }
  }

  /** True for a guest of a share link, who is shown nothing of how a program was started. */
  get isGuest(): boolean {
    return this.#sight.isGuest;
  }

  async info(id: string): Promise<SessionInfo> {
    return this.#shown(await this.#sessions.info(this.get(id).id));
  }

  /** Returns the session as it is known now. */
  infoOf(session: Session): SessionInfo {
    return this.#shown(session.info);
  }

  /** An entry of a session's log, as it is shown. */
  entryOf(entry: Entry): Entry {
    return this.isGuest ? entryForGuests(entry) : entry;
  }

  async list(query: SessionQuery): Promise<SessionList> {
    const { sessions, next } = await this.#sessions.list(query, this.#sight.isSeen);
    return { sessions: sessions.map((info) => this.#shown(info)), next };
  }

  /** Throws what `Sessions.create` throws. */
  async create(
    asked: CreateSession,
    options: { readonly id?: SessionId; readonly isShell?: boolean; readonly orPipes?: boolean } = {},
  ): Promise<Session> {
    return await this.#sessions.create(asked, options);
  }

  async delete(id: string): Promise<void> {
    await this.#sessions.delete(this.get(id).id);
  }

  /** Tells of every change of any session that is seen then. */
  watch({ changed, deleted, ran }: SessionListener): () => void {
    const ifSeen =
      <T extends unknown[]>(tell: ((session: Session, ...more: T) => void) | undefined) =>
      (session: Session, ...more: T): void => {
        if (this.#sight.isSeen(session.record)) tell?.(session, ...more);
      };
    return this.#sessions.watch({ changed: ifSeen(changed), deleted: ifSeen(deleted), ran: ifSeen(ran) });
  }

  /**
   * Watches over what stays open: `close` is called once, with `session_not_found`, when the session is not seen any
   * more, never in the turn of this call. Returns what ends the watch.
   */
  hold(session: Session, close: (why: BinnacleError) => void): () => void {
    return this.#sight.hold(session, close);
  }

  #shown(info: SessionInfo): SessionInfo {
    return this.isGuest ? infoForGuests(info) : info;
  }

  /** As `RouteContext.takeOver`, for answers that show a session: cut when it is not seen any more. */
  takeOver(session: Session, takeOver: () => ServerResponse): SeenResponse {
    const response = takeOver();
    const letGo = this.hold(session, () => response.destroy());
    response.once('close', letGo);
    // Gone while the request was looked at: it will not be closed once more.
    if (response.destroyed) letGo();
    return response as SeenResponse;
  }
}
