// The multiplexed WebSocket of one viewer: parses and executes its frames. The only writer to its socket.

import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  allows,
  BinnacleError,
  type ClientFrame,
  CODES,
  type Code,
  type OkResult,
  PROTOCOL_VERSION,
  parseSignal,
  type Scope,
  type ServerBody,
} from '@binnacle/protocol';
import type { WebSocket } from 'ws';
import type { Principal } from '../../access/principal.ts';
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
import type { LiveConnection, Liveness } from '../stream/liveness.ts';
import { parseClientFrame } from './client-frames.ts';
import { ConversationChannel } from './conversation-channel.ts';
import { type EncodedFrame, tail } from './encode.ts';
import { FrameOrder } from './frame-order.ts';
import { LeaseChannel } from './lease-channel.ts';
import { Subscriptions } from './subscriptions.ts';

/** Maximum requests of one viewer in progress. At the limit the socket is not read until a request completes. */
const MAX_UNDER_WAY = 64;
/**
 * Maximum bytes sent per event-loop turn: one page. Then other sockets are served. The kernel accepts 4 MiB for a
 * client that reads nothing; while 200 such sockets fill, healthy clients wait for all of them. 1 MiB doubled that
 * delay.
 */
const SLICE_BYTES = 64 * 1024;
/**
 * Maximum bytes of replies and notifications that a slow viewer leaves unread. Output waits in the log; these frames
 * have no other buffer.
 */
const MAX_UNTAKEN_BYTES = 1024 * 1024;
/** Maximum wait for the peer's close frame. A close frame that takes longer never arrives. */
const CLOSE_MS = 1000;

type FrameOf<T extends ClientFrame['t']> = Extract<ClientFrame, { t: T }>;

export interface ConnectionParts {
  /** The sessions that the principal may see. */
  readonly seen: SeenSessions;
  readonly conversations: Conversations;
  readonly notices: Notices;
  readonly screens: SessionScreens;
  readonly liveness: Liveness;
  readonly maxSubscriptions: number;
  readonly watchers: Watchers;
  readonly focus: UserFocus;
  /** Calls `close` when the principal loses access; see `Auth.hold`. */
  hold(principal: Principal, close: (why: BinnacleError) => void): () => void;
  onClose(): void;
}

export class Connection implements LiveConnection {
  readonly id = randomUUID();
  readonly #ws: WebSocket;
  readonly #socket: Socket;
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
  readonly #release: (() => void)[];
  readonly #notices: Notices;
  readonly #focus: ReturnType<UserFocus['join']>;
  #unwatch: (() => void) | undefined;
  #unwatchNotices: (() => void) | undefined;
  #seq = 0;
  #underWay = 0;
  #sentInSlice = 0;
  #untakenBytes = 0;
  #isOver = false;
  heardAt = performance.now();
  fullSince: number | undefined;

  constructor(ws: WebSocket, socket: Socket, principal: Principal, parts: ConnectionParts) {
    this.#ws = ws;
    this.#socket = socket;
    this.#principal = principal;
    this.#seen = parts.seen;
    this.#notices = parts.notices;
    this.#focus = parts.focus.join(principal.user);
    this.#conversationChannel = new ConversationChannel({
      conversations: parts.conversations,
      viewer: principal,
      maxFollows: parts.maxSubscriptions,
      show: (body) => !this.#isOver && this.send(tail(body)),
      say: (body) => this.#say(body),
      ok: (ref, result) => this.#ok(ref, result),
      refuse: (ref, error, conversation) => this.#refuse(ref, error, { conversation }),
    });
    this.#presence = new ConnectionPresence({
      ...{ watchers: parts.watchers, connection: this.id, principal },
      hasRoom: () => !this.#isOver && !this.#socket.writableNeedDrain,
      say: (body) => this.#say(body),
    });
    this.#leaseChannel = new LeaseChannel({
      ...{ connection: this.id, principal, seen: parts.seen, watchers: parts.watchers, presence: this.#presence },
      isFollowing: (session) => this.#subscriptions.has(session),
      lost: (session, why) => {
        this.#subscriptions.drop(session);
        this.#refuse(undefined, why, { session });
      },
      say: (body) => this.#say(body),
      ok: (ref, result) => this.#ok(ref, result),
    });
    const { screens, maxSubscriptions } = parts;
    this.#subscriptions = new Subscriptions({
      ...{ principal, seen: parts.seen, screens, maxSubscriptions },
      isFull: () => this.#socket.writableNeedDrain,
      send: (frame, sent) => this.send(frame, sent),
      say: (body) => this.#say(body),
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
    this.#release = [
      parts.liveness.watch(this),
      parts.hold(principal, (why) => this.close(why.code)),
      () => this.#focus.end(),
      () => parts.onClose(),
    ];
    socket.on('drain', this.#socketOnDrain);
    ws.on('message', (data, isBinary) => this.#wsOnMessage(data as Buffer, isBinary));
    // A ping proves that the client is alive; ws answers it.
    ws.on('ping', () => {
      this.heardAt = performance.now();
    });
    ws.on('close', () => this.#wsOnClose());
    // Raised for a malformed frame. ws closes with the fitting code (1002, 1007, 1009) and then waits long for the
    // peer's close frame; the timer cuts that wait.
    ws.on('error', () => {
      this.#stop();
      setTimeout(() => this.#ws.terminate(), CLOSE_MS).unref();
    });
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

  send(frame: EncodedFrame, sent?: () => void): boolean {
    this.#seq += 1;
    this.#ws.send(typeof frame === 'string' ? `{"seq":${this.#seq},${frame}` : frame, sent);
    this.#sentInSlice += frame.length;
    if (!this.#socket.writableNeedDrain) return true;
    this.fullSince ??= performance.now();
    return false;
  }

  ping(): void {
    this.#say({ t: 'ping', time: Date.now() });
  }

  cut(code: Extract<Code, 'no_pong' | 'too_slow' | 'going_away'>): void {
    this.close(code);
  }

  /** True while this connection holds the lease of any session. */
  get isDriving(): boolean {
    return this.#leaseChannel.isDriving;
  }

  /** Closes the socket with the close code and the reason. */
  close(code: Code): void {
    if (this.#isOver) return;
    this.#stop();
    const row = CODES[code];
    this.#ws.close('close' in row ? row.close : 1011, code);
    setTimeout(() => this.#ws.terminate(), CLOSE_MS).unref();
  }

  #say(body: ServerBody): boolean {
    if (this.#isOver) return false;
    const frame = tail(body);
    if (this.send(frame)) return true;
    this.#untakenBytes += frame.length;
    if (this.#untakenBytes > MAX_UNTAKEN_BYTES) this.close('too_slow');
    return false;
  }

  #ok(ref: number | undefined, result?: OkResult): void {
    this.#say({ t: 'ok', ...(ref === undefined ? {} : { ref }), ...(result === undefined ? {} : { result }) });
  }

  #refuse(ref: number | undefined, error: unknown, about: ReplyContext = {}): void {
    const known = BinnacleError.of(this.#principal.guest?.errorOf(error) ?? error);
    const { session, conversation } = about;
    this.#say({
      t: 'error',
      ...(ref === undefined ? {} : { ref }),
      ...(session === undefined ? {} : { session }),
      ...(conversation === undefined ? {} : { conversation }),
      error: known.toWire(),
    });
  }

  readonly #socketOnDrain = (): void => {
    // The socket of a fast reader drains within the same event-loop turn. Without this pause that reader would starve
    // all others.
    if (this.#sentInSlice > SLICE_BYTES) setImmediate(this.#resume);
    else this.#resume();
  };

  readonly #resume = (): void => {
    this.#sentInSlice = 0;
    this.#untakenBytes = 0;
    this.fullSince = undefined;
    this.#presence.resume();
    this.#conversationChannel.resume();
    this.#subscriptions.resume();
  };

  #wsOnMessage(data: Buffer, isBinary: boolean): void {
    this.heardAt = performance.now();
    if (this.#isOver) return;
    if (isBinary) {
      this.#refuse(undefined, new BinnacleError('protocol_error', { message: 'Clients send JSON frames.' }));
      return;
    }
    const frame = parseClientFrame(data.toString());
    if (frame.t === 'bad') {
      this.#refuse(frame.ref, frame.error);
      return;
    }
    try {
      const working = this.#handle(frame);
      if (working !== undefined) this.#follow(working, frame);
    } catch (error) {
      this.#refuse('ref' in frame ? frame.ref : undefined, error, aboutOf(frame));
    }
  }

  #follow(working: Promise<void>, frame: ClientFrame): void {
    this.#underWay += 1;
    if (this.#underWay === MAX_UNDER_WAY) this.#ws.pause();
    working
      .catch((error: unknown) => this.#refuse('ref' in frame ? frame.ref : undefined, error, aboutOf(frame)))
      .finally(() => {
        if (this.#underWay === MAX_UNDER_WAY) this.#ws.resume();
        this.#underWay -= 1;
      });
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
        this.#watch(frame.on);
        this.#ok(frame.ref);
        return undefined;
      case 'watch_notices':
        this.#watchNotices(frame.on);
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
        this.#say({
          t: 'pong',
          ...(frame.ref === undefined ? {} : { ref: frame.ref }),
          time: frame.time,
          serverTime: Date.now(),
        });
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

  #watch(on: boolean): void {
    this.#unwatch?.();
    this.#unwatch = on
      ? this.#seen.watch({
          changed: (session) => this.#say({ t: 'session', info: this.#seen.infoOf(session) }),
          deleted: (session) => this.#say({ t: 'deleted', session: session.id }),
        })
      : undefined;
  }

  #watchNotices(on: boolean): void {
    this.#unwatchNotices?.();
    this.#unwatchNotices = on ? this.#notices.listen((notice) => this.#say({ t: 'notice', notice })) : undefined;
  }

  #wsOnClose(): void {
    this.#stop();
    for (const release of this.#release) release();
  }

  #stop(): void {
    this.#isOver = true;
    this.#conversationChannel.stop();
    this.#unwatch?.();
    this.#unwatchNotices?.();
    this.#subscriptions.stop();
    this.#leaseChannel.stop();
    this.#presence.stop();
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
