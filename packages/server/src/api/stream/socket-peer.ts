// The wire of a WebSocket: its limits, its pace, its signs of life, and its end. The only writer to its socket.

import type { Socket } from 'node:net';
import { type BinnacleError, CODES, type Code } from '@binnacle/protocol';
import type { WebSocket } from 'ws';
import type { Principal } from '../../access/principal.ts';
import type { LiveConnection, Liveness } from './liveness.ts';
import type { Frame, Wire } from './wire.ts';

/** Maximum requests of one client in progress. At the limit the socket is not read until a request completes. */
const MAX_UNDER_WAY = 64;
/**
 * Maximum bytes sent per event-loop turn: one page. Then other sockets are served. The kernel accepts 4 MiB for a
 * client that reads nothing; while 200 such sockets fill, healthy clients wait for all of them. 1 MiB doubled that
 * delay.
 */
const SLICE_BYTES = 64 * 1024;
/**
 * Maximum bytes of replies and notifications that a slow client leaves unread. Output waits in the log; these frames
 * have no other buffer.
 */
const MAX_UNTAKEN_BYTES = 1024 * 1024;
/** Maximum wait for the peer's close frame. A close frame that takes longer never arrives. */
const CLOSE_MS = 1000;

/** The protocol of a socket. */
export interface SocketProtocol {
  /** Called for each frame of the client, until the socket is closing. */
  received(data: Buffer, isBinary: boolean): void;
  /** Called when the socket has room again. */
  resume(): void;
  /** Sends a ping. Called in the interval of `Liveness`. */
  ping(): void;
  /** Called once, when nothing more can be sent: ends all streams. */
  stop(): void;
  /** Called once, when the connection is gone. */
  closed(): void;
}

export interface PeerParts {
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly principal: Principal;
  readonly liveness: Liveness;
  /** Calls `close` when the principal loses access; see `Auth.hold`. */
  hold(principal: Principal, close: (why: BinnacleError) => void): () => void;
  /** Returns the reason that the close frame has for a code. Default: the code. */
  reasonOf?(code: Code): string;
}

export class SocketPeer implements Wire, LiveConnection {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #protocol: SocketProtocol;
  readonly #reasonOf: (code: Code) => string;
  readonly #parts: PeerParts;
  readonly #release: (() => void)[];
  #underWay = 0;
  #sentInSlice = 0;
  #untakenBytes = 0;
  #isOver = false;
  heardAt = performance.now();
  fullSince: number | undefined;

  constructor(parts: PeerParts, protocol: SocketProtocol) {
    const { ws, socket, liveness } = parts;
    this.#parts = parts;
    this.#ws = ws;
    this.#socket = socket;
    this.#protocol = protocol;
    this.#reasonOf = parts.reasonOf ?? ((code) => code);
    this.#release = [liveness.watch(this)];
    socket.on('drain', () => {
      // The socket of a fast reader drains within the same event-loop turn. Without this pause that reader would starve
      // all others.
      if (this.#sentInSlice > SLICE_BYTES) setImmediate(this.#resume);
      else this.#resume();
    });
    ws.on('message', (data, isBinary) => {
      this.heardAt = performance.now();
      if (!this.#isOver) protocol.received(data as Buffer, isBinary);
    });
    // Some clients know only the ping of the WebSocket protocol, and answer only that. ws answers theirs.
    for (const sign of ['ping', 'pong'] as const) {
      ws.on(sign, () => {
        this.heardAt = performance.now();
      });
    }
    ws.on('close', () => {
      this.#stop();
      for (const release of this.#release) release();
      protocol.closed();
    });
    // Raised for a malformed frame. ws closes with the fitting code (1002, 1007, 1009).
    ws.on('error', () => {
      this.#stop();
      this.#terminateLater();
    });
  }

  /** Begins to watch the principal, which may be over already. Call it when the protocol is complete. */
  begin(): void {
    this.#release.push(this.#parts.hold(this.#parts.principal, (why) => this.close(why.code)));
  }

  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** True once nothing more can be sent. */
  get isOver(): boolean {
    return this.#isOver;
  }

  write(frame: Frame, sent?: () => void): void {
    if (this.#isOver) {
      sent?.();
      return;
    }
    this.#ws.send(frame, sent);
    this.#sentInSlice += frame.length;
    if (this.#socket.writableNeedDrain) this.fullSince ??= performance.now();
  }

  /** Counts a frame that no log buffers. A client that lets too many bytes of them wait is disconnected. */
  limitUntaken(frame: Frame): void {
    if (this.#isOver || !this.isFull) return;
    this.#untakenBytes += frame.length;
    if (this.#untakenBytes > MAX_UNTAKEN_BYTES) this.close('too_slow');
  }

  /** Writes a reply or a notification. */
  reply(frame: Frame): void {
    this.write(frame);
    this.limitUntaken(frame);
  }

  /** Counts a request in progress: the socket is not read while there are too many. */
  follow(working: Promise<unknown>, failed: (error: unknown) => void): void {
    this.#underWay += 1;
    if (this.#underWay === MAX_UNDER_WAY) this.#ws.pause();
    working.catch(failed).finally(() => {
      if (this.#underWay === MAX_UNDER_WAY) this.#ws.resume();
      this.#underWay -= 1;
    });
  }

  ping(): void {
    this.#protocol.ping();
  }

  /** Sends the ping of the WebSocket protocol, which libraries answer by themselves. */
  pingSocket(): void {
    if (!this.#isOver) this.#ws.ping();
  }

  cut(code: Extract<Code, 'no_pong' | 'too_slow' | 'going_away'>): void {
    this.close(code);
  }

  /** Closes the socket with the close code and the reason. */
  close(code: Code): void {
    const row = CODES[code];
    this.end('close' in row ? row.close : 1011, this.#reasonOf(code));
  }

  end(closeCode: number, reason: string): void {
    if (this.#isOver) return;
    this.#stop();
    this.#ws.close(closeCode, reason);
    this.#terminateLater();
  }

  readonly #resume = (): void => {
    this.#sentInSlice = 0;
    this.#untakenBytes = 0;
    this.fullSince = undefined;
    this.#protocol.resume();
  };

  #terminateLater(): void {
    setTimeout(() => this.#ws.terminate(), CLOSE_MS).unref();
  }

  #stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#protocol.stop();
  }
}
