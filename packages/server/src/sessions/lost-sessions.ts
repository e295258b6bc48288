// Sessions whose runner died: their leftover processes are ended, and they are closed from the data on the disk.

import type { SessionId } from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import type { Fleet } from '../runner/client/fleet.ts';
import { closeLost } from '../runner/lost-session.ts';
import type { SessionRecord } from '../store/sessions.ts';
import type { OpenSessions } from './registry.ts';
import type { Session } from './session.ts';

/** Maximum logs that are closed at once at a start: each is a few open files, and is read to its end. */
const LOSE_AT_ONCE = 16;

export interface LostSessionsParts {
  readonly open: OpenSessions;
  readonly log: Log;
  readonly fleet: Fleet;
  dirOf(id: SessionId): string;
  make(record: SessionRecord): Session;
}

export class LostSessions {
  readonly #parts: LostSessionsParts;
  /** Sessions that are being closed, until their leftover processes have ended. */
  readonly #closing = new Map<SessionId, Promise<void>>();

  constructor(parts: LostSessionsParts) {
    this.#parts = parts;
  }

  /** Closes a session from the data on the disk, after its runner died or if its host is unknown. */
  async close(session: Session): Promise<void> {
    const { id } = session;
    const closing = this.#close(session);
    this.#closing.set(id, closing);
    await closing;
    this.#closing.delete(id);
  }

  /** Closes the sessions of an earlier gateway that no runner hosts any more. */
  async closeAll(records: readonly SessionRecord[]): Promise<void> {
    const { log, fleet, make } = this.#parts;
    const copied = records.filter(({ runner }) => fleet.goesOnElsewhere(runner)).length;
    if (copied > 0) {
      const facts = { sessions: copied };
      log.warn(
        facts,
        'The programs keep running in the data directory that this one was copied from; here they are lost.',
      );
    }
    // In batches: after the loss of a catalogue, all ended sessions come back here.
    for (let at = 0; at < records.length; at += LOSE_AT_ONCE) {
      await Promise.all(records.slice(at, at + LOSE_AT_ONCE).map((record) => this.close(make(record))));
    }
  }

  /** Waits until the leftover processes of a session have ended, if there are any. */
  async ended(id: SessionId): Promise<void> {
    await this.#closing.get(id);
  }

  async #close(session: Session): Promise<void> {
    const { id } = session;
    const { open, log, fleet } = this.#parts;
    const goesOnElsewhere = fleet.goesOnElsewhere(session.record.runner);
    const { wasAnother } = fleet;
    try {
      session.close(await closeLost(this.#parts.dirOf(id), id, { goesOnElsewhere, wasAnother }));
    } catch (error) {
      log.error({ err: error, session: id }, 'a lost session could not be closed');
      const lostReason = goesOnElsewhere ? 'copied' : 'runner_died';
      session.close({ state: 'lost', head: { place: 0, offset: 0 }, lostReason });
    }
    open.keep(session);
  }
}
