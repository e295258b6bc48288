// The one WebSocket that all attachments share: opens it, numbers requests, matches answers and routes frames. Knows no
// positions.

import {
  BinnacleError,
  type ClientFrame,
  type Code,
  decodeOutput,
  type OkResult,
  type OutputFrame,
  parseServerFrame,
  type ServerFrame,
} from '@binnacle/protocol';
import { Emitter } from './event-emitter.ts';
import { Liveness } from './liveness.ts';
import { type Settings, socketUrl, type WebSocketLike } from './options.ts';
import { FIRST, type Link, type LinkAction, type LinkEvent, step } from './reconnect.ts';
import { listenForWake } from './wake.ts';

/**
 * State of the shared WebSocket. `idle`: nothing needs a connection. `waiting`: the next attempt is in `retryInMs`.
 * `stopped`: for good, until `login` succeeds. `latencyMs` is the smoothed round trip; null until measured.
 */
export type ClientState =
  /** Nothing needs a connection. */
  | { readonly kind: 'idle'; readonly latencyMs: number | null }
  | { readonly kind: 'connecting'; readonly latencyMs: number | null }
  | { readonly kind: 'open'; readonly latencyMs: number | null }
  | { readonly kind: 'waiting'; readonly latencyMs: number | null; readonly retryInMs: number }
  /** For good; `login` is the way back. */
  | { readonly kind: 'stopped'; readonly latencyMs: number | null; readonly code: Code };

/** Events of a client, for `Binnacle.on`. */
export interface ClientEvents {
  /** The state or the latency of the connection changed. */
  state: ClientState;
  /** An error that no call waits for: a broken connection, an error of the gateway without a request. */
  error: BinnacleError;
}

/** A part of the client that needs the connection: an attachment, input, a lease, a watch, a request. */
export interface Participant {
  /** The connection is open: send what has to be sent, again if need be. */
  opened(): void;
  /** The connection is lost, and with it every pending answer. */
  lost(): void;
  /** There will be no connection any more. */
  stopped(error: BinnacleError): void;
}

/** Receiver of the frames of one session or one conversation. */
export interface Subscriber {
  output(frame: OutputFrame): void;
  frame(frame: ServerFrame): void;
}

export type RequestResult = { readonly frame: ServerFrame } | { readonly error: BinnacleError };

/** Options of `Connection.request`. */
export interface RequestOptions {
  /**
   * Sends the request again after a reconnect, because doing it twice is harmless. Default false: throws
   * `connection_lost`.
   */
  readonly resend?: boolean;
}

export class Connection {
  readonly events: Emitter<ClientEvents>;
  readonly settings: Settings;
  /** Watches of all sessions on this connection: the gateway knows one watch per connection. */
  readonly watchers: Set<object>;
  private readonly probe: () => Promise<void>;
  private readonly participants: Set<Participant>;
  private readonly subscribers: Map<string, Subscriber>;
  private readonly listeners: Set<(frame: ServerFrame) => void>;
  private readonly answers: Map<number, (answer: RequestResult) => void>;
  private readonly unlisten: () => void;
  private link: Link;
  private socket: WebSocketLike | null;
  private timer: ReturnType<typeof setTimeout> | null;
  private giveUp: ReturnType<typeof setTimeout> | null;
  /** Events that came up while another was carried out; they wait their turn. */
  private readonly due: LinkEvent[];
  private isApplying: boolean;
  private liveness: Liveness | null;
  private latencyMs: number | null;
  private lastRef: number;
  private framesReceived: number;
  /** Error that the gateway sent for this connection before it closed it. */
  private fault: BinnacleError | null;

  /** `probe` throws the reason of a refusal: a browser gets none from a failed upgrade. */
  constructor(settings: Settings, probe: () => Promise<void>) {
    this.settings = settings;
    this.probe = probe;
    this.events = new Emitter();
    this.watchers = new Set();
    this.participants = new Set();
    this.subscribers = new Map();
    this.listeners = new Set();
    this.answers = new Map();
    this.link = FIRST;
    this.socket = null;
    this.timer = null;
    this.giveUp = null;
    this.due = [];
    this.isApplying = false;
    this.liveness = null;
    this.latencyMs = null;
    this.lastRef = 0;
    this.framesReceived = 0;
    this.fault = null;
    this.unlisten = listenForWake(() => this.wake());
  }

  get isOpen(): boolean {
    return this.link.kind === 'open';
  }

  get state(): ClientState {
    const { link, latencyMs } = this;
    if (link.kind === 'waiting') return { kind: link.kind, latencyMs, retryInMs: link.retryInMs };
    if (link.kind === 'stopped') return { kind: link.kind, latencyMs, code: link.code };
    return { kind: link.kind, latencyMs };
  }

  get clockOffsetMs(): number | null {
    return this.liveness?.clockOffsetMs ?? null;
  }

  /** Keeps the connection wanted until `leave`. Calls `opened` at once if it is open, `stopped` if it has stopped. */
  join(participant: Participant): void {
    if (this.link.kind === 'stopped') {
      participant.stopped(this.stopError());
      return;
    }
    if (this.participants.has(participant)) return;
    this.participants.add(participant);
    if (this.participants.size === 1) this.apply({ kind: 'want' });
    if (this.isOpen) participant.opened();
  }

  leave(participant: Participant): void {
    if (this.participants.delete(participant) && this.participants.size === 0) this.apply({ kind: 'unwant' });
  }

  /** Routes the frames of one session or conversation to its one subscriber. */
  route(session: string, subscriber: Subscriber): void {
    if (this.subscribers.has(session)) {
      throw new BinnacleError('too_many_subscriptions', {
        message: 'This client already follows the session or conversation.',
        hint: 'Detach the other attachment first, or create a second client.',
        details: { session },
      });
    }
    this.subscribers.set(session, subscriber);
  }

  unroute(session: string, subscriber: Subscriber): void {
    if (this.subscribers.get(session) === subscriber) this.subscribers.delete(session);
  }

  /** Adds a listener for frames that are no answer and belong to no subscription, and for events of conversations. */
  listen(listener: (frame: ServerFrame) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Sends a frame on the open connection. The answer never comes if the connection is lost: see `Participant`. */
  ask(make: (ref: number) => ClientFrame, answer: (answer: RequestResult) => void): void {
    this.lastRef += 1;
    this.answers.set(this.lastRef, answer);
    this.send(make(this.lastRef));
  }

  /** Sends when there is a connection, and resolves with the answer. Throws what the gateway answered. */
  request(make: (ref: number) => ClientFrame, options: RequestOptions = {}): Promise<OkResult | undefined> {
    return new Promise((resolve, reject) => {
      let sent = false;
      const finish = () => {
        clearTimeout(timer);
        this.leave(participant);
      };
      const fail = (error: BinnacleError) => {
        finish();
        reject(error);
      };
      const participant: Participant = {
        opened: () => {
          sent = true;
          this.ask(make, (answer) => {
            if ('error' in answer) {
              fail(answer.error);
            } else {
              finish();
              resolve(answer.frame.t === 'ok' ? answer.frame.result : undefined);
            }
          });
        },
        lost: () => {
          if (sent && options.resend !== true) fail(new BinnacleError('connection_lost'));
        },
        stopped: fail,
      };
      const timer = setTimeout(
        () => fail(new BinnacleError(sent ? 'connection_lost' : 'unreachable')),
        this.settings.requestTimeoutMs,
      );
      this.join(participant);
    });
  }

  /** Closes a connection whose frames cannot be trusted, and opens a new one. */
  broken(error: BinnacleError): void {
    this.events.emit('error', error);
    this.apply({ kind: 'broken', generation: this.link.generation });
  }

  /** Reconnects at once if the client waits to, and probes an open connection. */
  wake(): void {
    this.apply({ kind: 'wake' });
    this.liveness?.check();
  }

  restart(): void {
    this.apply({ kind: 'restart', isNeeded: this.participants.size > 0 });
  }

  stop(): void {
    this.unlisten();
    this.apply({ kind: 'stop', code: 'client_closed' });
  }

  private stopError(): BinnacleError {
    if (this.fault !== null && this.link.kind === 'stopped' && this.fault.code === this.link.code) return this.fault;
    return new BinnacleError(this.link.kind === 'stopped' ? this.link.code : 'internal');
  }

  /** Handles one event at a time: callbacks of participants must not run in the middle of a transition. */
  private apply(event: LinkEvent): void {
    this.due.push(event);
    if (this.isApplying) return;
    this.isApplying = true;
    try {
      for (let next = this.due.shift(); next !== undefined; next = this.due.shift()) this.carryOut(next);
    } finally {
      this.isApplying = false;
    }
  }

  private carryOut(event: LinkEvent): void {
    const { now, random, backoff } = this.settings;
    const before = this.link;
    const { state, actions } = step(before, event, now(), random(), backoff);
    this.link = state;
    for (const action of actions) this.act(action);
    if (before.kind === 'open' && state.kind !== 'open') this.socketIsLost();
    if (state.kind === 'stopped' && before.kind !== 'stopped') this.notifyStopped();
    if (before.kind !== state.kind) this.events.emit('state', this.state);
    if (before.kind !== 'open' && state.kind === 'open')
      for (const participant of [...this.participants]) if (this.participants.has(participant)) participant.opened();
  }

  private act(action: LinkAction): void {
    switch (action.kind) {
      case 'open':
        this.openSocket(action.generation);
        break;
      case 'wait': {
        const { generation } = action;
        this.timer = setTimeout(() => this.apply({ kind: 'timer', generation }), action.ms);
        break;
      }
      case 'cancel':
        if (this.timer !== null) clearTimeout(this.timer);
        this.timer = null;
        break;
      case 'drop':
        this.dropSocket();
        break;
    }
  }

  private openSocket(generation: number): void {
    this.framesReceived = 0;
    this.fault = null;
    let socket: WebSocketLike;
    try {
      socket = this.settings.makeSocket(socketUrl(this.settings.base), this.settings.headers);
    } catch (cause) {
      const error = cause instanceof BinnacleError ? cause : new BinnacleError('bad_request', { cause });
      this.fault = error;
      this.apply({ kind: 'refused', generation, code: error.code });
      return;
    }
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    const current = () => this.socket === socket;
    this.giveUp = setTimeout(() => this.apply({ kind: 'broken', generation }), this.settings.connectTimeoutMs);
    socket.addEventListener('message', (event) => {
      if (!current()) return;
      try {
        this.socketOnMessage(event.data, generation);
      } catch (cause) {
        this.broken(cause instanceof BinnacleError ? cause : new BinnacleError('protocol_error', { cause }));
      }
    });
    // 'error' says nothing that 'close' does not; without a listener `ws` would throw it.
    socket.addEventListener('error', () => {});
    socket.addEventListener('close', (event) => {
      if (!current()) return;
      const hadHello = this.link.kind === 'open';
      this.socket = null;
      const closed: LinkEvent = {
        kind: 'closed',
        generation,
        closeCode: event.code ?? 1006,
        code: this.fault?.code ?? null,
      };
      if (hadHello) this.apply(closed);
      else this.askWhy(closed);
    });
  }

  /** Handles a failed upgrade. Only an HTTP request can distinguish "not now" from "not you". */
  private askWhy(closed: Extract<LinkEvent, { kind: 'closed' }>): void {
    const isOurs = () => this.link.kind === 'connecting' && this.link.generation === closed.generation;
    this.probe().then(
      () => {
        if (isOurs()) this.clearGiveUp();
        this.apply(closed);
      },
      (cause: unknown) => {
        if (!isOurs()) return;
        this.clearGiveUp();
        const error = cause instanceof BinnacleError ? cause : new BinnacleError('internal', { cause });
        this.fault = error;
        this.apply({ kind: 'refused', generation: closed.generation, code: error.code });
      },
    );
  }

  private clearGiveUp(): void {
    if (this.giveUp !== null) clearTimeout(this.giveUp);
    this.giveUp = null;
  }

  private dropSocket(): void {
    this.clearGiveUp();
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    try {
      // A dead link never completes the closing handshake; a living one carries the reason to the gateway.
      socket.close(1000);
      if (this.link.kind !== 'stopped' || this.link.code !== 'client_closed') socket.terminate?.();
    } catch {
      // Closing twice or too early is no fault: it is gone either way.
    }
  }

  private socketOnMessage(data: unknown, generation: number): void {
    this.framesReceived += 1;
    this.liveness?.heard();
    if (data instanceof ArrayBuffer) {
      const frame = decodeOutput(new Uint8Array(data));
      this.subscribers.get(frame.session)?.output(frame);
      return;
    }
    const frame = parseServerFrame(String(data));
    if (frame.seq !== this.framesReceived) {
      throw new BinnacleError('protocol_error', {
        message: 'Frames are missing or doubled.',
        details: { expectedSeq: this.framesReceived, seq: frame.seq },
      });
    }
    if (frame.t === 'hello') {
      const hooks = {
        ping: (time: number) => this.send({ t: 'ping', time }),
        dead: () => this.broken(new BinnacleError('no_pong')),
        measured: (latencyMs: number) => {
          this.latencyMs = latencyMs;
          this.events.emit('state', this.state);
        },
      };
      const { now, wall } = this.settings;
      this.liveness = new Liveness(now, frame.heartbeatMs, hooks, wall);
      this.clearGiveUp();
      this.apply({ kind: 'opened', generation });
      return;
    }
    this.dispatch(frame);
  }

  private dispatch(frame: ServerFrame): void {
    switch (frame.t) {
      case 'ping':
        this.send({ t: 'pong', time: frame.time, clientTime: this.settings.wall() });
        return;
      case 'pong':
        this.liveness?.pong(frame.time, frame.serverTime);
        return;
      case 'ok':
      case 'subscribed':
      case 'following':
      case 'error': {
        const answer = frame.ref === undefined ? undefined : this.answers.get(frame.ref);
        if (frame.ref !== undefined && answer !== undefined) {
          this.answers.delete(frame.ref);
          answer(frame.t === 'error' ? { error: BinnacleError.fromWire(frame.error) } : { frame });
          if (frame.t === 'subscribed') this.notify(frame);
          return;
        }
        if (frame.t !== 'error') return;
        const followed = frame.session ?? frame.conversation;
        const subscriber = followed === undefined ? undefined : this.subscribers.get(followed);
        if (subscriber !== undefined) {
          subscriber.frame(frame);
          return;
        }
        this.fault = BinnacleError.fromWire(frame.error);
        this.events.emit('error', this.fault);
        return;
      }
      case 'screen':
      case 'entry':
      case 'gap':
      case 'end':
        this.subscribers.get(frame.session)?.frame(frame);
        return;
      case 'events':
      case 'events_gap':
        this.subscribers.get(frame.conversation)?.frame(frame);
        this.notify(frame);
        return;
      default:
        this.notify(frame);
    }
  }

  private notify(frame: ServerFrame): void {
    for (const listener of [...this.listeners]) listener(frame);
  }

  private send(frame: ClientFrame): void {
    this.socket?.send(JSON.stringify(frame));
  }

  private socketIsLost(): void {
    this.liveness?.stop();
    this.liveness = null;
    this.latencyMs = null;
    this.answers.clear();
    for (const participant of [...this.participants]) participant.lost();
  }

  private notifyStopped(): void {
    const error = this.stopError();
    const participants = [...this.participants];
    this.participants.clear();
    for (const participant of participants) participant.stopped(error);
  }
}
