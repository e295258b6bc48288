// Rows of terminals that were requested but not started: they wait for the first client that attaches.

import type { SessionId } from '@binnacle/protocol';
import { Store } from './table.ts';

/** `envNames` only: values are often secrets, and are never stored. */
export interface PtySpec {
  readonly cwd?: string | undefined;
  readonly command?: string | undefined;
  readonly cols?: number | undefined;
  readonly rows?: number | undefined;
  readonly envNames: readonly string[];
}

export interface PtyRecord {
  readonly id: SessionId;
  readonly spec: PtySpec;
  /** Ms since 1970. */
  readonly createdAt: number;
}

export class PtyStore extends Store {
  readonly #ptys = this.sql.table<PtyRecord>('ptys', { id: 'text', spec: 'json', createdAt: 'integer' });
  readonly #insert = this.#ptys.insert();
  readonly get = this.#ptys.get('id');
  /** Returns false if there was none. */
  readonly remove = this.#ptys.remove('id');
  /** Removes the terminals made before a time and returns their ids. */
  readonly removeOlder = this.sql.values<SessionId>('DELETE FROM ptys WHERE created_at < ? RETURNING id');
  readonly count = this.sql.count('ptys');

  insert(id: SessionId, spec: PtySpec): void {
    this.#insert({ id, spec, createdAt: Date.now() });
  }
}
