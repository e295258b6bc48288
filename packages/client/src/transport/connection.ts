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
import type { Settings } from './options.ts';
import type { Link } from './reconnect.ts';
import { SocketLink } from './socket-link.ts';

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
  readonly events = new Emitter<ClientEvents>();
  readonly settings: Settings;
  /** Watches of all sessions on this connection: the gateway knows one watch per connection. */
  readonly watchers = new Set<object>();
  readonly #participants = new Set<Participant>();
  readonly #subscribers = new Map<string, Subscriber>();
  readonly #listeners = new Set<(frame: ServerFrame) => void>();
  readonly #answers = new Map<number, (answer: RequestResult) => void>();
  readonly #link: SocketLink;
  #latencyMs: number | null = null;
  #lastRef = 0;
  #framesReceived = 0;

  /** `probe` throws the reason of a refusal: a browser gets none from a failed upgrade. */
  constructor(settings: Settings, probe: () => Promise<void>) {
    this.settings = settings;
    this.#link = new SocketLink(settings, '/v1/ws', probe, {
      message: (data) => this.#onMessage(data),
      ping: (time) => this.#send({ t: 'ping', time }),
      measured: (latencyMs) => {
        this.#latencyMs = latencyMs;
        this.events.emit('state', this.state);
      },
      changed: (state, before) => this.#onChanged(state, before),
      broken: (error) => this.events.emit('error', error),
    });
  }

  get isOpen(): boolean {
    return this.#link.isOpen;
  }

  get state(): ClientState {
    const link = this.#link.state;
    const latencyMs = this.#latencyMs;
    if (link.kind === 'waiting') return { kind: link.kind, latencyMs, retryInMs: link.retryInMs };
    if (link.kind === 'stopped') return { kind: link.kind, latencyMs, code: link.code };
    return { kind: link.kind, latencyMs };
  }

  get clockOffsetMs(): number | null {
    return this.#link.clockOffsetMs;
  }

  /** Keeps the connection wanted until `leave`. Calls `opened` at once if it is open, `stopped` if it has stopped. */
  join(participant: Participant): void {
    if (this.#link.state.kind === 'stopped') {
      participant.stopped(this.#link.stopError);
      return;
    }
    if (this.#participants.has(participant)) return;
    this.#participants.add(participant);
    if (this.#participants.size === 1) this.#link.apply({ kind: 'want' });
    if (this.isOpen) participant.opened();
  }

  leave(participant: Participant): void {
    if (this.#participants.delete(participant) && this.#participants.size === 0) this.#link.apply({ kind: 'unwant' });
  }

  /** Opens the connection without a use. Returns a function that gives it back; undefined after `stop`. */
  open(): (() => void) | undefined {
    const { state } = this.#link;
    if (state.kind === 'stopped' && state.code === 'client_closed') return undefined;
    const participant: Participant = { opened: () => undefined, lost: () => undefined, stopped: () => undefined };
    if (state.kind === 'stopped') {
      this.#participants.add(participant);
      this.restart();
    } else this.join(participant);
    return () => this.leave(participant);
  }

  /** Routes the frames of one session or conversation to its one subscriber. */
  route(session: string, subscriber: Subscriber): void {
    if (this.#subscribers.has(session)) {
      throw new BinnacleError('too_many_subscriptions', {
        message: 'This client already follows the session or conversation.',
        hint: 'Detach the other attachment first, or create a second client.',
        details: { session },
      });
    }
    this.#subscribers.set(session, subscriber);
  }

  unroute(session: string, subscriber: Subscriber): void {
    if (this.#subscribers.get(session) === subscriber) this.#subscribers.delete(session);
  }

  /** Adds a listener for frames that are no answer and belong to no subscription, and for events of conversations. */
  listen(listener: (frame: ServerFrame) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sends a frame on the open connection. The answer never comes if the connection is lost: see `Participant`. */
  ask(make: (ref: number) => ClientFrame, answer: (answer: RequestResult) => void): void {
    this.#lastRef += 1;
    this.#answers.set(this.#lastRef, answer);
    this.#send(make(this.#lastRef));
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
    this.#link.broken(error);
  }

  /** Reconnects at once if the client waits to, and probes an open connection. */
  wake(): void {
    this.#link.wake();
  }

  restart(): void {
    this.#link.apply({ kind: 'restart', isNeeded: this.#participants.size > 0 });
  }

  stop(): void {
    this.#link.stop();
  }

  #onChanged(state: Link, before: Link): void {
    if (state.kind === before.kind) return;
    if (state.kind === 'connecting') this.#framesReceived = 0;
    if (before.kind === 'open') {
      this.#latencyMs = null;
      this.#answers.clear();
      for (const participant of [...this.#participants]) participant.lost();
    }
    if (state.kind === 'stopped') {
      const participants = [...this.#participants];
      this.#participants.clear();
      for (const participant of participants) participant.stopped(this.#link.stopError);
    }
    this.events.emit('state', this.state);
    if (state.kind === 'open')
      for (const participant of [...this.#participants]) if (this.#participants.has(participant)) participant.opened();
  }

  #onMessage(data: unknown): void {
    this.#framesReceived += 1;
    if (data instanceof ArrayBuffer) {
      const frame = decodeOutput(new Uint8Array(data));
      this.#subscribers.get(frame.session)?.output(frame);
      return;
    }
    const frame = parseServerFrame(String(data));
    if (frame.seq !== this.#framesReceived) {
      throw new BinnacleError('protocol_error', {
        message: 'Frames are missing or doubled.',
        details: { expectedSeq: this.#framesReceived, seq: frame.seq },
      });
    }
    if (frame.t === 'hello') this.#link.opened(frame.heartbeatMs);
    else this.#dispatch(frame);
  }

  #dispatch(frame: ServerFrame): void {
    switch (frame.t) {
      case 'ping':
        this.#send({ t: 'pong', time: frame.time, clientTime: this.settings.wall() });
        return;
      case 'pong':
        this.#link.pong(frame.time, frame.serverTime);
        return;
      case 'ok':
      case 'subscribed':
      case 'following':
      case 'error': {
        const answer = frame.ref === undefined ? undefined : this.#answers.get(frame.ref);
        if (frame.ref !== undefined && answer !== undefined) {
          this.#answers.delete(frame.ref);
          answer(frame.t === 'error' ? { error: BinnacleError.fromWire(frame.error) } : { frame });
          if (frame.t === 'subscribed') this.#notify(frame);
          return;
        }
        if (frame.t !== 'error') return;
        const followed = frame.session ?? frame.conversation;
        const subscriber = followed === undefined ? undefined : this.#subscribers.get(followed);
        if (subscriber !== undefined) {
          subscriber.frame(frame);
          return;
        }
        this.#link.fault = BinnacleError.fromWire(frame.error);
        this.events.emit('error', this.#link.fault);
        return;
      }
      case 'screen':
      case 'entry':
      case 'gap':
      case 'end':
        this.#subscribers.get(frame.session)?.frame(frame);
        return;
      case 'events':
      case 'events_gap':
        this.#subscribers.get(frame.conversation)?.frame(frame);
        this.#notify(frame);
        return;
      default:
        this.#notify(frame);
    }
  }

  #notify(frame: ServerFrame): void {
    for (const listener of [...this.#listeners]) listener(frame);
  }

  #send(frame: ClientFrame): void {
    this.#link.send(frame);
  }
}
