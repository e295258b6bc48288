// The emitter: sessions in, a bounded buffer, requests to one gateway out. Built and taken apart here.

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Diagnostics } from './diagnostics.ts';
import { Channel, EventBuffer, type Life } from './event-buffer.ts';
import { Journal } from './journal.ts';
import { HEARTBEAT_MS, type LifeFolder, Lives } from './lives.ts';
import { type EmitterOptions, type SessionOptions, type Settings, settingsOf } from './options.ts';
import { Sender } from './sender.ts';
import { BufferedSession, type EmittedSession, isGoodId } from './session.ts';
import { type Backlog, type EmitStats, newTally, type Tally } from './tally.ts';

/** Milliseconds between scans for events that ended processes left. */
const SCAN_INTERVAL_MS = 30_000;
/** Names of ended sessions that are remembered, so that none is begun a second time. */
const REMEMBERED = 10_000;

/**
 * Sends the output of programs that run elsewhere to a gateway. No method throws, waits for the network or keeps the
 * process alive.
 */
export interface Emitter {
  /** Begins a session and returns it. The id of an open session returns that session. Never throws. */
  session(options?: SessionOptions): EmittedSession;
  /** Counters since the start of the process. */
  readonly stats: EmitStats;
  /**
   * Sends what waits, for at most `withinMs` milliseconds (default: `flushMs`), and resolves with what is left. Never
   * throws.
   */
  flush(timeoutMs?: number): Promise<Backlog>;
  /** Flushes and stops. What is left is lost, unless it is on disk. */
  close(timeoutMs?: number): Promise<Backlog>;
}

/**
 * Creates an emitter. Throws `TypeError` for wrong options, so that a mistake shows when the program starts. Nothing
 * throws later: the program never waits, gets no error, and is not kept alive.
 *
 * @example
 * ```ts
 * import { createEmitter } from '@binnacle/emit';
 *
 * const emitter = createEmitter({
 *   url: 'http://127.0.0.1:7117',
 *   token: () => process.env.BINNACLE_TOKEN, // scope ingest
 *   source: 'ci',
 *   buffer: { dir: '/var/lib/ci/binnacle' },
 * });
 * const build = emitter.session({ command: 'make all', labels: { job: '42' } });
 * build.output('building\n');
 * build.end({ exitCode: 0 });
 * const { events, isOnDisk } = await emitter.close();
 * if (events > 0) console.error(`${events} events are left`, isOnDisk ? 'on disk' : 'and lost');
 * ```
 */
export function createEmitter(options: EmitterOptions): Emitter {
  return new BufferedEmitter(settingsOf(options), new Diagnostics(options.onDiagnostic));
}

class BufferedEmitter implements Emitter {
  private readonly settings: Settings;
  private readonly diagnostics: Diagnostics;
  private readonly tally: Tally;
  /** Null where the buffer is in memory. */
  private readonly lives: Lives | null;
  private readonly folders: Map<number, LifeFolder>;
  private readonly own: Life;
  private readonly buffer: EventBuffer;
  private readonly sender: Sender;
  private readonly open: Map<string, BufferedSession>;
  private readonly endedIds: Set<string>;
  private readonly timers: readonly NodeJS.Timeout[];
  private readonly onExit: () => void;
  private isClosed: boolean;

  constructor(settings: Settings, diagnostics: Diagnostics) {
    this.settings = settings;
    this.diagnostics = diagnostics;
    this.tally = newTally();
    this.lives = this.openLives();
    this.folders = new Map();
    this.own = this.lives === null ? lifeInMemory(settings) : this.lifeIn(this.lives.own);
    this.buffer = new EventBuffer(this.own, settings.bufferBytes, this.tally, diagnostics);
    this.sender = new Sender({
      settings,
      buffer: this.buffer,
      diagnostics,
      tally: this.tally,
      settled: () => this.forget(),
    });
    this.open = new Map();
    this.endedIds = new Set();
    this.isClosed = false;
    this.onExit = () => this.reportBacklog();
    process.on('exit', this.onExit);
    this.timers =
      this.lives === null
        ? []
        : [
            setInterval(() => this.lives?.beat(Date.now()), HEARTBEAT_MS).unref(),
            setInterval(() => this.adopt(), SCAN_INTERVAL_MS).unref(),
          ];
    this.adopt();
  }

  get stats(): EmitStats {
    const { events, outputBytes, sessions } = this.buffer;
    return { ...this.tally, buffered: events, bufferedBytes: outputBytes, bufferedSessions: sessions };
  }

  session(options: SessionOptions = {}): EmittedSession {
    const { id: requestedId, ...fields } = options;
    if (requestedId !== undefined && !isGoodId(requestedId))
      this.diagnostics.report({
        kind: 'clipped',
        message: `${JSON.stringify(String(requestedId).slice(0, 80))} is not a valid session id: another id is used.`,
      });
    const id = isGoodId(requestedId) ? requestedId : randomUUID();
    const known = this.open.get(id);
    if (known !== undefined) return known;
    const channel = new Channel(id, this.own);
    if (this.endedIds.has(id) || this.isClosed) {
      // Its numbers would begin at 0 again, and the gateway would take all of it for sent twice.
      channel.isRefused = true;
      this.diagnostics.report({
        kind: 'session_refused',
        message: this.isClosed ? 'The emitter is closed.' : 'A session with this id has ended.',
        code: this.isClosed ? 'client_closed' : 'session_exited',
        session: id,
      });
    }
    const session = new BufferedSession(
      {
        buffer: this.buffer,
        diagnostics: this.diagnostics,
        tally: this.tally,
        channel,
        wake: () => this.sender.wake(),
        ended: () => this.ended(id, requestedId === id),
      },
      {
        ...fields,
        source: fields.source ?? this.settings.source,
        labels: { ...this.settings.labels, ...fields.labels },
      },
    );
    this.open.set(id, session);
    return session;
  }

  async flush(timeoutMs: number = this.settings.flushMs): Promise<Backlog> {
    if (!this.isClosed && this.buffer.events > 0) await this.sender.drain(performance.now() + timeoutMs);
    return this.left();
  }

  async close(timeoutMs: number = this.settings.flushMs): Promise<Backlog> {
    if (this.isClosed) return this.left();
    await this.flush(timeoutMs);
    if (this.isClosed) return this.left();
    this.isClosed = true;
    const left = this.left();
    process.off('exit', this.onExit);
    for (const timer of this.timers) clearInterval(timer);
    this.sender.close();
    this.buffer.close();
    this.lives?.release();
    return left;
  }

  private left(): Backlog {
    return { events: this.buffer.events, bytes: this.buffer.outputBytes, isOnDisk: this.lives !== null };
  }

  private ended(id: string, wasNamed: boolean): void {
    this.open.delete(id);
    if (!wasNamed) return;
    this.endedIds.add(id);
    const [oldest] = this.endedIds;
    if (this.endedIds.size > REMEMBERED && oldest !== undefined) this.endedIds.delete(oldest);
  }

  private openLives(): Lives | null {
    const { dir, producer } = this.settings;
    if (dir === undefined) return null;
    try {
      const lives = new Lives(dir, producer, Date.now());
      this.reportStrange(dir, lives.strange);
      return lives;
    } catch (error) {
      this.reportDisk(error);
      return null;
    }
  }

  private lifeIn(folder: LifeFolder): Life {
    const journal = new Journal(folder.path, this.settings.bufferBytes);
    return { producer: folder.producer, epoch: folder.epoch, journal, channels: new Map() };
  }

  private adopt(): void {
    if (this.lives === null) return;
    for (const folder of this.leftByOthers(this.lives)) {
      try {
        this.buffer.adopt(this.lifeIn(folder));
        this.folders.set(folder.epoch, folder);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        this.diagnostics.report({
          kind: 'damaged',
          message: `The buffer of an earlier process cannot be read (${why}).`,
        });
      }
    }
    this.forget();
    if (this.buffer.events > 0) this.sender.wake();
  }

  private leftByOthers(lives: Lives): LifeFolder[] {
    try {
      return lives.left((epoch) => this.buffer.has(epoch));
    } catch (error) {
      this.reportDisk(error);
      return [];
    }
  }

  private forget(): void {
    for (const { epoch, journal } of this.buffer.finished()) {
      journal?.close();
      const folder = this.folders.get(epoch);
      this.folders.delete(epoch);
      if (folder !== undefined) this.lives?.remove(folder);
    }
  }

  private reportStrange(dir: string, [name]: readonly string[]): void {
    if (name === undefined) return;
    const message = `The folder ${join(dir, name)} is no buffer of an earlier process, whose numbers are lower: it is not changed.`;
    this.diagnostics.report({ kind: 'damaged', message, hint: 'Remove the folder.' });
  }

  private reportDisk(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.diagnostics.report({ kind: 'disk', message: `The buffer on disk cannot be used (${why}); memory is used.` });
  }

  private reportBacklog(): void {
    const { events, bytes } = this.left();
    if (events === 0) return;
    const { sessions } = this.buffer;
    const what = `${bytes} bytes of output of ${sessions} ${sessions === 1 ? 'session' : 'sessions'}`;
    const fate = this.lives === null ? 'lost' : 'kept on disk for the next start';
    this.diagnostics.report({
      kind: 'left',
      message: `The process ends, and ${what} are not delivered: ${fate}.`,
    });
  }
}

/** Nothing outlives the process. A fixed producer name is fenced by the time. */
const lifeInMemory = ({ producer }: Settings): Life => ({
  producer: producer ?? randomUUID(),
  epoch: producer === undefined ? 0 : Date.now(),
  journal: null,
  channels: new Map(),
});
