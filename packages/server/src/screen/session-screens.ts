// The screens of sessions for the rest of the gateway: what one shows now, in time or as well as can be, and in the
// background the checkpoints that make it quick. Draws nothing itself.

import { BinnacleError, DEFAULT_SIZE, formatPosition, type SessionId } from '@binnacle/protocol';
import { Askers } from '../base/keyed-queue.ts';
import type { Log } from '../base/logger.ts';
import { positionOf } from '../cursor/start-position.ts';
import { checkOffset } from '../log/position-range.ts';
import type { Session, SessionListener } from '../sessions/session.ts';
import { SPACING } from './checkpoint-spacing.ts';
import type { Drawn, ScreenJob } from './wire.ts';
import { DrawingProcess } from './worker-client.ts';

/** Screens that are drawn for viewers at once; the others wait. */
const PROCESSES = 2;
const MAX_WAITING = 1000;

export interface ScreenTimes {
  /** Drawing what is behind the nearest checkpoint. */
  readonly drawMs: number;
  /** Behind others. */
  readonly waitMs: number;
  /** Looking for logs that have grown. */
  readonly lookMs: number;
  /** Drawing in the background, in one go; three times as long it rests. */
  readonly sliceMs: number;
}

const TIMES: ScreenTimes = { drawMs: 600, waitMs: 5000, lookMs: 1000, sliceMs: 200 };
const REST = 3;
/** Programs draw all of a screen again before they have written this much; a shell's screen is its last lines. */
const TAIL_BYTES = 1024 * 1024;
/** A flood that goes on for longer is followed all the same. */
const FLOOD_MS = 15_000;
/** What follows a screen that could not be drawn at all. */
const UNSEEN_BYTES = 64 * 1024;
/** A log that cannot be drawn, or hangs an emulator, is left alone in the background until it has grown so much. */
const LEFT_ALONE_BYTES = 64 * 1024 * 1024;

export interface SessionScreensParts {
  /** The bundled process. */
  readonly script: string;
  dirOf(id: SessionId): string;
  /** Those whose logs may grow. */
  live(): Iterable<Session>;
  /** Tells of those that begin and end. */
  watch(watcher: SessionListener): () => void;
  readonly log: Log;
}

/** What it showed at an output offset. */
export interface ScreenAt {
  readonly offset: number;
  /** Who asks: for each of those one is drawn at a time, and of many the newest are. */
  readonly by: string;
}

type Enter = (drawing: DrawingProcess) => void;

export class SessionScreens {
  /** It is a terminal's, or may be. */
  static has({ record, isForeign }: Session): boolean {
    return record.spec.mode === 'pty' || isForeign;
  }

  readonly #parts: SessionScreensParts;
  readonly #times: ScreenTimes;
  readonly #processes: readonly DrawingProcess[];
  readonly #free: DrawingProcess[];
  /** Those of now go first: somebody opens a session. */
  readonly #waiting = { now: new Set<Enter>(), at: new Set<Enter>() };
  /** What is being drawn, for all who ask meanwhile. */
  readonly #drawing = new Map<string, Promise<Drawn>>();
  readonly #askers = new Askers();
  readonly #behind: DrawingProcess;
  /** Drawn in the background up to that offset. */
  readonly #reached = new Map<string, number>();
  /** Those whose logs may grow, or are over and were not drawn to their ends yet. */
  readonly #followed = new Map<string, Session>();
  /** How far those were that are behind, when they were looked at last; and since when they have flooded. */
  readonly #seen = new Map<string, { readonly offset: number; readonly since: number }>();
  readonly #unwatch: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(parts: SessionScreensParts, times: Partial<ScreenTimes> = {}) {
    this.#parts = parts;
    this.#times = { ...TIMES, ...times };
    this.#behind = new DrawingProcess(parts.script);
    this.#processes = Array.from({ length: PROCESSES }, () => new DrawingProcess(parts.script));
    this.#free = [...this.#processes];
    for (const session of parts.live()) this.#followed.set(session.id, session);
    this.#unwatch = parts.watch({
      changed: (session) => {
        this.#followed.set(session.id, session);
      },
      deleted: ({ id }) => {
        this.#followed.delete(id);
        this.#reached.delete(id);
        this.#seen.delete(id);
      },
    });
    this.#rest(this.#times.lookMs);
  }

  /**
   * What it shows now, or did when its newest output was last whole; with `at`, what it showed then. Where that takes too
   * long it is what the end of the output up to there gives, and says so (`exact`). Throws `not_a_tty`, and what reading
   * throws; with `at` also `offset_ahead`, `gap`, `asked_again` and `screen_timeout`.
   */
  async of(session: Session, at?: ScreenAt): Promise<Drawn> {
    try {
      return await this.drawn(session, at);
    } catch (error) {
      // Something hangs an emulator, or too many ask: the end of the output is shown all the same.
      const isLate = error instanceof BinnacleError && error.code === 'screen_timeout';
      if (isLate && at === undefined) return await unseen(session);
      throw error;
    }
  }

  /** As `of`, but throws `screen_timeout` instead of showing an empty screen. */
  async drawn(session: Session, at?: ScreenAt): Promise<Drawn> {
    if (!SessionScreens.has(session)) {
      throw new BinnacleError('not_a_tty', { message: 'The session runs on pipes and has no screen.' });
    }
    if (at !== undefined) return await this.#askers.inTurn(at.by, () => this.#once(session, at.offset));
    return await this.#once(session);
  }

  async #once(session: Session, at?: number): Promise<Drawn> {
    const key = at === undefined ? session.id : `${session.id}@${at}`;
    const known = this.#drawing.get(key);
    if (known !== undefined) return await known;
    const drawing = this.#draw(session, at).finally(() => this.#drawing.delete(key));
    this.#drawing.set(key, drawing);
    return await drawing;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#unwatch();
    await Promise.all([this.#behind, ...this.#processes].map((drawing) => drawing.stop()));
  }

  async #draw(session: Session, at?: number): Promise<Drawn> {
    await session.refresh();
    if (at !== undefined) checkOffset(session.log, at);
    const job = {
      ...this.#jobOf(session, { withinMs: this.#times.drawMs, tailBytes: TAIL_BYTES }),
      ...(at === undefined ? {} : { at }),
    };
    let drawing: DrawingProcess | undefined;
    try {
      drawing = await this.#enter(at === undefined ? this.#waiting.now : this.#waiting.at);
      const { drawn, reached } = await drawing.draw(job, true);
      if (drawn === undefined) throw new BinnacleError('internal');
      if (at === undefined && reached < job.head.offset) this.#followed.set(session.id, session);
      return drawn;
    } finally {
      if (drawing !== undefined) this.#leave(drawing);
    }
  }

  #jobOf(session: Session, how: Pick<ScreenJob, 'withinMs' | 'tailBytes'>): ScreenJob {
    const { log, id, record, isForeign } = session;
    const { cols, rows } = record.spec;
    const { head, oldest } = log;
    // An emitter may tell the size late, or never: until then it was shown in this one. Our own logs begin with theirs.
    const begin = isForeign && oldest.offset === 0 ? { begin: DEFAULT_SIZE } : {};
    return { id, dir: this.#parts.dirOf(id), head, oldest, size: { cols, rows }, ...begin, ...how };
  }

  #enter(waiting: Set<Enter>): Promise<DrawingProcess> {
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

  #rest(ms: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#follow().then(
        (spentMs) => this.#rest(spentMs === 0 ? this.#times.lookMs : spentMs * REST),
        (error: unknown) => {
          this.#parts.log.warn({ err: error }, 'screens are not followed');
          this.#rest(this.#times.lookMs);
        },
      );
    }, ms);
    this.#timer.unref();
  }

  /** Draws a slice of the log that is furthest behind; returns how long it took, 0 where none is. */
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

  /** A program in full swing is let be for a while: it needs the processor, and what it writes now is soon gone again. */
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

  /** Looked at often: must not open what is closed. */
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

/** An empty screen before the last of the output, which says that it is not what it was. */
async function unseen({ log, record }: Session): Promise<Drawn> {
  const at = await positionOf(log, { tail: UNSEEN_BYTES });
  const { cols, rows } = record.spec;
  return {
    ...{ position: formatPosition(at), offset: at.offset, cols, rows, data: '\x1bc', scrollback: 0 },
    ...{ drawnFrom: at.offset, exact: false, lines: [], cursor: { row: 0, col: 0 }, title: '' },
    ...{ alternate: false, applicationKeys: false },
  };
}
