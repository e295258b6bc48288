// A WebSocket to the gateway that comes back: opens it, finds out why it was refused, notices when it is dead. Reads no
// message.

import { BinnacleError } from '@binnacle/protocol';
import { Liveness } from './liveness.ts';
import { type Settings, socketUrl, type WebSocketLike } from './options.ts';
import type { Link, LinkEvent } from './reconnect.ts';
import { Reconnector } from './reconnector.ts';
import { listenForWake } from './wake.ts';

export interface SocketHooks {
  /** Handles a message. An error that it throws breaks the connection. */
  message(data: unknown): void;
  /** Sends a ping; `SocketLink.pong` takes the answer. */
  ping(time: number): void;
  /** The round trip was measured; smoothed, ms. */
  measured?(latencyMs: number): void;
  /** The state changed. The actions that belong to the change are done. */
  changed(state: Link, before: Link): void;
  /** The connection is dead, or its messages cannot be trusted; a new one follows. */
  broken?(error: BinnacleError): void;
}

export class SocketLink {
  readonly #settings: Settings;
  readonly #path: string;
  readonly #probe: () => Promise<void>;
  readonly #hooks: SocketHooks;
  readonly #reconnector: Reconnector;
  readonly #unlisten: () => void;
  #socket: WebSocketLike | null = null;
  #giveUp: ReturnType<typeof setTimeout> | undefined;
  #liveness: Liveness | null = null;
  #isStopping = false;
  /** Error that the gateway sent for this connection before it closed it, or with which it refused it. */
  fault: BinnacleError | null = null;

  /** `probe` throws the reason of a refusal: a browser gets none from a failed upgrade. */
  constructor(settings: Settings, path: string, probe: () => Promise<void>, hooks: SocketHooks) {
    this.#settings = settings;
    this.#path = path;
    this.#probe = probe;
    this.#hooks = hooks;
    this.#reconnector = new Reconnector(settings, {
      open: (generation) => this.#open(generation),
      drop: () => this.#drop(),
      changed: (state, before) => {
        if (before.kind === 'open' && state.kind !== 'open') this.#stopLiveness();
        hooks.changed(state, before);
      },
    });
    this.#unlisten = listenForWake(() => this.wake());
  }

  get state(): Link {
    return this.#reconnector.state;
  }

  get isOpen(): boolean {
    return this.state.kind === 'open';
  }

  /** The gateway's clock minus ours, ms. */
  get clockOffsetMs(): number | null {
    return this.#liveness?.clockOffsetMs ?? null;
  }

  /** The reason of a stop. */
  get stopError(): BinnacleError {
    const { fault, state } = this;
    if (state.kind !== 'stopped') return new BinnacleError('internal');
    return fault?.code === state.code ? fault : new BinnacleError(state.code);
  }

  apply(event: Extract<LinkEvent, { kind: 'want' | 'unwant' | 'restart' }>): void {
    this.#reconnector.apply(event);
  }

  /** The gateway said hello. `heartbeatMs`: between its pings; NaN if it does not say. */
  opened(heartbeatMs: number): void {
    const { now, wall } = this.#settings;
    const hooks = {
      ping: (time: number) => this.#hooks.ping(time),
      dead: () => this.broken(new BinnacleError('no_pong')),
      measured: (latencyMs: number) => this.#hooks.measured?.(latencyMs),
    };
    this.#liveness = new Liveness(now, heartbeatMs, hooks, wall);
    clearTimeout(this.#giveUp);
    this.#reconnector.apply({ kind: 'opened', generation: this.state.generation });
  }

  pong(time: number, serverTime: number): void {
    this.#liveness?.pong(time, serverTime);
  }

  send(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }

  /** Closes a connection whose messages cannot be trusted, and opens a new one. */
  broken(error: BinnacleError): void {
    this.#hooks.broken?.(error);
    this.#reconnector.apply({ kind: 'broken', generation: this.state.generation });
  }

  /** Reconnects at once if the link waits to, and probes an open connection. */
  wake(): void {
    this.#reconnector.apply({ kind: 'wake' });
    this.#liveness?.check();
  }

  /** Closes the link for good. */
  stop(code: BinnacleError['code'] = 'client_closed'): void {
    this.#isStopping = true;
    this.#unlisten();
    this.#reconnector.apply({ kind: 'stop', code });
  }

  #open(generation: number): void {
    const { base, headers, connectTimeoutMs } = this.#settings;
    this.fault = null;
    let socket: WebSocketLike;
    try {
      socket = this.#settings.makeSocket(socketUrl(base, this.#path), headers);
    } catch (cause) {
      this.#refused(generation, cause instanceof BinnacleError ? cause : new BinnacleError('bad_request', { cause }));
      return;
    }
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    const isCurrent = () => this.#socket === socket;
    this.#giveUp = setTimeout(() => this.#reconnector.apply({ kind: 'broken', generation }), connectTimeoutMs);
    socket.addEventListener('message', ({ data }) => {
      if (!isCurrent()) return;
      this.#liveness?.heard();
      try {
        this.#hooks.message(data);
      } catch (cause) {
        this.broken(cause instanceof BinnacleError ? cause : new BinnacleError('protocol_error', { cause }));
      }
    });
    // 'error' says nothing that 'close' does not; without a listener `ws` would throw it.
    socket.addEventListener('error', () => {});
    socket.addEventListener('close', ({ code = 1006 }) => {
      if (!isCurrent()) return;
      this.#socket = null;
      const closed = { kind: 'closed', generation, closeCode: code, code: this.fault?.code ?? null } as const;
      if (this.isOpen) this.#reconnector.apply(closed);
      else this.#askWhy(closed);
    });
  }

  /** Handles a failed upgrade. Only an HTTP request can distinguish "not now" from "not you". */
  #askWhy(closed: Extract<LinkEvent, { kind: 'closed' }>): void {
    const { generation } = closed;
    const isCurrent = () => this.state.kind === 'connecting' && this.state.generation === generation;
    this.#probe().then(
      () => {
        if (isCurrent()) clearTimeout(this.#giveUp);
        this.#reconnector.apply(closed);
      },
      (cause: unknown) => {
        if (!isCurrent()) return;
        clearTimeout(this.#giveUp);
        this.#refused(generation, BinnacleError.of(cause));
      },
    );
  }

  #refused(generation: number, error: BinnacleError): void {
    this.fault = error;
    this.#reconnector.apply({ kind: 'refused', generation, code: error.code });
  }

  #drop(): void {
    clearTimeout(this.#giveUp);
    const socket = this.#socket;
    this.#socket = null;
    try {
      socket?.close(1000);
      // A dead link never completes the closing handshake; a living one carries the reason to the gateway.
      if (!this.#isStopping) socket?.terminate?.();
    } catch {
      // Closing twice or too early is no fault: it is gone either way.
    }
  }

  #stopLiveness(): void {
    this.#liveness?.stop();
    this.#liveness = null;
  }
}
