// Sessions whose programs run elsewhere: their creation and their end. Their logs have another writer, the ingest.

import { mkdirSync, rmSync } from 'node:fs';
import { DEFAULT_SIZE, type ForeignInfo, type SessionId, type SessionMode } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { Head } from '../log/log.ts';
import { describeSession } from '../store/recovery/descriptions.ts';
import type { NewSession, SessionChange, SessionRecord } from '../store/sessions.ts';
import { toDisk } from '../store/sqlite.ts';
import type { Catalogue } from '../store/store.ts';
import type { OpenSessions } from './registry.ts';
import type { Session } from './session.ts';

/** A session whose program runs elsewhere, as its first event describes it. */
export interface ForeignSpec {
  readonly foreign: ForeignInfo;
  readonly name: string;
  readonly command?: string | undefined;
  readonly cwd?: string | undefined;
  readonly mode: SessionMode;
  readonly cols?: number | undefined;
  readonly rows?: number | undefined;
}

export interface ForeignSessionsParts {
  readonly catalogue: Catalogue;
  readonly open: OpenSessions;
  dirOf(id: SessionId): string;
  make(record: SessionRecord): Session;
  /** Notifies the watchers of a session. */
  changed(session: Session): void;
}

export class ForeignSessions {
  readonly #parts: ForeignSessionsParts;

  constructor(parts: ForeignSessionsParts) {
    this.#parts = parts;
  }

  /** Counts the sessions that have not ended. */
  count(): number {
    return this.#parts.open.live.filter(({ isForeign }) => isForeign).length;
  }

  /**
   * Creates the session of a program that runs elsewhere. The ingest then creates the log in `dirOf(id)/log`, and only
   * after that announces the session. Throws `disk_full`.
   */
  adopt({ foreign, name, command, cwd = '', mode, cols, rows }: ForeignSpec): Session {
    const id = uuidv7() as SessionId;
    const size = { cols: cols ?? DEFAULT_SIZE.cols, rows: rows ?? DEFAULT_SIZE.rows };
    const argv = command === undefined ? [] : [command];
    const row = {
      id,
      state: 'running',
      name,
      spec: { argv, mode, cwd, envNames: [], takesRuns: false, ...size },
      createdAt: foreign.heardAt,
    } as const;
    const session = this.#insert(row, foreign, undefined, (dir) => mkdirSync(dir, { mode: 0o700 }));
    this.#parts.open.add(session);
    return session;
  }

  /** Notifies the watchers of a new session, whose log exists by now. */
  announce(session: Session): void {
    this.#parts.changed(session);
  }

  /**
   * Creates a finished session from a recording made elsewhere. `moveTo` moves the log into the directory that it is
   * given, under the name `log`. All or nothing. Throws `disk_full`.
   */
  addFinished(row: NewSession, foreign: ForeignInfo, change: SessionChange, moveTo: (dir: string) => void): Session {
    const session = this.#insert(row, foreign, change, moveTo);
    this.#parts.open.keep(session);
    this.#parts.changed(session);
    return session;
  }

  /** Closes a session that has ended. */
  finish(session: Session, change: SessionChange & { readonly head: Head }): void {
    session.close(change);
    this.#parts.open.keep(session);
  }

  /** Inserts a session and fills its directory. Removes the directory if that fails. */
  #insert(
    row: NewSession,
    foreign: ForeignInfo,
    change: SessionChange | undefined,
    fill: (dir: string) => void,
  ): Session {
    const { catalogue, make } = this.#parts;
    const dir = this.#parts.dirOf(row.id);
    try {
      toDisk(() => {
        fill(dir);
        catalogue.foreign.insertWith(row, foreign, change);
        describeSession(dir, catalogue.sessions.require(row.id));
      });
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
    return make(catalogue.sessions.require(row.id));
  }
}
