// Screens of sessions for the rest of the gateway: the current screen, in time or as well as possible, and in the
// background the checkpoints that make it fast. The drawing itself is done by other processes.

import { BinnacleError, DEFAULT_SIZE, defined, formatPosition, type SessionId } from '@binnacle/protocol';
import { ConcurrencyLimit } from '../base/concurrency-limit.ts';
import type { Log } from '../base/logger.ts';
import { Timer } from '../base/timer.ts';
import { positionOf } from '../cursor/start-position.ts';
import { checkOffset } from '../log/position-range.ts';
import type { Session, SessionListener } from '../sessions/session.ts';
import { SPACING } from './checkpoint-spacing.ts';
import type { RenderedScreen, ScreenJob } from './wire.ts';
import { DrawingProcess } from './worker-client.ts';

/** Maximum screens that are drawn for viewers in parallel; other requests wait. */
const PROCESSES = 2;
const MAX_WAITING = 1000;
/** Niceness of a process that a viewer waits for, and of the one that stores checkpoints. */
const NICE = { viewer: 5, background: 10 };
/** Requests of one requester: enough waiting ones for two pages, each with superseded requests. */
const REQUESTS = { limit: 1, waiting: 4 };

export interface ScreenTimes {
  /** Maximum ms to draw the output after the nearest checkpoint. */
  readonly drawMs: number;
  /** Ms after `drawMs` until the process is killed. */
  readonly graceMs: number;
  /** Maximum ms in the queue. */
  readonly waitMs: number;
  /** Interval of checks for logs that have grown. */
  readonly checkMs: number;
  /** Ms of drawing in the background per slice, followed by a pause of three times as long. */
  readonly sliceMs: number;
}

// A process checks its clock after each page, so a process without an answer in the grace time is busy for ever.
const TIMES: ScreenTimes = { drawMs: 600, graceMs: 2000, waitMs: 5000, checkMs: 1000, sliceMs: 200 };
const REST = 3;
/**
 * Bytes drawn of a long output: programs redraw all of a screen within this much, and a shell's screen is its last
 * lines.
 */
const TAIL_BYTES = 1024 * 1024;
/** Maximum delay of background drawing by a flood; a longer flood is followed all the same. */
const FLOOD_MS = 15_000;
/** Bytes of output after an empty screen that stands for one that could not be drawn. */
const UNSEEN_BYTES = 64 * 1024;
/** Growth after which the background tries again with a log that cannot be drawn, or hangs an emulator. */
const LEFT_ALONE_BYTES = 64 * 1024 * 1024;

export interface SessionScreensParts {
  /** Path of the bundled process. */
  readonly script: string;
  dirOf(id: SessionId): string;
  /** Sessions whose logs may grow. */
  live(): Iterable<Session>;
  /** Notifies of sessions that begin and end. */
  watch(watcher: SessionListener): () => void;
  readonly log: Log;
}

/** A request for the screen at an output offset. */
export interface ScreenAt {
  readonly offset: number;
  /** The requester. For each, one screen is drawn at a time, and of several requests only the newest. */
  readonly by: string;
}

type SlotWaiter = (drawing: DrawingProcess) => void;

export class SessionScreens {
  /** True for a session with a terminal, or perhaps with one. */
  static has({ record, isForeign }: Session): boolean {
    return record.spec.mode === 'pty' || isForeign;
  }

  readonly #parts: SessionScreensParts;
  readonly #times: ScreenTimes;
  readonly #processes: readonly DrawingProcess[];
  readonly #free: DrawingProcess[];
  /** Queues. Requests for the current screen go first: a user is opening a session. */
  readonly #waiting = { now: new Set<SlotWaiter>(), at: new Set<SlotWaiter>() };
  /** Screens being drawn, shared by all concurrent requests (dedupe). */
  readonly #drawing = new Map<string, Promise<RenderedScreen>>();
  /** Requests for screens at an offset, by requester. */
  readonly #requests = new ConcurrencyLimit(REQUESTS);
  readonly #behind: DrawingProcess;
  /** Output offsets up to which the background has drawn. */
  readonly #reached = new Map<string, number>();
  /** Sessions whose logs may grow, or have ended but are not drawn to their ends yet. */
  readonly #followed = new Map<string, Session>();
  /** Last seen offset of each session that is behind, and the start of its flood. */
  readonly #seen = new Map<string, { readonly offset: number; readonly since: number }>();
  readonly #unwatch: () => void;
  readonly #timer = new Timer();
  #isFollowing = false;
  #isStopped = false;

  constructor(parts: SessionScreensParts, times: Partial<ScreenTimes> = {}) {
    this.#parts = parts;
    this.#times = { ...TIMES, ...times };
    const { script } = parts;
    const { graceMs } = this.#times;
    this.#behind = new DrawingProcess({ script, graceMs, nice: NICE.background });
    this.#processes = Array.from(
      { length: PROCESSES },
      () => new DrawingProcess({ script, graceMs, nice: NICE.viewer }),
    );
    this.#free = [...this.#processes];
    for (const session of parts.live()) this.#followed.set(session.id, session);
    this.#unwatch = parts.watch({
      changed: (session) => {
        this.#followed.set(session.id, session);
        this.#rest(this.#times.checkMs);
      },
      deleted: ({ id }) => {
        this.#followed.delete(id);
        this.#reached.delete(id);
        this.#seen.delete(id);
      },
    });
    this.#rest(this.#times.checkMs);
  }

  /**
   * Returns the current screen, or the screen at the newest output that was complete; with `at`, the screen at that
   * offset. If it takes too long, draws only the end of the output, which `exact` shows. Throws `not_a_tty`, and the
   * errors of reading; with `at` also `offset_ahead`, `gap`, `asked_again` and `screen_timeout`.
   */
  async of(session: Session, at?: ScreenAt): Promise<RenderedScreen> {
    try {
      return await this.requireScreen(session, at);
    } catch (error) {
      // The output hangs an emulator, or there are too many requests: the end of the output is shown all the same.
      const isLate = error instanceof BinnacleError && error.code === 'screen_timeout';
      if (isLate && at === undefined) return await unseen(session);
      throw error;
    }
  }

  /** Returns the screen as `of`, but throws `screen_timeout` instead of showing an empty screen. */
  async requireScreen(session: Session, at?: ScreenAt): Promise<RenderedScreen> {
    if (!SessionScreens.has(session)) {
      throw new BinnacleError('not_a_tty', { message: 'The session runs on pipes and has no screen.' });
    }
    if (at !== undefined) return await this.#requests.run(at.by, () => this.#once(session, at.offset));
    return await this.#once(session);
  }

  async #once(session: Session, at?: number): Promise<RenderedScreen> {
    const key = at === undefined ? session.id : `${session.id}@${at}`;
    const known = this.#drawing.get(key);
    if (known !== undefined) return await known;
    const drawing = this.#draw(session, at).finally(() => this.#drawing.delete(key));
    this.#drawing.set(key, drawing);
    return await drawing;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer.clear();
    this.#unwatch();
    await Promise.all([this.#behind, ...this.#processes].map((drawing) => drawing.stop()));
  }

  async #draw(session: Session, at?: number): Promise<RenderedScreen> {
    await session.refresh();
    if (at !== undefined) checkOffset(session.log, at);
    const job = {
      ...this.#jobOf(session, { withinMs: this.#times.drawMs, tailBytes: TAIL_BYTES }),
      ...defined({ at }),
    };
    let drawing: DrawingProcess | undefined;
    try {
      drawing = await this.#enter(at === undefined ? this.#waiting.now : this.#waiting.at);
      const { screen, reached } = await drawing.draw(job, true);
      if (screen === undefined) throw new BinnacleError('internal');
      if (at === undefined && reached < job.head.offset) {
        this.#followed.set(session.id, session);
        this.#rest(this.#times.checkMs);
      }
      return screen;
    } finally {
      if (drawing !== undefined) this.#leave(drawing);
    }
  }

  #jobOf(session: Session, how: Pick<ScreenJob, 'withinMs' | 'tailBytes'>): ScreenJob {
    const { log, id, record, isForeign } = session;
    const { cols, rows } = record.spec;
    const { head, oldest } = log;
    // An emitter may report the size late, or never: until then output was shown in this size. The gateway's own logs
    // begin with their size.
    const begin = isForeign && oldest.offset === 0 ? { begin: DEFAULT_SIZE } : {};
    return { id, dir: this.#parts.dirOf(id), head, oldest, size: { cols, rows }, ...begin, ...how };
  }

  #enter(waiting: Set<SlotWaiter>): Promise<DrawingProcess> {
    const drawing = this.#free.pop();
    if (drawing !== undefined) return Promise.resolve(drawing);
    if (waiting.size >= MAX_WAITING) return Promise.reject(new BinnacleError('screen_timeout'));
    return new Promise((resolve, reject) => {
      const enter = (next: DrawingProcess): void => {
        clearTimeout(timer);
        waiting.delete(enter);
        resolve(next);
      };
      const timer = setTimeout(() => {
        waiting.delete(enter);
        reject(new BinnacleError('screen_timeout'));
      }, this.#times.waitMs);
      waiting.add(enter);
    });
  }

  #leave(drawing: DrawingProcess): void {
    const { now, at } = this.#waiting;
    const [next] = now.size > 0 ? now : at;
    if (next !== undefined) next(drawing);
    else this.#free.push(drawing);
  }

  /** Draws in the background after a pause, and goes on while there are logs to follow. */
  #rest(ms: number): void {
    if (this.#isStopped || this.#isFollowing || this.#followed.size === 0) return;
    this.#timer.setOnce(ms, () => {
      this.#isFollowing = true;
      const goOn = (spentMs: number): void => {
        this.#isFollowing = false;
        this.#rest(spentMs === 0 ? this.#times.checkMs : spentMs * REST);
      };
      this.#follow().then(goOn, (error: unknown) => {
        this.#parts.log.warn({ err: error }, 'screens are not followed');
        goOn(0);
      });
    });
  }

  /** Draws a slice of the log that is furthest behind. Returns how long it took; 0 if no log is behind. */
  async #follow(): Promise<number> {
    const session = this.#next();
    if (session === undefined) return 0;
    const { id } = session;
    const from = performance.now();
    const job = this.#jobOf(session, { withinMs: this.#times.sliceMs, tailBytes: 0 });
    try {
      const { reached } = await this.#behind.draw(job, false);
      this.#reached.set(id, reached);
    } catch (error) {
      if (this.#isStopped) return 0;
      this.#reached.set(id, job.head.offset + LEFT_ALONE_BYTES - SPACING);
      this.#parts.log.warn({ err: error, session: id }, 'a screen could not be drawn');
    }
    return Math.max(1, performance.now() - from);
  }

  #next(): Session | undefined {
    let most = SPACING;
    let next: Session | undefined;
    for (const [id, session] of this.#followed) {
      const behind = this.#behindOf(session);
      if (behind < SPACING && !session.isHosted) {
        this.#followed.delete(id);
        this.#reached.delete(id);
        this.#seen.delete(id);
      } else if (behind >= most && !this.#isFlooding(session)) {
        most = behind;
        next = session;
      }
    }
    return next;
  }

  /**
   * Tells whether a program is flooding. Its screen is drawn later: the program needs the processor, and the screen is
   * soon overwritten.
   */
  #isFlooding({ id, log, isHosted }: Session): boolean {
    if (!isHosted) return false;
    const now = performance.now();
    const { offset } = log.head;
    const before = this.#seen.get(id);
    const hasGrown = before === undefined || offset - before.offset >= SPACING;
    const since = hasGrown ? (before?.since ?? now) : Number.NEGATIVE_INFINITY;
    this.#seen.set(id, { offset, since: hasGrown ? since : now });
    return now - since < FLOOD_MS;
  }

  /** Returns the bytes that are not drawn yet. Called often: must not open closed logs. */
  #behindOf(session: Session): number {
    if (!SessionScreens.has(session)) return 0;
    try {
      const { oldest, head } = session.log;
      return head.offset - Math.max(oldest.offset, this.#reached.get(session.id) ?? 0);
    } catch {
      return 0; // Not started yet, or deleted.
    }
  }
}

/** Returns an empty screen before the last of the output, marked as not exact. */
async function unseen({ log, record }: Session): Promise<RenderedScreen> {
  const at = await positionOf(log, { tail: UNSEEN_BYTES });
  const { cols, rows } = record.spec;
  return {
    ...{ position: formatPosition(at), offset: at.offset, cols, rows, data: '\x1bc', scrollback: 0 },
    ...{ drawnFrom: at.offset, exact: false, lines: [], cursor: { row: 0, col: 0 }, title: '' },
    ...{ alternate: false, applicationKeys: false },
  };
}
