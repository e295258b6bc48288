// The gateway's end of the socket to one runner: requests with replies, and the runner's events.

import { connect, type Socket } from 'node:net';
import { BinnacleError, defined, type RunInfo, type WireError } from '@binnacle/protocol';
import { type CallTimeout, PendingCalls } from '../../base/pending-calls.ts';
import { afterOwnTime } from '../../base/running-time.ts';
import type { Head, Pace } from '../../log/log.ts';
import {
  encodeRunnerFrame,
  type FromRunner,
  type HostedStatus,
  RUNNER_PROTOCOL,
  type RunnerRequest,
  runnerFrameReader,
} from '../wire.ts';

/** Maximum time per reply. A runner needs milliseconds; without a reply for this long it is stopped or stuck. */
const ANSWER_MS = 10_000;
/** Maximum unsent bytes for a runner that does not read, the same as the runner's limit for the gateway. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;
/**
 * Age of an unanswered request after which a runner counts as silent. The start of a program takes some 10 ms; ending a
 * process family takes seconds, but is rare.
 */
const SILENT_MS = 1000;
/** Maximum time for the hello. The start of a gateway waits for it, and a stopped runner must not delay the others. */
const HELLO_MS = 2000;

export interface LinkEvents {
  grew(id: string, head: Head, oldest: Head, left: number): void;
  changed(status: HostedStatus): void;
  ran(id: string, run: RunInfo, runs: HostedStatus['runs']): void;
  /** The runner is gone, or disconnected in favour of another gateway. */
  lost(): void;
}

/**
 * Failure for a runner that was started in another data directory, of which the gateway's is a copy: it must not be
 * touched.
 */
export class ForeignRunner extends Error {}

/** Identity that a gateway shows to a runner. */
export interface GatewayHello {
  readonly token: string;
  /** Identity of the gateway's data directory. Undefined: unknown, and not compared. */
  readonly directory?: string | undefined;
}

type RunnerEvent = Extract<FromRunner, { t: 'grew' | 'changed' | 'ran' }>;

const unavailable = (): BinnacleError => new BinnacleError('runner_unavailable');

export class RunnerLink {
  readonly #socket: Socket;
  readonly #events: LinkEvents;
  readonly #calls: PendingCalls<Buffer>;
  #isClosed = false;
  /** Events that arrive after the hello, until `attend`. */
  #early: RunnerEvent[] | undefined = [];
  #helloReceived: ((hello: Extract<FromRunner, { t: 'hello' | 'refused' }>) => void) | undefined;

  private constructor(socket: Socket, events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#calls = new PendingCalls({ send: (frame) => socket.write(frame) });
    const reader = runnerFrameReader<FromRunner>((message) => this.#handle(message));
    socket.on('data', (bytes) => {
      try {
        reader.push(bytes);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#socketOnClose());
  }

  /**
   * Connects and sends the hello. Events wait until `attend`: a program may end in the moment of the hello, which still
   * lists it as running. Throws `runner_unavailable` (a dead runner refuses within a millisecond), and `ForeignRunner`
   * if either side finds that they belong to different data directories.
   */
  static open(
    path: string,
    { token, directory }: GatewayHello,
    events: LinkEvents,
  ): Promise<{ link: RunnerLink; programs: readonly HostedStatus[] }> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const refuse = (cause?: unknown) => {
        cancel();
        socket.destroy();
        reject(new BinnacleError('runner_unavailable', { cause }));
      };
      const cancel = afterOwnTime(HELLO_MS, refuse);
      socket.once('error', refuse);
      socket.once('connect', () => {
        const link = new RunnerLink(socket, events);
        socket.once('close', refuse);
        link.#helloReceived = (hello) => {
          cancel();
          socket.off('close', refuse);
          socket.off('error', refuse);
          const isForeign =
            hello.t === 'refused' ||
            (directory !== undefined && hello.directory !== undefined && hello.directory !== directory);
          if (!isForeign) {
            resolve({ link, programs: hello.programs });
            return;
          }
          link.close();
          reject(new ForeignRunner(`It was started in the data directory ${hello.directory}, not in ${directory}.`));
        };
        socket.write(encodeRunnerFrame({ t: 'hello', token, protocol: RUNNER_PROTOCOL, ...defined({ directory }) }));
      });
    });
  }

  request(request: RunnerRequest, payload?: Uint8Array, answerMs = ANSWER_MS): Promise<unknown> {
    if (this.#isClosed || this.#socket.writableLength > MAX_UNSENT_BYTES) return Promise.reject(unavailable());
    // The end of a process family may take all of its steps; the steps of a run fit into the reply's time.
    const steps = request.t === 'end' && request.times !== undefined ? request.times.hupMs + request.times.termMs : 0;
    const timeout: CallTimeout = { ms: answerMs + steps, late: unavailable };
    return this.#calls.call((ref) => encodeRunnerFrame({ ...request, ref }, payload), timeout);
  }

  /** Delivers the waiting events, and all later ones directly. Call when the programs of the hello are known. */
  attend(): void {
    const early = this.#early;
    this.#early = undefined;
    for (const news of early ?? []) this.#dispatch(news);
  }

  /** True while a reply is overdue: the runner should get no new programs. */
  get isSilent(): boolean {
    return this.#calls.oldestMs > SILENT_MS;
  }

  watch(id: string, place: number, { atLeast, maxDelayMs }: Pace, reports: number): void {
    if (this.#isClosed) return;
    this.#socket.write(encodeRunnerFrame({ t: 'watch', id, place, atLeast, withinMs: maxDelayMs, reports }));
  }

  /** Disconnects from the runner, which goes on. `lost` is not called. */
  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #handle(message: FromRunner): void {
    switch (message.t) {
      case 'hello':
      case 'refused':
        this.#helloReceived?.(message);
        return;
      case 'grew':
      case 'changed':
      case 'ran':
        if (this.#early === undefined) this.#dispatch(message);
        else this.#early.push(message);
        return;
      case 'reply':
        if (message.error === undefined) this.#calls.resolve(message.ref, message.result);
        else this.#calls.reject(message.ref, BinnacleError.fromWire(message.error satisfies WireError));
        return;
      default: // An unknown message of a newer runner.
    }
  }

  #dispatch(news: RunnerEvent): void {
    switch (news.t) {
      case 'grew':
        this.#events.grew(news.id, news.head, news.oldest, news.left ?? 0);
        return;
      case 'changed':
        this.#events.changed(news.status);
        return;
      case 'ran':
        this.#events.ran(news.id, news.run, news.runs);
        return;
    }
  }

  #socketOnClose(): void {
    const wasClosed = this.#isClosed;
    this.#isClosed = true;
    this.#calls.rejectAll(unavailable);
    if (!wasClosed && this.#helloReceived !== undefined) this.#events.lost();
  }
}
