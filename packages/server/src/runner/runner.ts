// The runner: hosts programs, and serves one gateway over a socket.

import { timingSafeEqual } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { BinnacleError, defined, isDiskFull } from '@binnacle/protocol';
import { afterOwnTime } from '../base/running-time.ts';
import { GroupSync } from '../log/group-sync.ts';
import { SegmentWriter } from '../log/segment-writer.ts';
import { Fifos } from '../process/fifos.ts';
import { PtyLoader } from '../process/native-pty.ts';
import { pipeStarter } from '../process/pipe.ts';
import type { StartProgram } from '../process/program.ts';
import { ptyStarter, READ_BYTES } from '../process/pty.ts';
import { identityOf } from './directory-identity.ts';
import { GrowthWatches } from './growth-watches.ts';
import { HostedProgram } from './hosted-program.ts';
import {
  encodeRunnerFrame,
  type FromRunner,
  type HostedSpec,
  RUNNER_PROTOCOL,
  type RunnerRequest,
  runnerFrameReader,
  type ToRunner,
} from './wire.ts';

/** Maximum time until a connection has shown the token. A slower connection is not the gateway's. */
const HELLO_MS = 5000;
/**
 * Maximum unsent bytes for a gateway that has stopped reading. Beyond it the runner closes the connection, and the
 * gateway reconnects.
 */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;

/** Maximum life of a spare runner without a gateway. A gateway that was killed is back within seconds. */
const SPARE_MS = 60_000;

export class Runner {
  readonly #token: Buffer;
  readonly #root: string;
  readonly #orphanMs: number;
  readonly #exit: () => void;
  #cancelOrphaned: (() => void) | undefined;
  readonly #programs = new Map<string, HostedProgram>();
  readonly #watches = new GrowthWatches<HostedProgram>(({ spec: { id }, head, oldest }, left) =>
    this.#send({ t: 'grew', id, head, oldest, left }),
  );
  readonly #sync: GroupSync;
  readonly #fifos: Fifos;
  readonly #start: Readonly<Record<HostedSpec['mode'], StartProgram>>;
  readonly #server: Server;
  /** The newest gateway that showed the token. An older connection is closed (fencing). */
  #gateway: Socket | undefined;
  #isRetiring = false;

  constructor(options: {
    readonly token: string;
    /** The data directory. A gateway of another data directory is refused. */
    readonly root: string;
    /** The runner's directory. */
    readonly dir: string;
    readonly syncMs: number;
    readonly orphanMs: number;
    /** Ends the process. Called when the runner is retired or orphaned, and no program is left. */
    readonly exit: () => void;
  }) {
    this.#token = Buffer.from(options.token);
    this.#root = options.root;
    this.#orphanMs = options.orphanMs;
    this.#exit = options.exit;
    this.#waitForGateway();
    this.#sync = new GroupSync({
      intervalMs: options.syncMs,
      onError: (error) => console.error(new Date().toISOString(), 'a log could not be synced', error),
    });
    const fifos = new Fifos(options.dir);
    this.#fifos = fifos;
    const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);
    this.#start = { pty: ptyStarter(readBuffer, new PtyLoader()), pipe: pipeStarter(fifos, readBuffer) };
    this.#server = createServer((socket) => this.#socketOnConnect(socket));
    // A failure here will appear again at the first program on pipes, which reports it.
    fifos.fill().catch(() => undefined);
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // listen() takes the mode from the umask: 0600.
      const umask = process.umask(0o177);
      this.#server.listen(path, resolve);
      process.umask(umask);
    });
  }

  /** Ends every program. For a shutdown of the machine. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#programs.values()].map((hosted) => hosted.end()));
  }

  #socketOnConnect(socket: Socket): void {
    const cancelHello = afterOwnTime(HELLO_MS, () => socket.destroy());
    const reader = runnerFrameReader<ToRunner>((message, payload) => {
      if (this.#gateway === socket) this.#handle(message, payload);
      else if (message.t === 'hello' && this.#isToken(message.token)) {
        cancelHello();
        // Read on each hello: a new mount may have another number.
        const directory = identityOf(this.#root);
        if (directory !== undefined && message.directory !== undefined && message.directory !== directory) {
          socket.end(encodeRunnerFrame({ t: 'refused', directory }));
          return;
        }
        this.#cancelOrphaned?.();
        this.#gateway?.destroy();
        this.#gateway = socket;
        this.#watches.clear();
        const programs = [...this.#programs.values()].map((hosted) => hosted.status);
        this.#send({ ...{ t: 'hello', protocol: RUNNER_PROTOCOL, programs }, ...defined({ directory }) });
      } else socket.destroy();
    });
    socket.on('data', (bytes) => {
      try {
        reader.push(bytes);
      } catch {
        socket.destroy(); // A foreign client, or a broken gateway, which connects again.
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      cancelHello();
      if (this.#gateway !== socket) return;
      this.#gateway = undefined;
      this.#waitForGateway();
    });
  }

  #waitForGateway(): void {
    this.#cancelOrphaned?.();
    // A runner without programs has no use; it exits when no gateway connects.
    const delay = this.#orphanMs > 0 ? this.#orphanMs : this.#programs.size === 0 ? SPARE_MS : undefined;
    if (delay === undefined) return;
    this.#cancelOrphaned = afterOwnTime(delay, () => {
      if (this.#orphanMs === 0 && this.#programs.size > 0) return;
      void this.endAll().finally(this.#exit);
    });
  }

  #isToken(text: unknown): boolean {
    const presented = Buffer.from(String(text));
    return presented.length === this.#token.length && timingSafeEqual(presented, this.#token);
  }

  #handle(message: ToRunner, payload: Buffer): void {
    if (message.t === 'hello') return;
    if (message.t === 'watch') {
      const { id, place, atLeast, withinMs, reports = 1 } = message;
      const hosted = this.#programs.get(id);
      // A closed program has sent `changed` with its last head.
      if (hosted !== undefined)
        this.#watches.set(hosted, { place, pace: { atLeast, maxDelayMs: withinMs }, left: reports });
      return;
    }
    const { ref } = message;
    const refuse = (error: unknown) => this.#send({ t: 'reply', ref, error: toBinnacleError(error).toWire() });
    try {
      const result = this.#answer(message, payload);
      if (result instanceof Promise) result.then((value) => this.#send({ t: 'reply', ref, result: value }), refuse);
      else this.#send({ t: 'reply', ref, result });
    } catch (error) {
      refuse(error);
    }
  }

  #answer(request: RunnerRequest, payload: Buffer): unknown {
    switch (request.t) {
      case 'start':
        return this.#startProgram(request.spec);
      case 'list':
        return [...this.#programs.values()].map((hosted) => hosted.status);
      case 'status':
        return this.#find(request.id).status;
      case 'retire':
        this.#isRetiring = true;
        this.#exitWhenEmpty();
        return null;
      case 'input':
        return this.#find(request.id).write(payload, request.writer, request.client, request.n);
      case 'close_input':
        return this.#find(request.id).closeInput(request.writer);
      case 'signal':
        return this.#find(request.id).signal(request.signal, request.writer);
      case 'resize':
        return this.#find(request.id).resize(request.cols, request.rows, request.writer);
      case 'fence':
        return this.#find(request.id).raiseFence(request.fence);
      case 'run':
        return this.#find(request.id).run(request.run, request.request, request.writer);
      case 'cancel_run':
        return this.#find(request.id).cancelRun(request.run, request.writer);
      case 'processes':
        return this.#find(request.id).listProcesses();
      case 'end':
        return this.#find(request.id).end(request.times);
      case 'trim':
        return this.#find(request.id).trim(request.maxBytes);
      default:
        throw new BinnacleError('bad_request', {
          message: 'This runner is older than the gateway and does not know that.',
        });
    }
  }

  #find(id: string): HostedProgram {
    const hosted = this.#programs.get(id);
    if (hosted === undefined) throw new BinnacleError('session_exited');
    return hosted;
  }

  async #startProgram(requested: HostedSpec): Promise<unknown> {
    const spec = { ...requested, dir: lastingPlace(requested) };
    const { segmentBytes, retainBytes } = spec;
    const log = SegmentWriter.create(join(spec.dir, 'log'), { segmentBytes, retainBytes, group: this.#sync });
    const hosted = new HostedProgram(spec, log, {
      grew: (grown) => this.#watches.grew(grown),
      changed: (changed) => this.#programOnChanged(changed),
      ran: ({ spec: { id }, status }, run) => this.#send({ t: 'ran', id, run, runs: status.runs }),
    });
    this.#programs.set(spec.id, hosted);
    try {
      await hosted.start(this.#start[spec.mode], this.#fifos);
    } catch (error) {
      this.#programs.delete(spec.id);
      await log.close();
      throw error;
    }
    return hosted.status;
  }

  #programOnChanged(hosted: HostedProgram): void {
    this.#send({ t: 'changed', status: hosted.status });
    if (!hosted.isClosed) return;
    this.#watches.flush(hosted);
    this.#programs.delete(hosted.spec.id);
    if (this.#gateway === undefined) this.#waitForGateway();
    this.#exitWhenEmpty();
  }

  #exitWhenEmpty(): void {
    if (this.#isRetiring && this.#programs.size === 0) {
      this.#server.close();
      // The unsent messages leave first; then nothing keeps the event loop alive.
      this.#gateway?.end();
      setTimeout(this.#exit, 100).unref();
    }
  }

  #send(message: FromRunner): void {
    const gateway = this.#gateway;
    if (gateway === undefined) return; // The next gateway gets the whole state in the hello.
    gateway.write(encodeRunnerFrame(message));
    if (gateway.writableLength > MAX_UNSENT_BYTES) gateway.destroy();
  }
}

/** Returns the path that stays valid when the data directory is moved, if `place` and `dir` are the same directory. */
function lastingPlace({ dir, place }: HostedSpec): string {
  return place !== undefined && identityOf(place) === identityOf(dir) ? place : dir;
}

const toBinnacleError = (error: unknown): BinnacleError =>
  error instanceof BinnacleError || isDiskFull(error)
    ? BinnacleError.of(error)
    : new BinnacleError('internal', { message: error instanceof Error ? error.message : String(error), cause: error });
