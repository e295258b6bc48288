// Draws screens of logs, each from the nearest checkpoint, and stores more checkpoints on the way. Runs in a process of
// its own: a few bytes can keep an emulator busy for ever, and only the end of the process stops it.

import { join } from 'node:path';
import type { Position } from '@binnacle/protocol';
import { LruMap } from '../base/lru-map.ts';
import { Cursor } from '../cursor/cursor.ts';
import { positionOf } from '../cursor/start-position.ts';
import { PageCache } from '../log/page-cache.ts';
import { SegmentFiles } from '../log/segment-files.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import { SPACING } from './checkpoint-spacing.ts';
import { type Checkpoint, Checkpoints } from './checkpoints.ts';
import type { ScreenSize } from './emulator.ts';
import { LogWalk, renderCheckpoint } from './log-walk.ts';
import type { RenderedScreen, ScreenJob } from './wire.ts';

/** Maximum emulators retained for later jobs. Each takes a few MiB. */
const MAX_WARM = 3;
/**
 * Bytes to go back if a terminal cannot be restored from text at a position: mostly it can a few bytes before, because
 * the next text or cursor move makes it so.
 */
const STEPS_BACK = [1, 2, 4, 8, 16, 32, 64, 256, 1024];
/** Distance before the position at which each of those tries begins. */
const BACK_BYTES = 4096;

/** Part of the time limit after which the speed is measured. */
const TRIAL = 1 / 6;
/** Factor by which drawing may become faster than measured. */
const HOPE = 2;

interface DrawContext {
  readonly job: ScreenJob;
  readonly reader: SegmentReader;
  readonly checkpoints: Checkpoints;
  /** Deadline on the clock of `performance`. */
  readonly until: number;
}

export class ScreenDrawer {
  /** Emulators of earlier jobs, least recently used first. */
  readonly #warm = new LruMap<string, LogWalk>(MAX_WARM, { evicted: (walk) => walk.dispose() });
  /** Shared by all jobs: each would otherwise leave buffers behind. */
  readonly #files = new SegmentFiles({ maxOpen: 4 });
  readonly #cache = new PageCache({ maxBytes: 0 });

  /** Draws a screen. `reached` is less than requested if it took too long. Throws the errors of reading. */
  async draw(
    job: ScreenJob,
    answers: boolean,
  ): Promise<{ readonly screen: RenderedScreen | undefined; readonly reached: number }> {
    const until = performance.now() + job.withinMs;
    const reader = SegmentReader.open(join(job.dir, 'log'), { head: job.head, files: this.#files, cache: this.#cache });
    try {
      reader.setOldest(job.oldest);
      const checkpoints = new Checkpoints(job.dir);
      if (job.at !== undefined) return await this.#drawAt({ reader, checkpoints, until, job: { ...job, at: job.at } });
      const walk = this.#walkOf(job.id, job, { reader, checkpoints });
      const isDone = await this.#walk(walk, { reader, checkpoints, until, job });
      const reached = walk.at.offset;
      if (!answers) return { screen: undefined, reached };
      if (isDone && walk.isRestorable) return { screen: walk.render(), reached };
      if (isDone) {
        const way = { reader, checkpoints, until, job: { ...job, at: job.head.offset } };
        const { screen, isSure } = await this.#drawAt(way);
        if (isSure) return { screen, reached };
      }
      if (!isDone && job.tailBytes > 0) return { screen: await this.#tail(job, reader, job.size), reached };
      // The output after the checkpoint is read like any output.
      const { epoch } = reader;
      const found = checkpoints.nearest(job.head.offset, { epoch, oldest: job.oldest.offset });
      return { screen: found === undefined ? begun(job, reader) : renderCheckpoint(found), reached };
    } finally {
      reader.close();
    }
  }

  /**
   * Draws the screen at an offset, or so few bytes before it that no user sees a difference, if the terminal cannot be
   * restored there.
   */
  async #drawAt(way: DrawContext & { readonly job: { readonly at: number } }): Promise<{
    screen: RenderedScreen;
    reached: number;
    /** True if the output after it has the same effect there. */
    isSure: boolean;
  }> {
    const { job, reader, checkpoints } = way;
    const { at, head } = job;
    // A key of its own: a user who seeks must not lose the emulator that follows the end.
    const key = `${job.id}@`;
    const walk = this.#walkOf(key, { ...job, head: { ...head, offset: Math.min(at, head.offset) } }, way);
    let before: Checkpoint | undefined;
    let isDone = true;
    if (walk.at.offset < at - BACK_BYTES) {
      isDone = await this.#walk(walk, { ...way, job: { ...job, at: at - BACK_BYTES } }, key);
      if (isDone && walk.isRestorable) before = walk.checkpoint();
    }
    isDone = isDone && (await this.#walk(walk, way, key));
    const reached = walk.at.offset;
    const { epoch, oldest } = reader;
    const nearest = checkpoints.nearest(Math.min(at, head.offset), { epoch, oldest: oldest.offset });
    if (!isDone) {
      const size = nearest ?? job.size;
      const screen = await this.#tail({ ...job, head: { ...head, offset: at } }, reader, size);
      return { screen, reached, isSure: false };
    }
    if (walk.isRestorable) return { screen: walk.render(), reached, isSure: true };
    const from = before ?? nearest;
    for (const back of STEPS_BACK) {
      const screen = at - back < (from?.offset ?? oldest.offset) ? undefined : await this.#again(way, from, at - back);
      if (screen !== undefined) return { screen, reached, isSure: true };
    }
    return { screen: walk.render(), reached, isSure: false };
  }

  /** Draws at an earlier offset; returns undefined if the terminal cannot be restored there either. */
  async #again(
    { reader, job, until }: DrawContext,
    from: Checkpoint | undefined,
    at: number,
  ): Promise<RenderedScreen | undefined> {
    const { epoch, oldest } = reader;
    const walk =
      from === undefined
        ? LogWalk.begin({ epoch, ...oldest }, job.begin ?? job.size, oldest.offset === 0)
        : LogWalk.from(from);
    try {
      const cursor = new Cursor(reader, walk.at);
      while (performance.now() < until && walk.at.place < job.head.place && (await walk.step(cursor, at)));
      return walk.isRestorable && walk.at.offset === at ? walk.render() : undefined;
    } finally {
      walk.dispose();
    }
  }

  /** Returns a retained emulator or a new one, at most at the head of the job. `key`: of the retained emulators. */
  #walkOf(key: string, job: ScreenJob, { reader, checkpoints }: Pick<DrawContext, 'reader' | 'checkpoints'>): LogWalk {
    const { epoch, oldest } = reader;
    const known = this.#warm.peek(key);
    const nearest = checkpoints.nearest(job.head.offset, { epoch, oldest: oldest.offset });
    const isGood =
      known !== undefined &&
      known.at.epoch === epoch &&
      known.at.place >= oldest.place &&
      known.at.place <= job.head.place &&
      known.at.offset <= job.head.offset &&
      known.at.offset >= (nearest?.offset ?? 0);
    if (isGood) {
      this.#warm.set(key, known);
      return known;
    }
    known?.dispose();
    this.#warm.delete(key);
    const walk =
      nearest === undefined
        ? LogWalk.begin({ epoch, ...oldest }, job.begin ?? job.size, oldest.offset === 0)
        : LogWalk.from(nearest);
    this.#warm.set(key, walk);
    return walk;
  }

  /** Advances to the head, or to the offset of the job. Returns true when it got there. */
  async #walk(walk: LogWalk, { reader, checkpoints, until, job }: DrawContext, key: string = job.id): Promise<boolean> {
    const cursor = new Cursor(reader, walk.at);
    const oldest = job.oldest.offset;
    const isHopeless = hopeless(walk.at.offset, job, until);
    let nearest = checkpoints.nearest(walk.at.offset, { epoch: reader.epoch, oldest })?.offset ?? oldest;
    try {
      while (walk.at.place < job.head.place) {
        if (performance.now() > until || isHopeless(walk.at.offset)) return false;
        if (!(await walk.step(cursor, job.at))) break;
        if (walk.at.offset - nearest < SPACING || !walk.isRestorable) continue;
        const checkpoint = walk.checkpoint();
        checkpoints.keep(checkpoint, oldest);
        nearest = checkpoint.offset;
      }
      return true;
    } catch (error) {
      // A part of the page may have been processed.
      this.#warm.delete(key);
      walk.dispose();
      throw error;
    }
  }

  /** Draws the last bytes as if the terminal had been cleared before them. */
  async #tail(job: ScreenJob, reader: SegmentReader, size: ScreenSize): Promise<RenderedScreen> {
    const { offset } = job.head;
    const at = await positionOf(reader, { offset: Math.max(reader.oldest.offset, offset - job.tailBytes) });
    const walk = LogWalk.begin(at, size, false);
    try {
      const cursor = new Cursor(reader, at);
      while (walk.at.place < job.head.place && (await walk.step(cursor, job.at)));
      return walk.isRestorable || job.at !== undefined ? walk.render() : begun(job, reader);
    } finally {
      walk.dispose();
    }
  }
}

/**
 * Returns a check that predicts a missed deadline, so that a waiting viewer gets the end of the output at once instead.
 */
function hopeless(from: number, job: ScreenJob, until: number): (at: number) => boolean {
  const began = performance.now();
  const timeMs = until - began;
  const way = Math.min(job.at ?? Number.POSITIVE_INFINITY, job.head.offset) - from;
  return (at) => {
    const spent = (performance.now() - began) / timeMs;
    return job.tailBytes > 0 && spent > TRIAL && (at - from) * HOPE < way * spent;
  };
}

/** Returns an empty screen at the beginning: all output follows. */
function begun({ size, begin = size }: ScreenJob, { epoch, oldest }: SegmentReader): RenderedScreen {
  const at: Position = { epoch, ...oldest };
  const walk = LogWalk.begin(at, begin, oldest.offset === 0);
  try {
    return walk.render();
  } finally {
    walk.dispose();
  }
}
