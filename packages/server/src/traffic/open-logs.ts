// Open logs of foreign sessions: a bounded number, each opened once for any number of concurrent requests.

import { BinnacleError, type SessionId } from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import { LruMap } from '../base/lru-map.ts';
import type { Session } from '../sessions/session.ts';
import type { ForeignLog } from './foreign-log.ts';

/** Maximum open logs: two descriptors and 32 KiB each. */
const MAX_OPEN = 256;

export interface OpenedLog {
  readonly session: Session;
  readonly log: ForeignLog;
}

export class OpenLogs {
  readonly #openNow: (id: SessionId) => Promise<OpenedLog>;
  readonly #log: Log;
  readonly #open = new LruMap<SessionId, OpenedLog>(MAX_OPEN, { evicted: (opened, id) => this.#close(id, opened) });
  /** Logs that are being opened or closed; the next request waits for that. */
  readonly #busy = new Map<SessionId, Promise<unknown>>();
  #isClosed = false;

  constructor(openNow: (id: SessionId) => Promise<OpenedLog>, log: Log) {
    this.#openNow = openNow;
    this.#log = log;
  }

  /** Returns the open log. Throws `going_away`, and the errors of opening. */
  async get(id: SessionId): Promise<OpenedLog> {
    for (;;) {
      const known = this.#open.get(id);
      if (known !== undefined) return known;
      const busy = this.#busy.get(id);
      if (busy === undefined) break;
      await busy.catch(() => undefined);
    }
    if (this.#isClosed) throw new BinnacleError('going_away');
    const opening = this.#begin(id);
    this.#keepBusy(id, opening);
    return await opening;
  }

  /** Returns the log if it is open. */
  peek(id: SessionId): OpenedLog | undefined {
    return this.#open.peek(id);
  }

  /** Closes a log. Resolves when it is closed, at once if it was not open. */
  async shut(id: SessionId): Promise<void> {
    const opened = this.#open.peek(id);
    this.#open.delete(id);
    if (opened !== undefined) this.#close(id, opened);
    await this.#busy.get(id);
  }

  /** Closes all logs, including those that are being opened. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#open.size > 0 || this.#busy.size > 0) {
      for (const id of [...this.#open.keys()]) void this.shut(id);
      await Promise.allSettled(this.#busy.values());
    }
  }

  async #begin(id: SessionId): Promise<OpenedLog> {
    const opened = await this.#openNow(id);
    this.#open.set(id, opened);
    return opened;
  }

  #close(id: SessionId, { log }: OpenedLog): void {
    const closing = log.close().catch((error: unknown) => {
      // All entries were written before they were acknowledged; on a full disk only the last sync fails.
      this.#log.error({ err: error, session: id }, 'a log could not be synced');
    });
    this.#keepBusy(id, closing);
  }

  #keepBusy(id: SessionId, work: Promise<unknown>): void {
    this.#busy.set(id, work);
    const done = (): void => {
      if (this.#busy.get(id) === work) this.#busy.delete(id);
    };
    work.then(done, done);
  }
}
