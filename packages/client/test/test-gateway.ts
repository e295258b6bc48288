// A small honest gateway for tests: real sockets, logs in memory, and places where a test makes it misbehave.

import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import {
  BinnacleError,
  type ClientFrame,
  type Code,
  type EntryData,
  type EntryKind,
  type Epoch,
  formatPosition,
  isOutput,
  type LeaseInfo,
  OUTPUT_HEADER_BYTES,
  type OutputKind,
  type Position,
  parsePosition,
  type ServerBody,
  type SessionId,
  type SessionInfo,
  uuidBytes,
  writeOutputHeader,
} from '@binnacle/protocol';
import { WebSocket, WebSocketServer } from 'ws';
import { until as untilWithin } from '../../../test/support/until.ts';

interface LogEntry {
  readonly kind: EntryKind;
  readonly bytes: Uint8Array;
  readonly data: unknown;
  readonly place: number;
  readonly next: number;
  /** Output bytes before it. */
  readonly offset: number;
}

/** What happens to a frame on its way out. */
export type Mangle = 'send' | 'drop' | 'double' | 'cut';

export class TestSession {
  readonly id: SessionId;
  readonly epoch: Epoch;
  readonly entries: LogEntry[];
  /** What was written to the program, in order. */
  readonly written: Uint8Array[];
  /** Last number taken, by client. */
  readonly clients: Map<string, number>;
  place: number;
  offset: number;
  oldestOffset: number;
  isEnded: boolean;
  lease: (LeaseInfo & { secret: string }) | null;

  constructor() {
    this.id = randomUUID() as string as SessionId;
    this.epoch = 'e1' as Epoch;
    this.entries = [];
    this.written = [];
    this.clients = new Map();
    this.place = 0;
    this.offset = 0;
    this.oldestOffset = 0;
    this.isEnded = false;
    this.lease = null;
  }

  get info(): SessionInfo {
    const { lease } = this;
    return {
      id: this.id,
      name: 'test',
      state: this.isEnded ? 'closed' : 'running',
      running: !this.isEnded,
      mode: 'pty',
      argv: [],
      cwd: '/',
      cols: 80,
      rows: 24,
      pid: null,
      exitCode: this.isEnded ? 0 : null,
      signal: null,
      epoch: this.epoch,
      outputOffset: this.offset,
      oldestOffset: this.oldestOffset,
      syncedOffset: this.offset,
      position: formatPosition(this.head),
      createdAt: 0,
      exitedAt: null,
      lease: lease === null ? null : { holder: lease.holder, fence: lease.fence, expiresInMs: lease.expiresInMs },
      stalled: null,
      runs: null,
      foreign: null,
      labels: {},
      activity: null,
    };
  }

  get head(): Position {
    return { epoch: this.epoch, place: this.place, offset: this.offset };
  }

  get input(): string {
    return Buffer.concat(this.written).toString();
  }

  append(kind: EntryKind, content: Uint8Array | string | object): void {
    const isBytes = isOutput(kind);
    const bytes = isBytes
      ? typeof content === 'string'
        ? new TextEncoder().encode(content)
        : (content as Uint8Array)
      : new Uint8Array();
    const next = this.place + 16 + bytes.length;
    this.entries.push({ kind, bytes, data: isBytes ? null : content, place: this.place, next, offset: this.offset });
    this.place = next;
    this.offset += bytes.length;
  }

  end(): void {
    this.append('exit', { exitCode: 0, signal: null } satisfies EntryData['exit']);
    this.append('closed', { reason: 'eof' } satisfies EntryData['closed']);
    this.isEnded = true;
  }

  locate(offset: number): Position {
    const entry = this.entries.find((e) => isOutput(e.kind) && e.offset + e.bytes.length > offset);
    return { epoch: this.epoch, place: entry?.place ?? this.place, offset };
  }
}

/** One connection, as the gateway has it. */
export class Peer {
  readonly socket: WebSocket;
  readonly received: ClientFrame[];
  readonly cursors: Map<string, Position>;
  isMute: boolean;
  seq: number;

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.received = [];
    this.cursors = new Map();
    this.isMute = false;
    this.seq = 0;
  }

  json(body: ServerBody, mangle: Mangle = 'send'): void {
    this.seq += 1;
    this.put(JSON.stringify({ ...body, seq: this.seq }), mangle);
  }

  binary(frame: Uint8Array, mangle: Mangle): void {
    this.seq += 1;
    this.put(frame, mangle);
  }

  private put(data: string | Uint8Array, mangle: Mangle): void {
    if (this.isMute) return;
    if (mangle === 'cut') this.socket.terminate();
    if (mangle === 'send' || mangle === 'double') this.socket.send(data);
    if (mangle === 'double') this.socket.send(data);
  }
}

export class TestGateway {
  readonly sessions: Map<string, TestSession>;
  /** Sessions in a page of the list. */
  pageSize: number;
  readonly peers: Set<Peer>;
  /** Every connection that said hello, in order. */
  readonly history: Peer[];
  readonly upgrades: IncomingMessage[];
  readonly requests: IncomingMessage[];
  heartbeatMs: number;
  /** Largest payload of an output frame: small ones cut entries in the middle. */
  frameBytes: number;
  /** A client that is not known (any more) may begin with any number; else with 1. */
  takesAnyFirst: boolean;
  /** Decides what happens to each frame of a log. */
  mangle: () => Mangle;
  /** Refuses a client frame. */
  refuse: (frame: ClientFrame, peer: Peer) => Code | undefined;
  /** After a client frame was acted upon, before its answer: `cut` loses the answer. */
  beforeAnswer: (frame: ClientFrame, peer: Peer) => Mangle;
  /** HTTP status and failure for upgrades and `/v1` requests. */
  deny: Code | undefined;
  private readonly http: Server;
  private readonly sockets: Set<Socket>;

  constructor() {
    this.sessions = new Map();
    this.pageSize = 100;
    this.peers = new Set();
    this.history = [];
    this.upgrades = [];
    this.requests = [];
    this.sockets = new Set();
    this.heartbeatMs = 15_000;
    this.frameBytes = 64 * 1024;
    this.takesAnyFirst = true;
    this.mangle = () => 'send';
    this.refuse = () => undefined;
    this.beforeAnswer = () => 'send';
    this.deny = undefined;
    this.http = createServer((request, response) => {
      this.requests.push(request);
      const { status, body } = this.answerHttp(request);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    });
    const webSockets = new WebSocketServer({ noServer: true });
    this.http.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.http.on('upgrade', (request, socket, head) => {
      this.upgrades.push(request);
      if (this.deny !== undefined) {
        socket.end(`HTTP/1.1 ${new BinnacleError(this.deny).status} Refused\r\nConnection: close\r\n\r\n`);
        return;
      }
      webSockets.handleUpgrade(request, socket, head, (ws) => this.welcome(ws));
    });
  }

  static async start(): Promise<TestGateway> {
    const gateway = new TestGateway();
    await gateway.listen(0);
    return gateway;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.http.listen(port, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Frames of all connections. */
  get received(): ClientFrame[] {
    return this.history.flatMap((peer) => peer.received);
  }

  session(): TestSession {
    const session = new TestSession();
    this.sessions.set(session.id, session);
    return session;
  }

  /** Sends what was appended to all who follow. */
  flush(): void {
    for (const peer of this.peers) for (const id of [...peer.cursors.keys()]) this.pump(peer, id);
  }

  broadcast(body: ServerBody): void {
    for (const peer of this.peers) peer.json(body);
  }

  cutAll(): void {
    for (const peer of this.peers) peer.socket.terminate();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.http.close(resolve));
  }

  private answerHttp(request: IncomingMessage): { status: number; body?: object } {
    if (this.deny !== undefined) {
      const error = new BinnacleError(this.deny);
      return { status: error.status, body: { error: error.toWire() } };
    }
    const { pathname: path, searchParams } = new URL(request.url ?? '', 'http://test');
    if (path === '/v1/me') return { status: 200, body: { name: 'tester', scope: 'admin', user: 'admin' } };
    if (path === '/v1/login') return { status: 200, body: { key: 'the-key' } };
    if (path === '/v1/logout') return { status: 204 };
    if (path === '/v1/sessions') {
      const all = [...this.sessions.values()].map(({ info }) => info);
      const from = all.findIndex(({ id }) => id === searchParams.get('after')) + 1;
      const sessions = all.slice(from, from + this.pageSize);
      const next = from + sessions.length < all.length ? (sessions.at(-1)?.id ?? null) : null;
      return { status: 200, body: { sessions, next } };
    }
    return { status: 404, body: { error: new BinnacleError('session_not_found').toWire() } };
  }

  private welcome(socket: WebSocket): void {
    const peer = new Peer(socket);
    this.peers.add(peer);
    this.history.push(peer);
    socket.on('close', () => this.peers.delete(peer));
    socket.on('error', () => {});
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as ClientFrame;
      peer.received.push(frame);
      this.onFrame(peer, frame);
    });
    peer.json({
      t: 'hello',
      connection: 'c',
      version: '0',
      protocol: 1,
      time: Date.now(),
      scope: 'admin',
      heartbeatMs: this.heartbeatMs,
    });
  }

  private onFrame(peer: Peer, frame: ClientFrame): void {
    const ref = 'ref' in frame ? { ref: frame.ref as number } : {};
    try {
      const code = this.refuse(frame, peer);
      if (code !== undefined) throw new BinnacleError(code);
      const body = this.act(peer, frame);
      if (body !== undefined) peer.json({ ...body, ...ref } as ServerBody, this.beforeAnswer(frame, peer));
      if (frame.t === 'subscribe') this.pump(peer, frame.session);
    } catch (error) {
      if (!(error instanceof BinnacleError)) throw error;
      peer.json({ t: 'error', ...ref, error: error.toWire() });
    }
  }

  private act(peer: Peer, frame: ClientFrame): object | undefined {
    switch (frame.t) {
      case 'ping':
        return { t: 'pong', time: frame.time, serverTime: Date.now() + 5_000 };
      case 'pong':
        return undefined;
      case 'watch':
        return { t: 'ok' };
      case 'unsubscribe':
        peer.cursors.delete(frame.session);
        return { t: 'ok' };
      case 'subscribe': {
        const session = this.find(frame.session);
        const at = this.begin(session, frame.from ?? 'start');
        peer.cursors.set(session.id, at);
        return { t: 'subscribed', session: session.id, from: formatPosition(at), info: session.info };
      }
      case 'input': {
        const session = this.find(frame.session);
        const bytes = Buffer.from(frame.base64 ?? '', 'base64');
        if (frame.client !== undefined && frame.n !== undefined) {
          const last = session.clients.get(frame.client) ?? (this.takesAnyFirst ? frame.n - 1 : 0);
          if (frame.n <= last) return { t: 'ok', result: { accepted: bytes.length, duplicate: true, queued: 0 } };
          if (frame.n > last + 1) throw new BinnacleError('input_gap', { details: { expected: last + 1 } });
          session.clients.set(frame.client, frame.n);
        }
        session.written.push(bytes);
        return { t: 'ok', result: { accepted: bytes.length, duplicate: false, queued: 0 } };
      }
      case 'lease':
        return this.steer(this.find(frame.session), frame);
      default:
        return { t: 'ok' };
    }
  }

  private steer(session: TestSession, frame: Extract<ClientFrame, { t: 'lease' }>): object {
    const { lease } = session;
    if (frame.action === 'release') {
      if (lease?.secret === frame.lease) session.lease = null;
      return { t: 'ok', result: { released: true } };
    }
    if (frame.action === 'renew' && lease?.secret !== frame.lease) throw new BinnacleError('lease_lost');
    if (frame.action === 'acquire' && lease !== null)
      throw new BinnacleError('lease_held', { details: { holder: lease.holder } });
    const fence = frame.action === 'renew' ? (lease?.fence ?? 0) : (lease?.fence ?? 0) + 1;
    const secret = frame.action === 'renew' ? (frame.lease ?? '') : randomUUID();
    session.lease = { holder: frame.holder ?? 'tester', fence, expiresInMs: frame.ttlMs ?? 60_000, secret };
    const { holder, expiresInMs } = session.lease;
    return { t: 'ok', result: { holder, fence, expiresInMs, lease: secret } };
  }

  private begin(session: TestSession, from: NonNullable<Extract<ClientFrame, { t: 'subscribe' }>['from']>): Position {
    if (from === 'start')
      return session.oldestOffset === 0
        ? { ...session.head, place: 0, offset: 0 }
        : session.locate(session.oldestOffset);
    if (from === 'now') return session.head;
    if (typeof from === 'object') {
      // It knows no terminals.
      if ('screen' in from) throw new BinnacleError('not_a_tty');
      if ('tail' in from) return session.locate(Math.max(session.oldestOffset, session.offset - from.tail));
      if (from.offset > session.offset) throw new BinnacleError('offset_ahead');
      return session.locate(from.offset);
    }
    const at = parsePosition(from);
    if (at.epoch !== session.epoch) throw new BinnacleError('wrong_epoch');
    if (at.offset > session.offset) throw new BinnacleError('offset_ahead');
    return at;
  }

  private find(id: string): TestSession {
    const session = this.sessions.get(id);
    if (session === undefined) throw new BinnacleError('session_not_found');
    return session;
  }

  private pump(peer: Peer, id: string): void {
    const session = this.find(id);
    for (;;) {
      const at = peer.cursors.get(id);
      if (at === undefined || peer.socket.readyState !== WebSocket.OPEN) return;
      const entry = session.entries.find((e) => e.next > at.place);
      if (entry === undefined) {
        if (session.isEnded) {
          peer.cursors.delete(id);
          peer.json({ t: 'end', session: session.id, position: formatPosition(at), info: session.info });
        }
        return;
      }
      if (isOutput(entry.kind) && at.offset < session.oldestOffset) {
        const next = session.locate(session.oldestOffset);
        peer.cursors.set(id, next);
        peer.json({
          t: 'gap',
          session: session.id,
          from: at.offset,
          to: next.offset,
          reason: 'retention',
          position: formatPosition(next),
        });
        continue;
      }
      peer.cursors.set(id, this.sendEntry(peer, session, entry, at));
    }
  }

  private sendEntry(peer: Peer, session: TestSession, entry: LogEntry, at: Position): Position {
    if (isOutput(entry.kind)) {
      const rest = entry.bytes.subarray(at.offset - entry.offset);
      const bytes = rest.subarray(0, this.frameBytes);
      const place = bytes.length === rest.length ? entry.next : entry.place;
      peer.binary(outputFrame(session.id, entry.kind, at.offset, place, bytes), this.mangle());
      return { ...at, place, offset: at.offset + bytes.length };
    }
    const next = { ...at, place: entry.next };
    const { kind, offset, data } = entry;
    peer.json(
      { t: 'entry', session: session.id, kind, time: 0, offset, position: formatPosition(next), data } as ServerBody,
      this.mangle(),
    );
    return next;
  }
}

export function outputFrame(
  session: SessionId,
  kind: OutputKind,
  offset: number,
  place: number,
  bytes: Uint8Array,
): Uint8Array {
  const frame = new Uint8Array(OUTPUT_HEADER_BYTES + bytes.length);
  writeOutputHeader(frame, { sessionBytes: uuidBytes(session), kind, offset, place });
  frame.set(bytes, OUTPUT_HEADER_BYTES);
  return frame;
}

/** Maximum wait per condition of a client's test, in ms: both ends are in this process. */
const WAIT_MS = 5_000;

/** Waits for a condition as `until` of the kit does, with the shorter limit of these tests. */
export const until = (what: string, holds: () => boolean): Promise<void> => untilWithin(what, holds, WAIT_MS);
