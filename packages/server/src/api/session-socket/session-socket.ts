// WebSocket to a single session, for its only writer or a viewer: GET /ws/session/:id?since=&pty=1 of the sandbox
// daemon. dialect.ts has the frame formats; api/opensandbox/pty-socket.ts is another dialect.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import {
  allows,
  BinnacleError,
  isOutput,
  type Lease,
  type OutputKind,
  type Position,
  parseOffset,
  parseSignal,
} from '@binnacle/protocol';
import type { WebSocket, WebSocketServer } from 'ws';
import type { Auth } from '../../access/auth.ts';
import type { Principal } from '../../access/principal.ts';
import { partialCharactersAt } from '../../cursor/partial-characters.ts';
import type { Gap } from '../../cursor/pump.ts';
import { positionOf } from '../../cursor/start-position.ts';
import type { Entry, Page } from '../../log/log.ts';
import { watcherOf } from '../../presence/connection-presence.ts';
import type { Watchers } from '../../presence/presence.ts';
import type { Session, Steering } from '../../sessions/session.ts';
import type { SeenSessions, SessionAccess } from '../../visibility/session-access.ts';
import type { ServerFrame } from '../schemas/session-frames.ts';
import type { Liveness } from '../stream/liveness.ts';
import { type Codec, LogStream } from '../stream/log-stream.ts';
import { SocketPeer, type SocketProtocol } from '../stream/socket-peer.ts';
import type { Frame } from '../stream/wire.ts';
import { type Encoding, JsonDialect, type OutgoingFrame, type ProgramExit, type SocketDialect } from './dialect.ts';

/**
 * Delay from the last output after the exit to the exit frame. Without a limit, orphaned children could hold the output
 * open for ever.
 */
const LINGER_MS = 1000;

export interface CompatParts {
  readonly access: SessionAccess;
  readonly liveness: Liveness;
  readonly auth: Auth;
  readonly server: WebSocketServer;
  readonly watchers: Watchers;
  join(): () => void;
}

export interface CompatUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
  readonly principal: Principal;
  readonly id: string;
}

/**
 * Attaches a client to a session. Every refusal comes before the upgrade: unknown session, bad `since`, and 409 for a
 * second writer (`takeover=1` takes the lease instead). Without `since` all stored output is sent as `stdout` and
 * `stderr`; with `since`, output up to now is sent as `replay`. `encoding=base64`: exact bytes. `pty` is ignored: the
 * session knows its mode.
 */
export async function attachCompat(parts: CompatParts, upgrade: CompatUpgrade): Promise<void> {
  const { request, socket, head, principal } = upgrade;
  const query = new URL(request.url ?? '', 'http://localhost').searchParams;
  const seen = parts.access.seenBy(principal);
  const session = seen.get(upgrade.id);
  checkHandshake(request);
  await session.refresh();
  const log = session.log;
  const sinces = query.getAll('since');
  if (sinces.length > 1) throw new BinnacleError('bad_offset', { message: 'since was given twice.' });
  const [since] = sinces;
  const at = await positionOf(log, since === undefined ? 'start' : { offset: parseOffset(since) });
  const replayUntil = since === undefined ? at.offset : log.head.offset;
  const encoding = encodingIn(query);
  // Two streams share one offset: one of them may be inside a character at the offset where the other was cut.
  const isMore = session.isHosted || at.offset < log.head.offset;
  const isInside = since !== undefined && encoding === 'text' && session.record.spec.mode === 'pipe' && isMore;
  const incompleteBytes = isInside ? await partialCharactersAt(log, at.offset) : undefined;
  const lease = await acquireLease(session, principal, query.get('takeover') === '1');
  let isUpgraded = false;
  // Access may have ended since the session was looked up.
  if (!seen.has(session.id)) {
    releaseLease(session, lease);
    throw new BinnacleError('session_not_found');
  }
  parts.server.handleUpgrade(request, socket, head, (ws) => {
    isUpgraded = true;
    const dialect = new JsonDialect(encoding, at.offset, incompleteBytes);
    const isReadOnly = !allows(principal.scope, 'input');
    new SessionSocket({ ws, socket, session, principal, seen, at, replayUntil, lease, isReadOnly, dialect, parts });
  });
  // The handshake was refused, or the client has disconnected meanwhile: no one is left to hold the lease.
  if (!isUpgraded) releaseLease(session, lease);
}

/** Returns the encoding in the query. Throws `bad_request`. */
function encodingIn(query: URLSearchParams): Encoding {
  const encoding = query.get('encoding') ?? 'text';
  if (encoding === 'text' || encoding === 'base64') return encoding;
  throw new BinnacleError('bad_request', { message: 'encoding is text or base64.' });
}

/** Checks the handshake first, so that a failing handshake takes no lease. Throws `bad_request`. */
export function checkHandshake(request: IncomingMessage): void {
  const { 'sec-websocket-key': key = '', 'sec-websocket-version': version } = request.headers;
  if (/^[+/0-9A-Za-z]{22}==$/.test(key) && (version === '13' || version === '8')) return;
  throw new BinnacleError('bad_request', { message: 'This is not a handshake of WebSocket version 13.' });
}

export function releaseLease(session: Session, lease: Lease | undefined): void {
  if (lease === undefined) return;
  try {
    session.lease.release(lease.lease);
  } catch {
    // The lease was taken over or has expired, so there is nothing to release.
  }
}

/** Acquires the lease: a client that may write writes alone. A read-only viewer acquires none. */
export async function acquireLease(session: Session, principal: Principal, take: boolean): Promise<Lease | undefined> {
  if (!allows(principal.scope, 'input') || session.isForeign) return undefined;
  try {
    return await session.lease.acquire(principal.name, { take });
  } catch (error) {
    // The session has ended; its output can still be read.
    if (error instanceof BinnacleError && error.code === 'session_exited') return undefined;
    if (!(error instanceof BinnacleError) || error.code !== 'lease_held') throw error;
    throw new BinnacleError('already_connected', {
      ...(error.details === undefined ? {} : { details: { ...error.details } }),
    });
  }
}

export interface SocketParts {
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly session: Session;
  readonly principal: Principal;
  readonly seen: SeenSessions;
  readonly at: Position;
  readonly replayUntil: number;
  readonly lease: Lease | undefined;
  /** True for a client that writes nothing, whatever its token allows. */
  readonly isReadOnly: boolean;
  readonly dialect: SocketDialect;
  readonly parts: CompatParts;
}

export class SessionSocket implements SocketProtocol {
  readonly #parts: SocketParts;
  readonly #peer: SocketPeer;
  readonly #stream: LogStream;
  readonly #release: (() => void)[];
  #lingering: NodeJS.Timeout | undefined;

  constructor(socketParts: SocketParts) {
    const { session, principal, seen, at, dialect, parts } = socketParts;
    this.#parts = socketParts;
    const { ws, socket } = socketParts;
    const peer = { ws, socket, principal, liveness: parts.liveness };
    this.#peer = new SocketPeer(
      { ...peer, hold: (who, close) => parts.auth.hold(who, close), reasonOf: (code) => dialect.reason(code) },
      this,
    );
    const codec = new SessionCodec(socketParts);
    this.#stream = new LogStream({
      ...{ log: session.log, at, codec, wire: this.#peer },
      caughtUp: () => {
        if (codec.hasExit) this.#lingering ??= setTimeout(() => this.#stream.finish(), LINGER_MS);
      },
      over: (error) => {
        if (error === undefined) this.#peer.end(1000, dialect.reason('exit'));
        else this.#fail(BinnacleError.of(error));
      },
    });
    // Adds a presence entry. `maySteer` is false, because this protocol has no frames for a hand-over of the lease.
    const entry = parts.watchers.join(session.id, { ...watcherOf(principal, session), maySteer: false });
    this.#release = [
      () => entry.leave(),
      parts.join(),
      seen.hold(session, (why) => this.#fail(why)),
      session.listen({
        changed: () => this.#sessionOnChange(),
        deleted: () => this.#fail(new BinnacleError('session_gone')),
      }),
    ];
    this.#peer.begin();
    this.#stream.push(codec.beginning());
    this.#stream.start();
  }

  resume(): void {
    this.#stream.resume();
  }

  ping(): void {
    const { ping } = this.#parts.dialect;
    if (ping !== undefined) this.#peer.write(frameOf(ping));
    this.#peer.pingSocket();
  }

  stop(): void {
    clearTimeout(this.#lingering);
    this.#stream.stop();
  }

  closed(): void {
    for (const release of this.#release) release();
    releaseLease(this.#parts.session, this.#parts.lease);
  }

  received(data: Buffer, isBinary: boolean): void {
    const { session, dialect } = this.#parts;
    const frame = dialect.parse(data, isBinary);
    try {
      switch (frame.type) {
        case 'invalid':
          this.#answer({ type: 'error', code: 'INVALID_FRAME', error: frame.why });
          return;
        case 'ping':
          this.#answer({ type: 'pong' });
          return;
        case 'pong':
          return;
        case 'stdin':
          this.#follow(session.write(frame.bytes, this.#by()));
          return;
        case 'resize':
          this.#follow(session.resize(frame.cols, frame.rows, this.#by()));
          return;
        case 'signal': {
          const signal = parseSignal(frame.signal);
          if (signal === undefined) throw new BinnacleError('unknown_signal');
          this.#follow(session.signal(signal, this.#by()));
        }
      }
    } catch (error) {
      this.#refuse(error);
    }
  }

  #sessionOnChange(): void {
    const { lease, session } = this.#parts;
    if (lease === undefined) return;
    // Reads only: a renewal here would keep a lease alive whose holder is dead.
    const { info } = session.lease;
    if (info !== null && info.fence !== lease.fence) this.#peer.close('taken_over');
  }

  #by(): Steering {
    const { isReadOnly, principal, session, lease } = this.#parts;
    if (isReadOnly) {
      throw new BinnacleError('forbidden', {
        message: 'This connection only watches: writing needs the scope "input".',
      });
    }
    const { name } = principal;
    // The lease expired while its user was idle, and no client took it since (a take-over would have closed this
    // socket): any client may write now.
    const isFree = session.lease.info === null;
    return lease === undefined || isFree ? { name } : { name, lease: lease.lease };
  }

  #follow(working: Promise<unknown>): void {
    this.#peer.follow(working, (error) => this.#refuse(error));
  }

  #refuse(error: unknown): void {
    const known = BinnacleError.of(error);
    this.#answer({ type: 'error', code: known.code.toUpperCase(), error: known.message });
  }

  #fail(error: BinnacleError): void {
    this.#refuse(error);
    this.#peer.close(error.code);
  }

  #answer(frame: ServerFrame): void {
    this.#peer.reply(JSON.stringify(frame));
  }
}

/** Codec of one session in a dialect: replay, `connected`, live output, and the exit behind the last output. */
class SessionCodec implements Codec {
  isOver = false;
  readonly #parts: SocketParts;
  #isReplaying: boolean;
  /** Exit of the program. Sent after the last output, which may come after the exit in the log. */
  #exit: ProgramExit | undefined;

  constructor(parts: SocketParts) {
    this.#parts = parts;
    this.#isReplaying = parts.replayUntil > parts.at.offset;
  }

  /** True if the exit of the program was read. */
  get hasExit(): boolean {
    return this.#exit !== undefined;
  }

  /** Returns the frames before the first entry. */
  beginning(): readonly Frame[] {
    return this.#isReplaying ? [] : [this.#connected()];
  }

  *page(page: Page): Generator<Frame> {
    for (const entry of page.entries) {
      if (isOutput(entry.kind)) yield* this.#output(entry.kind, entry);
      else if (entry.kind === 'exit') this.#exit = JSON.parse(Buffer.from(entry.bytes).toString()) as ProgramExit;
      else if (entry.kind === 'closed') this.isOver = true;
    }
  }

  *gap({ from, to, reason }: Gap): Generator<Frame> {
    // The rest of the character is lost in the gap.
    yield* this.#parts.dialect.rest(this.#isReplaying).map(frameOf);
    yield frameOf(gapFrame(from, to, reason === 'damaged' ? 'is damaged' : 'is no longer kept'));
  }

  *caughtUp(): Generator<Frame> {
    if (this.#isReplaying) yield this.#endReplay();
    if (!this.#parts.session.isHosted) this.isOver = true;
  }

  *ending(): Generator<Frame> {
    const { dialect, session } = this.#parts;
    if (this.#isReplaying) yield this.#endReplay();
    yield* dialect.rest(false).map(frameOf);
    const { exitCode, signal, state } = session.record;
    const isSeen = exitCode !== null || signal !== null;
    const exit = this.#exit ?? (isSeen ? { exitCode, signal } : undefined);
    const error = `The session is ${state}; how it ended was not seen.`;
    yield frameOf(exit === undefined ? { type: 'error', code: 'SESSION_GONE', error } : dialect.exit(exit));
  }

  *#output(kind: OutputKind, { bytes, offset }: Entry): Generator<Frame> {
    const { dialect, replayUntil } = this.#parts;
    const cut = Math.max(0, Math.min(bytes.length, replayUntil - offset));
    if (this.#isReplaying && cut > 0) yield* dialect.output(kind, bytes.subarray(0, cut), offset, true).map(frameOf);
    if (this.#isReplaying && offset + cut >= replayUntil) yield this.#endReplay();
    if (cut < bytes.length) yield* dialect.output(kind, bytes.subarray(cut), offset + cut, false).map(frameOf);
  }

  #endReplay(): Frame {
    this.#isReplaying = false;
    return this.#connected();
  }

  #connected(): Frame {
    const { dialect, session, replayUntil, isReadOnly } = this.#parts;
    return frameOf(dialect.connected(session, replayUntil, isReadOnly));
  }
}

const frameOf = (frame: OutgoingFrame): Frame => (frame instanceof Uint8Array ? frame : JSON.stringify(frame));

const gapFrame = (from: number, to: number, what: string): ServerFrame => ({
  type: 'error',
  code: 'GAP',
  error: `Output from byte ${from} up to ${to} ${what}.`,
  from,
  to,
  offset: to,
});
