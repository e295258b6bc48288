// Deletes sessions that are too old or beyond the limits for all sessions. The runner applies the limits of each log.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { BinnacleError, defined, type SessionId } from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import type { SessionRecord } from '../store/sessions.ts';
import type { Catalogue } from '../store/store.ts';
import type { Sessions } from './sessions.ts';

/** Catalogue rows read per event-loop turn: about a millisecond. */
const BATCH = 100;

export interface RetentionRules {
  readonly retainMs: number;
  readonly totalBytes: number;
  /** Maximum finished sessions. */
  readonly maxFinished: number;
  /** Ms between two sweeps. */
  readonly sweepMs: number;
}

export interface RetentionParts {
  readonly catalogue: Catalogue;
  readonly sessions: Sessions;
  readonly dir: string;
  readonly log: Log;
}

/** The part of a session's record that a sweep keeps in memory. */
type SweptSession = Pick<SessionRecord, 'id' | 'state'> & {
  readonly bytes: number;
  /** Time of the end or, for a recording of something older, of the import. */
  readonly since: number;
};

export class Retention {
  readonly #parts: RetentionParts;
  readonly #rules: RetentionRules;
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> | undefined;
  #isStopped = false;

  constructor(parts: RetentionParts, rules: RetentionRules) {
    this.#parts = parts;
    this.#rules = rules;
    this.#timer = setInterval(() => {
      this.sweep().catch((error: unknown) => parts.log.error({ err: error }, 'retention failed'));
    }, rules.sweepMs);
    this.#timer.unref();
  }

  /** Stops the sweeps. Resolves when none of them uses the catalogue any more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#isStopped = true;
    await this.#sweeping?.catch(() => undefined);
  }

  /**
   * Deletes finished sessions first, oldest first; then trims running ones to their newest share. Handles a few
   * sessions per event-loop turn, so that viewers do not wait. Joins a sweep that is under way.
   */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const sessions = await this.#all();
    let total = sessions.reduce((sum, { bytes }) => sum + bytes, 0);
    const oldest = this.#parts.catalogue.time.now() - this.#rules.retainMs;
    const finished = sessions.filter(isFinished).reverse();
    let tooMany = finished.length - this.#rules.maxFinished;
    for (const one of finished) {
      const isOld = one.since < oldest;
      if (!isOld && total <= this.#rules.totalBytes && tooMany <= 0) continue;
      if (this.#isStopped) return;
      await this.#delete(one.id);
      total -= one.bytes;
      tooMany -= 1;
      await yieldToEventLoop();
    }
    const running = sessions.filter((one) => !isFinished(one));
    if (total <= this.#rules.totalBytes || running.length === 0) return;
    const share = Math.floor(this.#rules.totalBytes / running.length);
    await Promise.allSettled(running.map(async ({ id }) => await this.#parts.sessions.get(id).trim(share)));
  }

  /** Deletes a session, which may have been deleted by others since the sweep listed it. */
  async #delete(id: SessionId): Promise<void> {
    try {
      await this.#parts.sessions.delete(id);
    } catch (error) {
      if (!(error instanceof BinnacleError) || error.code !== 'session_gone') throw error;
    }
  }

  /** Lists all sessions, newest first. */
  async #all(): Promise<SweptSession[]> {
    const sessions: SweptSession[] = [];
    let after: SessionId | null | undefined;
    while (after !== null && !this.#isStopped) {
      const page = this.#parts.catalogue.sessions.list({ limit: BATCH, ...defined({ after }) });
      for (const { id, state, createdAt, exitedAt, foreign } of page.records) {
        const since = Math.max(exitedAt ?? createdAt, foreign?.heardAt ?? 0);
        sessions.push({ id, state, since, bytes: await this.#bytesOf(id) });
      }
      after = page.next;
      await yieldToEventLoop();
    }
    return sessions;
  }

  async #bytesOf(id: SessionId): Promise<number> {
    const dir = join(this.#parts.dir, id, 'log');
    try {
      let bytes = 0;
      for (const name of await readdir(dir)) bytes += (await stat(join(dir, name))).size;
      return bytes;
    } catch {
      return 0; // Deleted or rolled over during the stat.
    }
  }
}

const isFinished = ({ state }: SweptSession): boolean => state === 'closed' || state === 'lost';
