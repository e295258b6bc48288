// Prepared statements of the stores, with the conversion between columns and the fields of records. No query builder:
// special queries are SQL, and read their rows through the same columns.

import type { Database, SqlValue, Statement } from './sqlite.ts';

/** Boolean: stored as 1 or 0. Json: stored as its text. */
type Storage = 'text' | 'integer' | 'blob' | 'boolean' | 'json';
/** The storage of a field, and the name of its column. Default: the name of the field in snake_case. */
type Column<S extends Storage = Storage> = S | readonly [column: string, storage: S];

/** Storage for the type of a field. Null is NULL in each of them. */
type StorageOf<T> = [T] extends [string | null]
  ? 'text'
  : [T] extends [number | null]
    ? 'integer'
    : [T] extends [boolean | null]
      ? 'boolean'
      : [T] extends [Uint8Array | null]
        ? 'blob'
        : 'json';

export type Columns<R> = { readonly [F in keyof R]-?: Column<StorageOf<R[F]>> };
type Field<R> = keyof R & string;
/** Type of a value to look for: an id of a client is any string. */
type Key<T> = T extends string ? string : T;
type Keys<R, F extends readonly Field<R>[]> = { readonly [I in keyof F]: Key<R[F[I]]> };

interface StoredField {
  readonly table: string;
  readonly field: string;
  readonly column: string;
  readonly storage: Storage;
}

/** Reads rows of a table or of two joined ones. Each method prepares a statement, and returns the function that runs it. */
class Rows<R extends object> {
  protected readonly db: Database;
  protected readonly from: string;
  protected readonly fields: readonly StoredField[];

  constructor(db: Database, from: string, fields: readonly StoredField[]) {
    this.db = db;
    this.from = from;
    this.fields = fields;
  }

  /** Returns the first row. `rest`: all that follows the table in a SELECT. */
  find(rest: string): (...values: SqlValue[]) => R | undefined {
    const select = this.#select(rest);
    return (...values) => {
      const row = select.get(...values);
      return row === undefined ? undefined : this.#read(row);
    };
  }

  /** Returns all rows. */
  list(rest: string): (...values: SqlValue[]) => R[] {
    const select = this.#select(rest);
    return (...values) => select.all(...values).map((row) => this.#read(row));
  }

  #select(rest: string): Statement {
    const columns = this.fields.map(({ table, column }) => `${table}.${column}`);
    return inArrays(this.db.prepare(`SELECT ${columns.join(', ')} FROM ${this.from} ${rest}`));
  }

  #read(row: unknown): R {
    const values = valuesOf(row);
    const record: Record<string, unknown> = {};
    let at = 0;
    for (const { field, storage } of this.fields) {
      record[field] = fromSql(storage, values[at]);
      at += 1;
    }
    return record as R;
  }
}

/** Statements of one table. */
export class Table<R extends object> extends Rows<R> {
  constructor(db: Database, table: string, columns: Columns<R>) {
    const fields = Object.entries<Column>(columns).map(([field, definition]) => {
      const [column, storage] = typeof definition === 'string' ? [snakeCase(field), definition] : definition;
      return { table, field, column, storage };
    });
    super(db, table, fields);
  }

  /** Reads the rows of this table with those of another, whose fields are null without a match. */
  leftJoin<J extends R, O extends object>(other: Table<O>, on: string): Rows<J> {
    return new Rows(this.db, `${this.from} LEFT JOIN ${other.from} ON ${on}`, [...this.fields, ...other.fields]);
  }

  /** Inserts these fields of a record; default: all. The other columns get their defaults. */
  insert<F extends Field<R> = Field<R>>(...fields: F[]): (record: Pick<R, F>) => void {
    return this.#write(`INSERT INTO ${this.#values(fields)}`, fields);
  }

  /** The same, but an existing row stays. */
  insertNew<F extends Field<R> = Field<R>>(...fields: F[]): (record: Pick<R, F>) => void {
    return this.#write(`INSERT OR IGNORE INTO ${this.#values(fields)}`, fields);
  }

  /**
   * Inserts a record, or sets the fields `set` of the row with the same `keys`, if `where` is true for the row. Returns
   * the number of changed rows.
   */
  upsert(keys: readonly Field<R>[], set: readonly Field<R>[], where?: string): (record: R) => number {
    const conflict = this.#fieldsOf(keys).map(({ column }) => column);
    const changes = this.#fieldsOf(set).map(({ column }) => `${column} = excluded.${column}`);
    const sql = `INSERT INTO ${this.#values([])} ON CONFLICT (${conflict.join(', ')}) DO UPDATE SET ${changes.join(', ')}`;
    return this.#write(where === undefined ? sql : `${sql} WHERE ${where}`, []);
  }

  /**
   * Sets the fields `set` of the rows with these `keys`, if `where` is true for the row. The keys follow the record.
   * Returns the number of changed rows.
   */
  update<F extends Field<R>, const K extends readonly Field<R>[]>(
    set: readonly F[],
    keys: K,
    where = 'true',
  ): (record: Pick<R, F>, ...values: Keys<R, K>) => number {
    return this.#write(
      `UPDATE ${this.from} SET ${this.#equal(set, ', ')} WHERE ${this.#equal(keys, ' AND ')} AND ${where}`,
      set,
    );
  }

  /** Returns the row with these keys. */
  get<const F extends readonly Field<R>[]>(...keys: F): (...values: Keys<R, F>) => R | undefined {
    return this.find(`WHERE ${this.#equal(keys, ' AND ')}`) as (...values: readonly unknown[]) => R | undefined;
  }

  /** Removes the rows with these keys. Returns whether there were any. */
  remove<const F extends readonly Field<R>[]>(...keys: F): (...values: Keys<R, F>) => boolean {
    const statement = this.db.prepare(`DELETE FROM ${this.from} WHERE ${this.#equal(keys, ' AND ')}`);
    return (...values) => Number(statement.run(...(values as unknown as SqlValue[])).changes) > 0;
  }

  #write(sql: string, names: readonly string[]): (record: object, ...keys: readonly unknown[]) => number {
    const statement = this.db.prepare(sql);
    const fields = this.#fieldsOf(names);
    return (record, ...keys) => {
      const values: SqlValue[] = [];
      for (const { field, storage } of fields) values.push(toSql(storage, (record as Record<string, unknown>)[field]));
      for (const key of keys) values.push(key as SqlValue);
      return Number(statement.run(...values).changes);
    };
  }

  #values(names: readonly string[]): string {
    const fields = this.#fieldsOf(names);
    return `${this.from} (${fields.map(({ column }) => column).join(', ')}) VALUES (${fields.map(() => '?').join(', ')})`;
  }

  #equal(names: readonly string[], separator: string): string {
    return this.#fieldsOf(names)
      .map(({ column }) => `${column} = ?`)
      .join(separator);
  }

  /** Returns the fields with these names, in their order; without names, all. */
  #fieldsOf(names: readonly string[]): readonly StoredField[] {
    if (names.length === 0) return this.fields;
    return names.flatMap((name) => this.fields.find(({ field }) => field === name) ?? []);
  }
}

/** Prepared statements of a database. Each method prepares one, and returns the function that runs it. */
class Statements {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  table<R extends object>(name: string, columns: Columns<R>): Table<R> {
    return new Table(this.#db, name, columns);
  }

  /** Returns the number of changed rows. */
  run(sql: string): (...values: SqlValue[]) => number {
    const statement = this.#db.prepare(sql);
    return (...values) => Number(statement.run(...values).changes);
  }

  /** Returns the first column of each row. */
  values<T extends SqlValue>(sql: string): (...values: SqlValue[]) => T[] {
    const statement = inArrays(this.#db.prepare(sql));
    return (...values) => statement.all(...values).map((row) => valuesOf(row)[0] as T);
  }

  /** Returns the first column of the first row. */
  value<T extends SqlValue>(sql: string): (...values: SqlValue[]) => T | undefined {
    const statement = inArrays(this.#db.prepare(sql));
    return (...values) => {
      const row = statement.get(...values);
      return row === undefined ? undefined : (valuesOf(row)[0] as T);
    };
  }

  /** Counts rows. `from`: the table and a condition. */
  count(from: string): (...values: SqlValue[]) => number {
    const count = this.value<number>(`SELECT count(*) FROM ${from}`);
    return (...values) => count(...values) ?? 0;
  }
}

/** Base of the stores. A store is made of statements, which are fields beside its methods. */
export abstract class Store {
  protected readonly db: Database;
  protected readonly sql: Statements;

  constructor(db: Database) {
    this.db = db;
    this.sql = new Statements(db);
  }
}

/** Returns the same statement with rows as arrays, which SQLite makes faster than objects. Node has this since 22.16. */
function inArrays(statement: Statement): Statement {
  statement.setReturnArrays?.(true);
  return statement;
}

const valuesOf = (row: unknown): readonly unknown[] => (Array.isArray(row) ? row : Object.values(row as object));

const snakeCase = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function toSql(storage: Storage, value: unknown): SqlValue {
  if (value === undefined || value === null) return null;
  if (storage === 'json') return JSON.stringify(value);
  return storage === 'boolean' ? Number(value) : (value as SqlValue);
}

function fromSql(storage: Storage, value: unknown): unknown {
  if (value === null) return null;
  if (storage === 'json') return JSON.parse(value as string);
  return storage === 'boolean' ? value !== 0 : value;
}
