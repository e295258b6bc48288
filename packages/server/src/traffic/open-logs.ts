// The logs of foreign sessions that are open for the next event: a bounded number, each opened once however many ask.

import { BinnacleError, type SessionId } from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import type { Session } from '../sessions/session.ts';
import type { ForeignLog } from './foreign-log.ts';

/** Two descriptors and 32 KiB each. */
const MAX_OPEN = 256;

export interface Opened {
  readonly session: Session;
  readonly log: ForeignLog;
}

export class OpenLogs {
  readonly #openNow: (id: SessionId) => Promise<Opened>;
  readonly #log: Log;
  /** Least recently used first. */
  readonly #open = new Map<SessionId, Opened>();
  /** Those that are just being opened or closed: the next one waits for that. */
  readonly #busy = new Map<SessionId, Promise<unknown>>();
  #isClosed = false;

  constructor(openNow: (id: SessionId) => Promise<Opened>, log: Log) {
    this.#openNow = openNow;
    this.#log = log;
  }

  /** Throws `going_away`, and what opening throws. */
  async get(id: SessionId): Promise<Opened> {
    for (;;) {
      const known = this.#open.get(id);
      if (known !== undefined) {
        this.#open.delete(id);
        this.#open.set(id, known);
        return known;
      }
      const busy = this.#busy.get(id);
      if (busy === undefined) break;
      await busy.catch(() => undefined);
    }
    if (this.#isClosed) throw new BinnacleError('going_away');
    const opening = this.#begin(id);
    this.#keepBusy(id, opening);
    return await opening;
  }

  /** Undefined where it is not open. */
  peek(id: SessionId): Opened | undefined {
    return this.#open.get(id);
  }

  /** Resolves when it is closed, at once where it is not open. */
  async shut(id: SessionId): Promise<void> {
    const opened = this.#open.get(id);
    if (opened !== undefined) {
      this.#open.delete(id);
      const closing = opened.log.close().catch((error: unknown) => {
        // All of it was written before anybody was told; what a full disk keeps from us is the sync of the last part.
        this.#log.error({ err: error, session: id }, 'a log could not be synced');
      });
      this.#keepBusy(id, closing);
    }
    await this.#busy.get(id);
  }

  /** Those that are just being opened as well. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#open.size > 0 || this.#busy.size > 0) {
      for (const id of [...this.#open.keys()]) void this.shut(id);
      await Promise.allSettled(this.#busy.values());
    }
  }

  async #begin(id: SessionId): Promise<Opened> {
    const opened = await this.#openNow(id);
    this.#open.set(id, opened);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= MAX_OPEN) break;
      void this.shut(oldest);
    }
    return opened;
  }

  #keepBusy(id: SessionId, work: Promise<unknown>): void {
    this.#busy.set(id, work);
    const done = (): void => {
      if (this.#busy.get(id) === work) this.#busy.delete(id);
    };
    work.then(done, done);
  }
}
