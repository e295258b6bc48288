// The multiplexed WebSocket of one viewer: parses and executes its frames.

import { randomUUID } from 'node:crypto';
import {
  allows,
  BinnacleError,
  type ClientFrame,
  defined,
  type OkResult,
  PROTOCOL_VERSION,
  parseSignal,
  type Scope,
  type ServerBody,
} from '@binnacle/protocol';
import type { Principal } from '../../access/principal.ts';
import { Topic } from '../../base/topic.ts';
import { VERSION } from '../../base/version.ts';
import type { Conversations } from '../../conversations/conversations.ts';
import type { FocusTarget, UserFocus } from '../../notifications/focus.ts';
import type { Notices } from '../../plugins/notices.ts';
import { ConnectionPresence } from '../../presence/connection-presence.ts';
import type { Watchers } from '../../presence/presence.ts';
import type { SessionScreens } from '../../screen/session-screens.ts';
import type { Session, Steering } from '../../sessions/session.ts';
import { FRAME_SCOPES } from '../../visibility/frame-scopes.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { type PeerParts, SocketPeer, type SocketProtocol } from '../stream/socket-peer.ts';
import type { Frame, Wire } from '../stream/wire.ts';
import { parseClientFrame } from './client-frames.ts';
import { ConversationChannel } from './conversation-channel.ts';
import { tail } from './entry-codec.ts';
import { LeaseChannel } from './lease-channel.ts';
import { Subscriptions } from './subscriptions.ts';

type FrameOf<T extends ClientFrame['t']> = Extract<ClientFrame, { t: T }>;

export interface ConnectionParts extends PeerParts {
  /** The sessions that the principal may see. */
  readonly seen: SeenSessions;
  readonly conversations: Conversations;
  readonly notices: Notices;
  readonly screens: SessionScreens;
  readonly maxSubscriptions: number;
  readonly watchers: Watchers;
  readonly focus: UserFocus;
  onClose(): void;
}

export class Connection implements SocketProtocol, Wire {
  readonly id = randomUUID();
  readonly #peer: SocketPeer;
  readonly #parts: ConnectionParts;
  readonly #principal: Principal;
  readonly #seen: SeenSessions;
  readonly #conversationChannel: ConversationChannel;
  readonly #subscriptions: Subscriptions;
  /** Last unfinished `subscribe` or `unsubscribe` per session: these frames act in order of arrival. */
  readonly #frameQueues = new Map<string, Promise<void>>();
  /** Order of the frames that steer sessions: input after a take-over is checked against the new lease holder. */
  readonly #order = new FrameOrder();
  readonly #presence: ConnectionPresence;
  readonly #leaseChannel: LeaseChannel;
  readonly #focus: ReturnType<UserFocus['join']>;
  /** Watched lists, by the frame that starts and ends them. */
  readonly #topics: Readonly<Record<'watch' | 'watch_notices', Topic<string | number, ServerBody>>>;
  #seq = 0;

  constructor(parts: ConnectionParts) {
    const { principal, seen, watchers, screens, maxSubscriptions } = parts;
    this.#parts = parts;
    this.#principal = principal;
    this.#seen = seen;
    this.#focus = parts.focus.join(principal.user);
    const say = (body: ServerBody): boolean => this.#say(body);
    const ok = (ref: number | undefined, result?: OkResult): void => this.#ok(ref, result);
    this.#topics = {
      watch: new Topic({
        source: (publish) =>
          seen.watch({
            changed: (session) => publish(session.id, { t: 'session', info: seen.infoOf(session) }),
            deleted: ({ id }) => publish(id, { t: 'deleted', session: id }),
          }),
        send: say,
      }),
      watch_notices: new Topic({
        source: (publish) => parts.notices.listen((notice) => publish(notice.n, { t: 'notice', notice })),
        send: say,
      }),
    };
    this.#conversationChannel = new ConversationChannel({
      ...{ conversations: parts.conversations, viewer: principal, maxFollows: maxSubscriptions, wire: this, say, ok },
      refuse: (ref, error, conversation) => this.#refuse(ref, error, { conversation }),
    });
    this.#presence = new ConnectionPresence({
      ...{ watchers, connection: this.id, principal, say },
      hasRoom: () => !this.#peer.isOver && !this.#peer.isFull,
    });
    this.#leaseChannel = new LeaseChannel({
      ...{ connection: this.id, principal, seen, watchers, presence: this.#presence, say, ok },
      isFollowing: (session) => this.#subscriptions.has(session),
      lost: (session, why) => {
        this.#subscriptions.drop(session);
        this.#refuse(undefined, why, { session });
      },
    });
    this.#subscriptions = new Subscriptions({
      ...{ principal, seen, screens, maxSubscriptions, wire: this, say },
      refuse: (error, session) => this.#refuse(undefined, error, { session }),
      began: (session) => {
        this.#leaseChannel.watch(session);
        this.#presence.take(session);
      },
      left: (session) => {
        this.#presence.leave(session);
        this.#leaseChannel.unwatch(session);
      },
    });
    this.#peer = new SocketPeer(parts, this);
    this.#peer.begin();
    this.#say({
      t: 'hello',
      connection: this.id,
      version: VERSION,
      protocol: PROTOCOL_VERSION,
      time: Date.now(),
      scope: principal.scope,
      heartbeatMs: parts.liveness.times.heartbeatMs,
    });
  }

  get isFull(): boolean {
    return this.#peer.isFull;
  }

  write(frame: Frame, sent?: () => void): void {
    this.#seq += 1;
    this.#peer.write(typeof frame === 'string' ? `{"seq":${this.#seq},${frame}` : frame, sent);
  }

  ping(): void {
    this.#say({ t: 'ping', time: Date.now() });
  }

  resume(): void {
    this.#presence.resume();
    this.#conversationChannel.resume();
    this.#subscriptions.resume();
  }

  received(data: Buffer, isBinary: boolean): void {
    if (isBinary) {
      this.#refuse(undefined, new BinnacleError('protocol_error', { message: 'Clients send JSON frames.' }));
      return;
    }
    const frame = parseClientFrame(data);
    if (frame.t === 'bad') {
      this.#refuse(frame.ref, frame.error);
      return;
    }
    const refuse = (error: unknown): void =>
      this.#refuse('ref' in frame ? frame.ref : undefined, error, aboutOf(frame));
    try {
      const working = this.#handle(frame);
      if (working !== undefined) this.#peer.follow(working, refuse);
    } catch (error) {
      refuse(error);
    }
  }

  stop(): void {
    this.#conversationChannel.stop();
    for (const topic of Object.values(this.#topics)) topic.stop();
    this.#subscriptions.stop();
    this.#leaseChannel.stop();
    this.#presence.stop();
  }

  closed(): void {
    this.#focus.end();
    this.#parts.onClose();
  }

  #say(body: ServerBody): boolean {
    if (this.#peer.isOver) return false;
    const frame = tail(body);
    this.write(frame);
    this.#peer.limitUntaken(frame);
    return !this.#peer.isFull;
  }

  #ok(ref: number | undefined, result?: OkResult): void {
    this.#say({ t: 'ok', ...defined({ ref, result }) });
  }

  #refuse(ref: number | undefined, error: unknown, about: ReplyContext = {}): void {
    const known = BinnacleError.of(this.#principal.guest?.errorOf(error) ?? error);
    const { session, conversation } = about;
    this.#say({ t: 'error', ...defined({ ref, session, conversation }), error: known.toWire() });
  }

  /**
   * Executes a frame. Returns undefined for synchronous work. Input is passed on in this event-loop turn, unless it
   * waits for a lease change, so that messages keep their order.
   */
  #handle(frame: ClientFrame): Promise<void> | undefined {
    this.#principal.guest?.assertFrame(frame);
    this.#requireScope(FRAME_SCOPES[frame.t]);
    switch (frame.t) {
      case 'subscribe':
        return this.#inOrder(frame.session, () => this.#subscriptions.begin(frame));
      case 'unsubscribe':
        if (this.#frameQueues.has(frame.session))
          return this.#inOrder(frame.session, async () => this.#unsubscribe(frame));
        this.#unsubscribe(frame);
        return undefined;
      case 'watch':
      case 'watch_notices':
        this.#topics[frame.t].watch(frame.on);
        this.#ok(frame.ref);
        return undefined;
      case 'look':
        this.#focus.set(focusTargetOf(frame));
        this.#ok(frame.ref);
        return undefined;
      case 'watch_watchers':
        // Runs after the `subscribe` that the client sent before this frame.
        return this.#inOrder(frame.session, async () => {
          this.#presence.watch(frame.session, frame.on);
          this.#ok(frame.ref);
        });
      case 'input':
        return this.#order.run(frame.session, false, async () => await this.#input(frame));
      case 'close_stdin':
        return this.#steer(frame, (session, by) => session.closeInput(by));
      case 'signal': {
        const signal = parseSignal(frame.signal);
        if (signal === undefined) throw new BinnacleError('unknown_signal');
        return this.#steer(frame, (session, by) => session.signal(signal, by));
      }
      case 'resize':
        return this.#steer(frame, (session, by) => session.resize(frame.cols, frame.rows, by));
      case 'lease':
        return this.#lease(frame);
      case 'ping':
        this.#say({ t: 'pong', ...defined({ ref: frame.ref }), time: frame.time, serverTime: Date.now() });
        return undefined;
      case 'pong':
        return undefined;
      case 'follow':
      case 'unfollow':
        // Frames of one conversation act in order of arrival, like `subscribe`.
        return this.#inOrder(frame.conversation, async () => this.#conversationChannel.handle(frame));
      case 'watch_conversations':
      case 'send':
      case 'abort':
      case 'answer':
        return this.#conversationChannel.handle(frame);
    }
  }

  #inOrder(session: string, act: () => Promise<void>): Promise<void> {
    const mine = this.#frameQueues.get(session)?.then(act, act) ?? act();
    this.#frameQueues.set(session, mine);
    const done = () => {
      if (this.#frameQueues.get(session) === mine) this.#frameQueues.delete(session);
    };
    mine.then(done, done);
    return mine;
  }

  #unsubscribe(frame: FrameOf<'unsubscribe'>): void {
    this.#subscriptions.drop(frame.session);
    this.#ok(frame.ref);
  }

  #input(frame: FrameOf<'input'>): Promise<void> {
    const session = this.#seen.get(frame.session);
    const bytes = frame.base64 === undefined ? Buffer.from(frame.text ?? '') : Buffer.from(frame.base64, 'base64');
    if (frame.auto === true && !session.lease.belongsTo(this.id)) {
      // Every viewer's terminal answers the queries of the program. Only the answer of the lease holder is passed on.
      this.#ok(frame.ref, { accepted: 0, duplicate: false, queued: 0 });
      return Promise.resolve();
    }
    const { client, n } = frame;
    const message =
      client !== undefined && n !== undefined ? { client: `${this.#principal.id}:${client}`, n } : undefined;
    return session.write(bytes, this.#steeringOf(frame.lease), message).then((receipt) => this.#ok(frame.ref, receipt));
  }

  #steer(
    frame: FrameOf<'close_stdin' | 'signal' | 'resize'>,
    act: (session: Session, by: Steering) => Promise<void>,
  ): Promise<void> {
    return this.#order.run(frame.session, false, async () => {
      await act(this.#seen.get(frame.session), this.#steeringOf(frame.lease));
      this.#ok(frame.ref);
    });
  }

  #lease(frame: FrameOf<'lease'>): Promise<void> {
    const handle = async (): Promise<void> => {
      await this.#leaseChannel.handle(frame, this.#seen.get(frame.session));
    };
    // A lease request of a follower waits for the subscription that the client sent before the request.
    if (frame.action === 'ask') return this.#inOrder(frame.session, handle);
    return this.#order.run(frame.session, true, handle);
  }

  #steeringOf(lease: string | undefined): Steering {
    const by = { name: this.#principal.name, connection: this.id };
    return lease === undefined ? by : { ...by, lease };
  }

  #requireScope(scope: Scope): void {
    if (allows(this.#principal.scope, scope)) return;
    throw new BinnacleError('forbidden', {
      message: `This needs the scope "${scope}"; the token has "${this.#principal.scope}".`,
      details: { needed: scope, held: this.#principal.scope },
    });
  }
}

/** The subject of a reply or an error, besides the `ref`. */
interface ReplyContext {
  readonly session?: string | undefined;
  readonly conversation?: string | undefined;
}

const aboutOf = (frame: ClientFrame): ReplyContext => ({
  session: 'session' in frame ? frame.session : undefined,
  conversation: 'conversation' in frame ? frame.conversation : undefined,
});

const focusTargetOf = ({ session, conversation }: Extract<ClientFrame, { t: 'look' }>): FocusTarget | undefined =>
  session !== undefined
    ? { kind: 'session', key: session }
    : conversation === undefined
      ? undefined
      : { kind: 'conversation', key: conversation };

/**
 * Execution order of the frames of one connection, per session. A frame that changes the lease runs exclusively, after
 * all earlier frames and before all later frames. Other frames run concurrently. Sessions do not wait for one another.
 */
export class FrameOrder {
  readonly #lanes = new Map<string, Lane>();

  /**
   * Calls `act` in order of arrival: synchronously if no earlier frame blocks it. Settles with the result of `act`.
   * `isAlone`: no other frame of this session runs at the same time.
   */
  run(session: string, isAlone: boolean, act: () => Promise<void>): Promise<void> {
    const lane = this.#lanes.get(session) ?? { last: undefined, beside: new Set<Promise<void>>() };
    this.#lanes.set(session, lane);
    const before = isAlone ? [...lane.beside, ...(lane.last === undefined ? [] : [lane.last])] : lane.last;
    const isFree = before === undefined || (Array.isArray(before) && before.length === 0);
    const mine = isFree ? act() : (Array.isArray(before) ? Promise.all(before) : before).then(act);
    // Later frames wait for the end of this frame, whether it succeeds or fails.
    const settled = mine.then(nothing, nothing);
    if (isAlone) {
      lane.last = settled;
      lane.beside = new Set();
    } else lane.beside.add(settled);
    const { beside } = lane;
    void settled.then(() => {
      beside.delete(settled);
      if (lane.last === settled) lane.last = undefined;
      const isEmpty = lane.last === undefined && lane.beside.size === 0;
      if (isEmpty && this.#lanes.get(session) === lane) this.#lanes.delete(session);
    });
    return mine;
  }
}

interface Lane {
  /** Last exclusive frame, while it runs or waits. */
  last: Promise<void> | undefined;
  /** Concurrent frames after `last`. */
  beside: Set<Promise<void>>;
}

const nothing = (): void => undefined;
