// WebSocket to a single session, for its only writer or a viewer: GET /ws/session/:id?since=&pty=1 of the sandbox
// daemon. session-wire.ts has the frame formats; api/opensandbox/pty-socket.ts is another dialect.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import {
  allows,
  BinnacleError,
  CODES,
  type Code,
  isOutput,
  type Lease,
  type Position,
  parseOffset,
  parseSignal,
} from '@binnacle/protocol';
import type { WebSocket, WebSocketServer } from 'ws';
import type { Auth } from '../../access/auth.ts';
import type { Principal } from '../../access/principal.ts';
import { Cursor } from '../../cursor/cursor.ts';
import { partialCharactersAt } from '../../cursor/partial-characters.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import { positionOf } from '../../cursor/start-position.ts';
import type { Entry, Page } from '../../log/log.ts';
import { watcherOf } from '../../presence/connection-presence.ts';
import type { Watchers } from '../../presence/presence.ts';
import type { Session, Steering } from '../../sessions/session.ts';
import type { SeenSessions, SessionAccess } from '../../visibility/session-access.ts';
import type { ServerFrame } from '../schemas/session-frames.ts';
import type { LiveConnection, Liveness } from '../stream/liveness.ts';
import { type Encoding, JsonWire, type OutgoingFrame, type ProgramExit, type Wire } from './session-wire.ts';

/**
 * Delay from the last output after the exit to the exit frame. Without a limit, orphaned children could hold the output
 * open for ever.
 */
const LINGER_MS = 1000;
const CLOSE_MS = 1000;
/** Maximum bytes of replies that a stalled viewer leaves unread; output waits in the log. */
const MAX_UNTAKEN_BYTES = 1024 * 1024;

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
  parts.server.handleUpgrade(request, socket, head, (ws) => {
    isUpgraded = true;
    const wire = new JsonWire(encoding, at.offset, incompleteBytes);
    const isReadOnly = !allows(principal.scope, 'input');
    const shown = { ws, socket, session, principal, seen, at, replayUntil, lease, isReadOnly, wire, parts };
    new SessionSocket(shown).start();
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
  readonly wire: Wire;
  readonly parts: CompatParts;
}

export class SessionSocket implements Sink, LiveConnection {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #session: Session;
  readonly #principal: Principal;
  readonly #replayUntil: number;
  readonly #lease: Lease | undefined;
  readonly #isReadOnly: boolean;
  readonly #wire: Wire;
  readonly #pump: Pump;
  readonly #release: (() => void)[];
  /** Exit of the program. Sent after the last output, which may come after the exit in the log. */
  #exit: ProgramExit | undefined;
  #lingering: NodeJS.Timeout | undefined;
  #isReplaying: boolean;
  #untakenBytes = 0;
  #isOver = false;
  heardAt = performance.now();
  fullSince: number | undefined;

  constructor(socketParts: SocketParts) {
    const { ws, socket, session, principal, seen, at, replayUntil, lease, isReadOnly, wire, parts } = socketParts;
    this.#ws = ws;
    this.#socket = socket;
    this.#session = session;
    this.#principal = principal;
    this.#replayUntil = replayUntil;
    this.#lease = lease;
    this.#isReadOnly = isReadOnly;
    this.#wire = wire;
    this.#isReplaying = replayUntil > at.offset;
    this.#pump = new Pump(new Cursor(session.log, at), this);
    // Adds a presence entry. `maySteer` is false, because this protocol has no frames for a hand-over of the lease.
    const entry = parts.watchers.join(session.id, { ...watcherOf(principal, session), maySteer: false });
    this.#release = [
      () => entry.leave(),
      parts.join(),
      parts.liveness.watch(this),
      parts.auth.hold(principal, (why) => this.close(why.code)),
      seen.hold(session, (why) => this.#fail(why)),
      session.listen({
        changed: () => this.#sessionOnChange(),
        deleted: () => this.#fail(new BinnacleError('session_gone')),
      }),
    ];
    socket.on('drain', () => {
      this.fullSince = undefined;
      this.#untakenBytes = 0;
      this.#pump.resume();
    });
    ws.on('message', (data, isBinary) => this.#wsOnMessage(data as Buffer, isBinary));
    // Some clients know only the ping of the WebSocket protocol and answer only that.
    for (const sign of ['ping', 'pong'] as const) {
      ws.on(sign, () => {
        this.heardAt = performance.now();
      });
    }
    ws.on('close', () => this.#wsOnClose());
    // Raised for a malformed frame. ws closes with the fitting code and then waits long for the peer's close frame; the
    // timer cuts that wait.
    ws.on('error', () => {
      this.#stop();
      setTimeout(() => this.#ws.terminate(), CLOSE_MS).unref();
    });
  }

  start(): void {
    if (!this.#isReplaying) this.#sendConnected();
    this.#pump.start();
  }

  page(page: Page): SinkResult {
    let hasRoom = true;
    let isLast = false;
    for (const entry of page.entries) {
      if (isOutput(entry.kind)) hasRoom = this.#output(entry);
      else if (entry.kind === 'exit') this.#exit = JSON.parse(Buffer.from(entry.bytes).toString()) as ProgramExit;
      else if (entry.kind === 'closed') isLast = true;
    }
    if (isLast) return this.#finish();
    if (hasRoom) return 'more';
    this.fullSince ??= performance.now();
    return 'full';
  }

  gap({ from, to, reason }: Gap): SinkResult {
    // The rest of the character is lost in the gap.
    this.#sendAll(this.#wire.rest(this.#isReplaying));
    return this.#send(gapFrame(from, to, reason === 'damaged' ? 'is damaged' : 'is no longer kept')) ? 'more' : 'full';
  }

  caughtUp(): SinkResult {
    if (this.#isReplaying) this.#endReplay();
    if (!this.#session.isHosted) return this.#finish();
    if (this.#exit !== undefined) this.#lingering ??= setTimeout(() => this.#finish(), LINGER_MS);
    return 'more';
  }

  failed(error: unknown): void {
    this.#fail(BinnacleError.of(error));
  }

  ping(): void {
    if (this.#wire.ping !== undefined) this.#send(this.#wire.ping);
    this.#ws.ping();
  }

  cut(code: Extract<Code, 'no_pong' | 'too_slow' | 'going_away'>): void {
    this.close(code);
  }

  close(code: Code): void {
    const row = CODES[code];
    this.#close('close' in row ? row.close : 1011, this.#wire.reason(code));
  }

  #output({ kind, bytes, offset }: Entry): boolean {
    if (!isOutput(kind)) return true;
    const cut = Math.max(0, Math.min(bytes.length, this.#replayUntil - offset));
    let hasRoom = true;
    if (this.#isReplaying && cut > 0) {
      hasRoom = this.#sendAll(this.#wire.output(kind, bytes.subarray(0, cut), offset, true));
    }
    if (this.#isReplaying && offset + cut >= this.#replayUntil) this.#endReplay();
    if (cut < bytes.length) {
      hasRoom = this.#sendAll(this.#wire.output(kind, bytes.subarray(cut), offset + cut, false));
    }
    return hasRoom;
  }

  #endReplay(): void {
    this.#isReplaying = false;
    this.#sendConnected();
  }

  #sendConnected(): void {
    this.#send(this.#wire.connected(this.#session, this.#replayUntil, this.#isReadOnly));
  }

  #finish(): SinkResult {
    if (this.#isOver) return 'done';
    if (this.#isReplaying) this.#endReplay();
    this.#sendAll(this.#wire.rest(false));
    const { exitCode, signal, state } = this.#session.record;
    if (this.#exit !== undefined) this.#send(this.#wire.exit(this.#exit));
    else if (exitCode !== null || signal !== null) this.#send(this.#wire.exit({ exitCode, signal }));
    else
      this.#send({ type: 'error', code: 'SESSION_GONE', error: `The session is ${state}; how it ended was not seen.` });
    this.#close(1000, this.#wire.reason('exit'));
    return 'done';
  }

  #sessionOnChange(): void {
    if (this.#lease === undefined || this.#isOver) return;
    // Reads only: a renewal here would keep a lease alive whose holder is dead.
    const { info } = this.#session.lease;
    if (info !== null && info.fence !== this.#lease.fence) this.close('taken_over');
  }

  #wsOnMessage(data: Buffer, isBinary: boolean): void {
    this.heardAt = performance.now();
    if (this.#isOver) return;
    const frame = this.#wire.parse(data, isBinary);
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
          this.#follow(this.#session.write(frame.bytes, this.#by()));
          return;
        case 'resize':
          this.#follow(this.#session.resize(frame.cols, frame.rows, this.#by()));
          return;
        case 'signal': {
          const signal = parseSignal(frame.signal);
          if (signal === undefined) throw new BinnacleError('unknown_signal');
          this.#follow(this.#session.signal(signal, this.#by()));
        }
      }
    } catch (error) {
      this.#refuse(error);
    }
  }

  #by(): Steering {
    if (this.#isReadOnly) {
      throw new BinnacleError('forbidden', {
        message: 'This connection only watches: writing needs the scope "input".',
      });
    }
    const { name } = this.#principal;
    // The lease expired while its user was idle, and no client took it since (a take-over would have closed this
    // socket): any client may write now.
    const isFree = this.#session.lease.info === null;
    return this.#lease === undefined || isFree ? { name } : { name, lease: this.#lease.lease };
  }

  #follow(working: Promise<unknown>): void {
    working.catch((error: unknown) => this.#refuse(error));
  }

  #refuse(error: unknown): void {
    const known = BinnacleError.of(error);
    this.#answer({ type: 'error', code: known.code.toUpperCase(), error: known.message });
  }

  #fail(error: BinnacleError): void {
    this.#refuse(error);
    this.close(error.code);
  }

  /** Sends a reply to a request. A client that sends requests and reads no replies is disconnected. */
  #answer(frame: ServerFrame): void {
    if (this.#send(frame)) return;
    this.#untakenBytes += JSON.stringify(frame).length;
    if (this.#untakenBytes > MAX_UNTAKEN_BYTES) this.close('too_slow');
  }

  #send(frame: OutgoingFrame): boolean {
    if (this.#isOver) return false;
    this.#ws.send(frame instanceof Uint8Array ? frame : JSON.stringify(frame));
    return !this.#socket.writableNeedDrain;
  }

  #sendAll(frames: readonly OutgoingFrame[]): boolean {
    for (const frame of frames) this.#send(frame);
    return !this.#socket.writableNeedDrain;
  }

  #close(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#stop();
    this.#ws.close(code, reason);
    setTimeout(() => this.#ws.terminate(), CLOSE_MS).unref();
  }

  #stop(): void {
    this.#isOver = true;
    clearTimeout(this.#lingering);
    this.#pump.stop();
  }

  #wsOnClose(): void {
    this.#stop();
    for (const release of this.#release) release();
    releaseLease(this.#session, this.#lease);
  }
}

const gapFrame = (from: number, to: number, what: string): ServerFrame => ({
  type: 'error',
  code: 'GAP',
  error: `Output from byte ${from} up to ${to} ${what}.`,
  from,
  to,
  offset: to,
});
