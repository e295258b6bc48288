// The policy for guests of share links: the routes and frames that exist for them, and the sessions and conversations
// that they see. Everything else asks this file.

import { BinnacleError, type ClientFrame, type ConversationInfo } from '@binnacle/protocol';
import type { Reach, ShareKind } from '../store/shares.ts';

/** Target named by the first parameter of the path; `self`: none, the route answers about the guest alone. */
export type RouteTarget = ShareKind | 'self';

/**
 * Routes that show a link's target, or write to it: the one list. For guests, all other routes do not exist. Each needs
 * its usual scope; a link that only views has `view`. `type` is input: no signals, no runs, no commands, no approvals,
 * nothing that ends or names anything.
 */
const ROUTES: Readonly<Record<string, RouteTarget>> = {
  'get /v1/me': 'self',
  'get /v1/shared': 'self',
  'websocket /v1/ws': 'self',
  'get /v1/sessions/:id': 'session',
  'get /v1/sessions/:id/output': 'session',
  'get /v1/sessions/:id/lease': 'session',
  'get /v1/sessions/:id/screen': 'session',
  'get /v1/sessions/:id/timeline': 'session',
  'get /v1/sessions/:id/export': 'session',
  'post /v1/sessions/:id/input': 'session',
  'post /v1/sessions/:id/resize': 'session',
  'get /v1/conversations/:key': 'conversation',
  'get /v1/conversations/:key/messages': 'conversation',
  'get /v1/conversations/:key/messages/:id': 'conversation',
  'get /v1/conversations/:key/runs/:run': 'conversation',
  'get /v1/conversations/:key/events': 'conversation',
  'get /v1/conversations/:key/lease': 'conversation',
  'post /v1/conversations/:key/messages': 'conversation',
};

/**
 * Frames of /v1/ws that guests may send. Names every frame, so that a new frame needs a decision. Frames that write also
 * need the scope `input`. Ids in a frame are looked up with the guest's access, as for any principal.
 */
const FRAMES: Readonly<Record<ClientFrame['t'], boolean>> = {
  ping: true,
  pong: true,
  subscribe: true,
  unsubscribe: true,
  /** Reports changes of visible sessions: only of the shared one. */
  watch: true,
  watch_conversations: true,
  /** Reports the number of watchers, not their names. */
  watch_watchers: true,
  input: true,
  resize: true,
  lease: true,
  follow: true,
  unfollow: true,
  send: true,
  /** Typing has its own keys for these; their other effects are more than typing. */
  signal: false,
  close_stdin: false,
  abort: false,
  answer: false,
  watch_notices: false,
  /** Guests get no notifications. */
  look: false,
};

/** Names of the frames that guests may send. */
export const GUEST_FRAMES: readonly string[] = Object.entries(FRAMES).flatMap(([t, isFree]) => (isFree ? [t] : []));

/**
 * Returns undefined for a route that guests do not reach. `kind`: the method, or `websocket`. `path`: as the route spells
 * it.
 */
export const routeTargetOf = (kind: string, path: string): RouteTarget | undefined =>
  Object.hasOwn(ROUTES, `${kind} ${path}`) ? ROUTES[`${kind} ${path}`] : undefined;

/** Pattern of a command: a message that addresses a plugin, or aborts a run, instead of being text for the agent. */
const ORDER = /^\s*\/[a-z][a-z0-9_-]{0,31}(?:\s|$)/i;

/** Returns the name under which a caller holds a lease. A guest cannot choose another name. */
export const holderNameOf = (
  { name, guest }: { readonly name: string; readonly guest: GuestPolicy | null },
  requested?: string,
): string => (guest === null ? (requested ?? name) : name);

/** Rights of the guests of one share link. A principal without a policy is limited by its scope and user only. */
export class GuestPolicy {
  readonly #reach: Reach;

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  /** Id of the link. */
  get share(): string {
    return this.#reach.share;
  }

  get target(): Pick<Reach, 'kind' | 'id'> {
    const { kind, id } = this.#reach;
    return { kind, id };
  }

  /**
   * Throws the route's own error for an unknown id. The route itself checks again: a conversation has sessions, and
   * access to them can change.
   */
  assertRoute(method: string, path: string, params: unknown): void {
    const { kind, id } = this.#reach;
    const target = routeTargetOf(method, path);
    if (target === undefined) throw new BinnacleError('not_found');
    if (target === 'conversation' && kind !== 'conversation') throw new BinnacleError('conversation_not_found');
    const isOther = (params as { readonly id?: unknown }).id !== id;
    if (target === 'session' && kind === 'session' && isOther) throw new BinnacleError('session_not_found');
  }

  /** Throws `not_found`. */
  assertFrame({ t }: ClientFrame): void {
    if (!FRAMES[t]) throw new BinnacleError('not_found', { message: 'There is no such frame here.' });
  }

  /** Throws `forbidden` for all but plain text, which is what `type` covers. `isStop`: the text would abort a run. */
  assertMessage(message: {
    readonly text: string;
    readonly steer?: string | undefined;
    readonly isStop: boolean;
  }): void {
    const isInterrupt = message.steer === 'interrupt' || message.isStop;
    if (!isInterrupt && !ORDER.test(message.text)) return;
    const what = isInterrupt ? 'interrupt' : 'give commands';
    throw new BinnacleError('forbidden', {
      message: `Guests of a share link may write messages, and not ${what}.`,
      hint: 'Ask whoever shared it.',
    });
  }

  /** A guest sees the shared session, or the sessions of the shared conversation, as far as the link's maker sees them. */
  seesSession(
    session: { readonly id?: string; readonly conversation: string | null; readonly hidden: boolean },
    by: { maker(maker: Reach['maker']): boolean; conversation(id: string): boolean },
  ): boolean {
    const { kind, id, maker } = this.#reach;
    if (kind === 'session') return session.id === id && by.maker(maker);
    return !session.hidden && session.conversation === id && by.conversation(id);
  }

  /** A guest sees the shared conversation as long as the link's maker may see it. */
  seesConversation(conversation: string, byMaker: (maker: Reach['maker']) => boolean): boolean {
    const { kind, id, maker } = this.#reach;
    return kind === 'conversation' && conversation === id && byMaker(maker);
  }

  /** Returns a conversation without its owner and visibility, which a share link does not reveal. */
  conversationOf(info: ConversationInfo): ConversationInfo {
    return { ...info, owner: null, visibility: { kind: 'private' } };
  }

  /** Removes the pid of the process that has a conversation's lease from an error. */
  errorOf(error: unknown): unknown {
    if (!(error instanceof BinnacleError) || error.details?.pid === undefined) return error;
    const { code, message, hint } = error;
    const { pid: _, ...details } = error.details;
    return new BinnacleError(code, { message, hint, details, cause: error });
  }
}
