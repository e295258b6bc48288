// Draws screens of logs, each from the nearest one that is kept, and keeps more on the way. Runs in a thread of its own:
// a few bytes can keep an emulator busy for ever, and nothing but the end of the thread stops it.

import { join } from 'node:path';
import type { Position } from '@binnacle/protocol';
import { Cursor } from '../cursor/cursor.ts';
import { positionOf } from '../cursor/from.ts';
import { PageCache } from '../log/page-cache.ts';
import { SegmentFiles } from '../log/segment-files.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import { Checkpoints } from './checkpoints.ts';
import { SPACING } from './spacing.ts';
import { drawnOf, Walk } from './walk.ts';
import type { Drawn, ScreenJob } from './wire.ts';

/** Emulators that are kept for what comes next. Each takes a few MiB. */
const MAX_WARM = 3;

export class Drawer {
  /** Least recently used first. */
  readonly #warm = new Map<string, Walk>();
  /** For all that it reads, or each job would leave buffers behind. */
  readonly #files = new SegmentFiles({ maxOpen: 4 });
  readonly #cache = new PageCache({ maxBytes: 0 });

  /** What was reached may be less than was asked for, if it took too long. Throws what reading throws. */
  async draw(
    job: ScreenJob,
    answers: boolean,
  ): Promise<{ readonly drawn: Drawn | undefined; readonly reached: number }> {
    const until = performance.now() + job.withinMs;
    const reader = SegmentReader.open(join(job.dir, 'log'), { head: job.head, files: this.#files, cache: this.#cache });
    try {
      reader.setOldest(job.oldest);
      const checkpoints = new Checkpoints(job.dir);
      const walk = this.#walkOf(job, reader, checkpoints);
      const isDone = await this.#walk(walk, { reader, checkpoints, until, job });
      const reached = walk.at.offset;
      if (!answers) return { drawn: undefined, reached };
      if (isDone && walk.isRestorable) return { drawn: walk.drawn(), reached };
      if (!isDone && job.tailBytes > 0) return { drawn: await this.#tail(job, reader), reached };
      // What follows it is read like any output.
      const { epoch } = reader;
      const found = checkpoints.nearest(job.head.offset, { epoch, oldest: job.oldest.offset });
      return { drawn: found === undefined ? begun(job, reader) : drawnOf(found), reached };
    } finally {
      reader.close();
    }
  }

  #walkOf(job: ScreenJob, reader: SegmentReader, checkpoints: Checkpoints): Walk {
    const { epoch, oldest } = reader;
    const known = this.#warm.get(job.id);
    const kept = checkpoints.nearest(job.head.offset, { epoch, oldest: oldest.offset });
    const isGood =
      known !== undefined &&
      known.at.epoch === epoch &&
      known.at.place >= oldest.place &&
      known.at.place <= job.head.place &&
      known.at.offset >= (kept?.offset ?? 0);
    if (isGood) {
      this.#warm.delete(job.id);
      this.#warm.set(job.id, known);
      return known;
    }
    known?.dispose();
    this.#warm.delete(job.id);
    const walk = kept === undefined ? Walk.begin({ epoch, ...oldest }, job.size, oldest.offset === 0) : Walk.from(kept);
    this.#warm.set(job.id, walk);
    for (const [id, oldestWalk] of this.#warm) {
      if (this.#warm.size <= MAX_WARM) break;
      oldestWalk.dispose();
      this.#warm.delete(id);
    }
    return walk;
  }

  /** True when it came to the head. */
  async #walk(
    walk: Walk,
    {
      reader,
      checkpoints,
      until,
      job,
    }: { reader: SegmentReader; checkpoints: Checkpoints; until: number; job: ScreenJob },
  ): Promise<boolean> {
    const cursor = new Cursor(reader, walk.at);
    const oldest = job.oldest.offset;
    let kept = checkpoints.nearest(walk.at.offset, { epoch: reader.epoch, oldest })?.offset ?? oldest;
    try {
      while (walk.at.place < job.head.place) {
        if (performance.now() > until) return false;
        if (!(await walk.step(cursor))) break;
        if (walk.at.offset - kept < SPACING || !walk.isRestorable) continue;
        const checkpoint = walk.checkpoint();
        checkpoints.keep(checkpoint, oldest);
        kept = checkpoint.offset;
      }
      return true;
    } catch (error) {
      // Half of a page may have been taken.
      this.#warm.delete(job.id);
      walk.dispose();
      throw error;
    }
  }

  /** As if the terminal had been cleared before the last bytes. */
  async #tail(job: ScreenJob, reader: SegmentReader): Promise<Drawn> {
    const at = await positionOf(reader, { tail: job.tailBytes });
    const walk = Walk.begin(at, job.size, false);
    try {
      const cursor = new Cursor(reader, at);
      while (walk.at.place < job.head.place && (await walk.step(cursor)));
      return walk.isRestorable ? walk.drawn() : begun(job, reader);
    } finally {
      walk.dispose();
    }
  }
}

/** Nothing yet: everything follows. */
function begun({ size }: ScreenJob, { epoch, oldest }: SegmentReader): Drawn {
  const at: Position = { epoch, ...oldest };
  const walk = Walk.begin(at, size, oldest.offset === 0);
  try {
    return walk.drawn();
  } finally {
    walk.dispose();
  }
}
