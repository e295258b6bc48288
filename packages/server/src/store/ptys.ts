// Rows of terminals that were requested but not started: they wait for the first client that attaches.

import type { SessionId } from '@binnacle/protocol';
import type { Database, Statement } from './sqlite.ts';

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

export class PtyStore {
  readonly #insert: Statement;
  readonly #get: Statement;
  readonly #remove: Statement;
  readonly #removeOlder: Statement;
  readonly #count: Statement;

  constructor(db: Database) {
    this.#insert = db.prepare('INSERT INTO ptys (id, spec, created_at) VALUES (?, ?, ?)');
    this.#get = db.prepare('SELECT * FROM ptys WHERE id = ?');
    this.#remove = db.prepare('DELETE FROM ptys WHERE id = ?');
    this.#removeOlder = db.prepare('DELETE FROM ptys WHERE created_at < ? RETURNING id');
    this.#count = db.prepare('SELECT count(*) AS n FROM ptys');
  }

  insert(id: SessionId, spec: PtySpec): void {
    this.#insert.run(id, JSON.stringify(spec), Date.now());
  }

  get(id: string): PtyRecord | undefined {
    const row = this.#get.get(id) as Row | undefined;
    return row && { id: row.id, spec: JSON.parse(row.spec) as PtySpec, createdAt: row.created_at };
  }

  /** Returns false if there was none. */
  remove(id: string): boolean {
    return Number(this.#remove.run(id).changes) > 0;
  }

  /** Removes the terminals made before `time` and returns their ids. */
  removeOlder(time: number): readonly SessionId[] {
    return (this.#removeOlder.all(time) as unknown as readonly Pick<Row, 'id'>[]).map(({ id }) => id);
  }

  count(): number {
    return (this.#count.get() as { readonly n: number }).n;
  }
}

interface Row {
  readonly id: SessionId;
  readonly spec: string;
  readonly created_at: number;
}
