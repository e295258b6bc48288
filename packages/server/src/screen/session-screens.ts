// The screens of sessions for the rest of the gateway: what one shows now, in time or as well as can be, and in the
// background the checkpoints that make it quick. Draws nothing itself.

import { BinnacleError, formatPosition, type SessionId } from '@binnacle/protocol';
import { positionOf } from '../cursor/from.ts';
import type { Log } from '../http/answer.ts';
import type { Session, SessionListener } from '../session.ts';
import { DrawingProcess } from './drawing-process.ts';
import { SPACING } from './spacing.ts';
import type { Drawn, ScreenJob } from './wire.ts';

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

export class SessionScreens {
  readonly #parts: SessionScreensParts;
  readonly #times: ScreenTimes;
  readonly #processes: readonly DrawingProcess[];
  readonly #free: DrawingProcess[];
  readonly #waiting = new Set<(drawing: DrawingProcess) => void>();
  /** What is being drawn, for all who ask meanwhile. */
  readonly #drawing = new Map<string, Promise<Drawn>>();
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
   * What it shows now, or did when its newest output was last whole. Where that takes too long it is what the end of the
   * output gives, and says so (`exact`). Throws `not_a_tty`, and what reading throws.
   */
  async of(session: Session): Promise<Drawn> {
    if (session.record.spec.mode !== 'pty' && !session.isForeign) {
      throw new BinnacleError('not_a_tty', { message: 'The session runs on pipes and has no screen.' });
    }
    const { id } = session;
    const known = this.#drawing.get(id);
    if (known !== undefined) return await known;
    const drawing = this.#draw(session).finally(() => this.#drawing.delete(id));
    this.#drawing.set(id, drawing);
    return await drawing;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#unwatch();
    await Promise.all([this.#behind, ...this.#processes].map((drawing) => drawing.stop()));
  }

  async #draw(session: Session): Promise<Drawn> {
    await session.refresh();
    const job = this.#jobOf(session, { withinMs: this.#times.drawMs, tailBytes: TAIL_BYTES });
    let drawing: DrawingProcess | undefined;
    try {
      drawing = await this.#enter();
      const { drawn, reached } = await drawing.draw(job, true);
      if (drawn === undefined) throw new BinnacleError('internal');
      if (reached < job.head.offset) this.#followed.set(session.id, session);
      return drawn;
    } catch (error) {
      // Something hangs an emulator, or too many ask: the end of the output is shown all the same.
      if (error instanceof BinnacleError && error.code === 'screen_timeout') return await unseen(session);
      throw error;
    } finally {
      if (drawing !== undefined) this.#leave(drawing);
    }
  }

  #jobOf(session: Session, how: Pick<ScreenJob, 'withinMs' | 'tailBytes'>): ScreenJob {
    const { log, id, record } = session;
    const { cols, rows } = record.spec;
    return { id, dir: this.#parts.dirOf(id), head: log.head, oldest: log.oldest, size: { cols, rows }, ...how };
  }

  #enter(): Promise<DrawingProcess> {
    const drawing = this.#free.pop();
    if (drawing !== undefined) return Promise.resolve(drawing);
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(new BinnacleError('screen_timeout'));
    return new Promise((resolve, reject) => {
      const enter = (next: DrawingProcess): void => {
        clearTimeout(timer);
        this.#waiting.delete(enter);
        resolve(next);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(enter);
        reject(new BinnacleError('screen_timeout'));
      }, this.#times.waitMs);
      this.#waiting.add(enter);
    });
  }

  #leave(drawing: DrawingProcess): void {
    const [next] = this.#waiting;
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
    if (session.record.spec.mode !== 'pty' && !session.isForeign) return 0;
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
    ...{ drawnFrom: at.offset, exact: false, lines: [], cursor: { row: 0, col: 0 }, title: '', alternate: false },
  };
}
