import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from './sqlite.ts';
import { Store } from './table.ts';

interface Row {
  readonly id: string;
  readonly madeAt: number;
  readonly note: string | null;
  readonly key: Uint8Array | null;
  readonly isPinned: boolean;
  readonly labels: Readonly<Record<string, string>> | null;
}

class RowStore extends Store {
  readonly #rows = this.sql.table<Row>('rows', {
    id: 'text',
    madeAt: 'integer',
    note: ['remark', 'text'],
    key: 'blob',
    isPinned: 'boolean',
    labels: 'json',
  });
  readonly insert = this.#rows.insert();
  readonly insertShort = this.#rows.insert('id', 'madeAt');
  readonly insertNew = this.#rows.insertNew();
  readonly put = this.#rows.upsert(['id'], ['note', 'isPinned'], 'excluded.made_at >= rows.made_at');
  readonly pin = this.#rows.update(['isPinned', 'labels'], ['id'], 'made_at > 1');
  readonly get = this.#rows.get('id', 'madeAt');
  readonly list = this.#rows.list('ORDER BY id DESC LIMIT ?');
  readonly remove = this.#rows.remove('id');
  readonly ids = this.sql.values<string>('SELECT id FROM rows ORDER BY id');
  readonly lastMadeAt = this.sql.value<number>('SELECT made_at FROM rows WHERE id = ?');
  readonly count = this.sql.count('rows WHERE made_at < ?');
}

const TABLE = `CREATE TABLE rows (id TEXT PRIMARY KEY, made_at INTEGER NOT NULL, remark TEXT, key BLOB,
  is_pinned INTEGER NOT NULL DEFAULT 1, labels TEXT) STRICT`;
const row: Row = { id: 'a', madeAt: 5, note: null, key: null, isPinned: false, labels: null };

/** The driver of Node before 22.16, which has rows as objects only. */
const older = (db: Database): Database => ({
  exec: (sql) => db.exec(sql),
  close: () => db.close(),
  prepare: (sql) => {
    const statement = db.prepare(sql);
    return {
      run: (...values) => statement.run(...values),
      get: (...values) => statement.get(...values),
      all: (...values) => statement.all(...values),
    };
  },
});

describe.each([
  ['rows as arrays', (db: Database) => db],
  ['rows as objects', older],
])('a table, with %s', (_, driver) => {
  let store: RowStore;
  beforeEach(() => {
    const db = openDatabase(':memory:');
    db.exec(TABLE);
    store = new RowStore(driver(db));
  });

  it('returns every record as it was inserted, in the order of its columns', () => {
    const records = fc.record<Row>({
      id: fc.string(),
      madeAt: fc.maxSafeInteger(),
      note: fc.option(fc.string()),
      key: fc.option(fc.uint8Array()),
      isPinned: fc.boolean(),
      labels: fc.option(fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true })),
    });
    fc.assert(
      fc.property(records, (record) => {
        // SQLite ends a text at NUL, and has no half of a surrogate pair.
        fc.pre(![record.id, record.note ?? ''].some((each) => each.includes('\0') || !each.isWellFormed()));
        store.insert(record);
        const found = store.get(record.id, record.madeAt);
        expect(found).toEqual(record);
        expect(Object.keys(found ?? {})).toEqual(['id', 'madeAt', 'note', 'key', 'isPinned', 'labels']);
        expect(store.remove(record.id)).toBe(true);
        expect(store.get(record.id, record.madeAt)).toBeUndefined();
        expect(store.remove(record.id)).toBe(false);
      }),
    );
  });

  it('gives fields without a value their defaults, and leaves an existing row', () => {
    store.insertShort({ id: 'a', madeAt: 5 });
    store.insertNew({ ...row, note: 'new' });
    expect(store.list(10)).toEqual([{ ...row, isPinned: true }]);
    expect(() => store.insert(row)).toThrow('UNIQUE');
  });

  it('replaces the named fields of a row, if its condition is true', () => {
    expect(store.put(row)).toBe(1);
    expect(store.put({ ...row, madeAt: 6, note: 'x', isPinned: true, labels: { a: 'b' } })).toBe(1);
    expect(store.get('a', 5)).toEqual({ ...row, note: 'x', isPinned: true });
    expect(store.put({ ...row, madeAt: 4 })).toBe(0);
    expect(store.pin({ isPinned: false, labels: { c: 'd' } }, 'a')).toBe(1);
    expect(store.get('a', 5)).toEqual({ ...row, note: 'x', labels: { c: 'd' } });
    expect(store.pin({ isPinned: false, labels: null }, 'b')).toBe(0);
  });

  it('lists, counts and takes single columns', () => {
    for (const [at, id] of ['a', 'b', 'c'].entries()) store.insert({ ...row, id, madeAt: at });
    expect(store.list(2).map(({ id }) => id)).toEqual(['c', 'b']);
    expect(store.ids()).toEqual(['a', 'b', 'c']);
    expect([store.lastMadeAt('c'), store.lastMadeAt('d')]).toEqual([2, undefined]);
    expect(store.count(2)).toBe(2);
    expect(store.pin({ isPinned: true, labels: null }, 'b')).toBe(0);
  });
});
