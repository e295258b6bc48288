// The gateway's end of the socket to one runner: requests with answers, and what the runner tells unasked.

import { connect, type Socket } from 'node:net';
import { BinnacleError, type RunInfo, type WireError } from '@binnacle/protocol';
import { afterOwnTime } from '../../base/running-time.ts';
import type { Head } from '../../log/log.ts';
import {
  encodeFrame,
  FrameReader,
  type FromRunner,
  type HostedStatus,
  type Request,
  RUNNER_PROTOCOL,
} from '../wire.ts';

/** A runner answers within milliseconds; one that does not for this long is stopped or stuck. */
const ANSWER_MS = 10_000;
/** What waits for a runner that takes nothing: as much as it lets wait for us. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;
/** Starting a program takes some 10 ms and ending a family seconds, but that is asked rarely. */
const SILENT_MS = 1000;
/** For the hello, which a gateway's start waits for: a runner that is stopped must not hold up all others. */
const HELLO_MS = 2000;

export interface LinkEvents {
  grew(id: string, head: Head, oldest: Head): void;
  changed(status: HostedStatus): void;
  ran(id: string, run: RunInfo, runs: HostedStatus['runs']): void;
  /** The runner is gone, or it let go of us for another gateway. */
  lost(): void;
}

/** The runner was started in another data directory, of which the gateway's is a copy: hands off. */
export class ForeignRunner extends Error {}

/** Identity that a gateway shows to a runner. */
export interface Hello {
  readonly token: string;
  /** Identity of the gateway's data directory. Undefined: not known, and not compared. */
  readonly directory?: string | undefined;
}

type News = Extract<FromRunner, { t: 'grew' | 'changed' | 'ran' }>;

interface Asked {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly cancel: () => void;
  /** Monotonic ms. */
  readonly askedAt: number;
}

export class RunnerLink {
  readonly #socket: Socket;
  readonly #events: LinkEvents;
  readonly #asked = new Map<number, Asked>();
  #nextRef = 1;
  #isClosed = false;
  /** News that came behind the hello, until whoever asked for that has heard it. */
  #early: News[] | undefined = [];
  #helloReceived: ((hello: Extract<FromRunner, { t: 'hello' | 'refused' }>) => void) | undefined;

  private constructor(socket: Socket, events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    const reader = new FrameReader<FromRunner>((message) => this.#handle(message));
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
   * Connects and shows the hello. Nothing is told of what the runner says next until `attend`: a program may end in the
   * moment of the hello, which still says that it runs. Throws `runner_unavailable` (a dead runner refuses within a
   * millisecond), and `ForeignRunner` where either of the two finds that they belong to different data directories.
   */
  static open(
    path: string,
    { token, directory }: Hello,
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
        socket.write(
          encodeFrame({
            t: 'hello',
            token,
            protocol: RUNNER_PROTOCOL,
            ...(directory === undefined ? {} : { directory }),
          }),
        );
      });
    });
  }

  request(request: Request, payload?: Uint8Array, answerMs = ANSWER_MS): Promise<unknown> {
    if (this.#isClosed || this.#socket.writableLength > MAX_UNSENT_BYTES)
      return Promise.reject(new BinnacleError('runner_unavailable'));
    const ref = this.#nextRef++;
    return new Promise((resolve, reject) => {
      // Ending a family takes as long as its steps may; those of a run are within the answer's time.
      const steps = request.t === 'end' && request.times !== undefined ? request.times.hupMs + request.times.termMs : 0;
      const giveUp = () => this.#settle(ref)?.reject(new BinnacleError('runner_unavailable'));
      const cancel = afterOwnTime(answerMs + steps, giveUp);
      this.#asked.set(ref, { resolve, reject, cancel, askedAt: performance.now() });
      this.#socket.write(encodeFrame({ ...request, ref }, payload));
    });
  }

  /** What the hello said is known: from here on the events tell the rest, what has come meanwhile first. */
  attend(): void {
    const early = this.#early;
    this.#early = undefined;
    for (const news of early ?? []) this.#tell(news);
  }

  /** It owes an answer for a while: nothing new should be given to it. */
  get isSilent(): boolean {
    const [oldest] = this.#asked.values();
    return oldest !== undefined && performance.now() - oldest.askedAt > SILENT_MS;
  }

  watch(id: string, place: number, pace: { readonly atLeast: number; readonly withinMs: number }): void {
    if (!this.#isClosed) this.#socket.write(encodeFrame({ t: 'watch', id, place, ...pace }));
  }

  /** Lets go of the runner, which goes on. `lost` is not called. */
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
        if (this.#early === undefined) this.#tell(message);
        else this.#early.push(message);
        return;
      case 'reply': {
        const asked = this.#settle(message.ref);
        if (message.error === undefined) asked?.resolve(message.result);
        else asked?.reject(BinnacleError.fromWire(message.error satisfies WireError));
        return;
      }
      default: // A newer runner says something that we do not know.
    }
  }

  #tell(news: News): void {
    switch (news.t) {
      case 'grew':
        this.#events.grew(news.id, news.head, news.oldest);
        return;
      case 'changed':
        this.#events.changed(news.status);
        return;
      case 'ran':
        this.#events.ran(news.id, news.run, news.runs);
        return;
    }
  }

  #settle(ref: number): Asked | undefined {
    const asked = this.#asked.get(ref);
    asked?.cancel();
    this.#asked.delete(ref);
    return asked;
  }

  #socketOnClose(): void {
    const wasClosed = this.#isClosed;
    this.#isClosed = true;
    for (const ref of [...this.#asked.keys()]) this.#settle(ref)?.reject(new BinnacleError('runner_unavailable'));
    if (!wasClosed && this.#helloReceived !== undefined) this.#events.lost();
  }
}
