// Copies the readable rows of a damaged catalogue, one by one, into a new one. The damaged file is copied first and
// never written to. The meaning of rows does not matter.

import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { isDiskFull } from '@binnacle/protocol';
import { openCatalogueFile, transaction } from '../schema.ts';
import { type Database, openDatabase, type SqlValue } from '../sqlite.ts';

/** Result for one table: the number of copied rows, and whether all rows were readable. */
export interface SalvagedTable {
  readonly table: string;
  readonly rows: number;
  readonly isWhole: boolean;
}

type Row = Readonly<Record<string, SqlValue>>;
/** Returns false for a rejected row. */
type KeepRow = (row: Row) => boolean;

/** Rows per read; after a failed read, one by one. */
const PAGE = 500;
/** Bytes that are the same in each catalogue: magic, page size (at 16), file format, reserved bytes, fractions. */
const HEADER_BYTES = 24;
/** Offset of the number of pages in the header. */
const COUNT_AT = 28;
/** Maximum growth per file, as a factor: a count that requires more is damaged itself. */
const MAX_GROWTH = 1000;

/**
 * Copies from `path` into `into`, which has all tables and no rows. Returns the result per table; for a table that was
 * not found, no rows and `isWhole: false`. Throws on a full disk.
 */
export function salvage(path: string, into: Database): SalvagedTable[] {
  const tables = tablesOf(into);
  const scratch = mkdtempSync(`${path}.reading-`);
  try {
    const copy = join(scratch, 'copy.db');
    copyFileSync(path, copy);
    if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
    mendHeader(copy, dirOf(into));
    let from: Database | undefined;
    try {
      from = openOld(copy);
      const source = from;
      into.exec('PRAGMA foreign_keys = OFF');
      return tables.map((table) => copyTable(source, into, table));
    } catch (error) {
      if (isDiskFull(error)) throw error;
      return tables.map((table) => ({ table, rows: 0, isWhole: false }));
    } finally {
      from?.close();
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Opens the copy with the newest schema, if it is intact enough for the migrations. */
function openOld(path: string): Database {
  try {
    return openCatalogueFile(path);
  } catch {
    return openDatabase(path);
  }
}

/** Removes rows whose parents were unreadable. Returns their number. */
export function dropOrphans(db: Database): number {
  let dropped = 0;
  for (;;) {
    const orphans = db.prepare('PRAGMA foreign_key_check').all() as { table: string; rowid: number }[];
    if (orphans.length === 0) return dropped;
    let changes = 0;
    for (const { table, rowid } of orphans) {
      changes += Number(db.prepare(`DELETE FROM "${table}" WHERE rowid = ?`).run(rowid).changes);
    }
    dropped += changes;
    if (changes === 0) return dropped;
  }
}

function copyTable(from: Database, into: Database, table: string): SalvagedTable {
  const columns = columnsOf(into, table);
  const found = columnsOf(from, table);
  const shared = columns.filter((column) => found.includes(column));
  if (shared.length === 0) return { table, rows: 0, isWhole: false };
  const names = shared.map((name) => `"${name}"`).join(', ');
  const insert = into.prepare(
    `INSERT OR IGNORE INTO "${table}" (${names}) VALUES (${shared.map(() => '?').join(', ')})`,
  );
  let rows = 0;
  let full: unknown;
  const keep = (row: Row): boolean => {
    try {
      const { changes } = insert.run(...shared.map((name) => row[name] ?? null));
      rows += Number(changes);
      return Number(changes) > 0;
    } catch (error) {
      if (isDiskFull(error)) full = error;
      // Otherwise the values do not fit the table: the page belongs to another table.
      return false;
    }
  };
  const isWhole = transaction(into, () => {
    const isAllRead = readAll(from, table, names, keep);
    if (full !== undefined) throw full;
    return isAllRead;
  });
  return { table, rows, isWhole };
}

/**
 * Reads upwards until an unreadable page, skips it in growing steps, and reads downwards from the end. Returns false if
 * rows are missing.
 */
function readAll(db: Database, table: string, names: string, keep: KeepRow): boolean {
  // Without a rowid there is no key for the steps.
  if (!hasRowid(db, table)) return readUp(db, `SELECT ${names} FROM "${table}" LIMIT -1 OFFSET ?`, keep);
  const next = (after: number, count: number): Row[] =>
    db
      .prepare(`SELECT rowid AS "rowid", ${names} FROM "${table}" WHERE rowid > ? ORDER BY rowid LIMIT ?`)
      .all(after, count) as Row[];
  let at = -1;
  let step = 0;
  let isWhole = true;
  const end = lastRowid(db, table) ?? Number.MAX_SAFE_INTEGER;
  for (let count = PAGE; at + step <= end; ) {
    try {
      const rows = next(at + step, count);
      if (rows.length === 0) break;
      for (const row of rows) isWhole = keep(row) && isWhole;
      at = Number(rows.at(-1)?.rowid);
      step = 0;
      if (count < PAGE) count *= 2;
    } catch {
      isWhole = false;
      if (count > 1) count = 1;
      else step = step === 0 ? 1 : step * 2;
    }
  }
  return (isWhole && end !== Number.MAX_SAFE_INTEGER) || readDown(db, table, names, keep, isWhole);
}

/** Reads the rows after the damage, nearest to the end first. */
function readDown(db: Database, table: string, names: string, keep: KeepRow, wasWhole: boolean): boolean {
  const before = db.prepare(
    `SELECT rowid AS "rowid", ${names} FROM "${table}" WHERE rowid < ? ORDER BY rowid DESC LIMIT 1`,
  );
  try {
    for (let at = Number.MAX_SAFE_INTEGER; ; ) {
      const row = before.get(at) as Row | undefined;
      if (row === undefined) return wasWhole;
      keep(row);
      at = Number(row.rowid);
    }
  } catch {
    return false;
  }
}

function readUp(db: Database, sql: string, keep: KeepRow): boolean {
  const one = db.prepare(sql);
  try {
    return (one.all(0) as Row[]).map(keep).every((isWhole) => isWhole);
  } catch {
    return false;
  }
}

/** Returns undefined if the end of the table is unreadable. */
function lastRowid(db: Database, table: string): number | undefined {
  try {
    return Number(
      (db.prepare(`SELECT max(rowid) AS last FROM "${table}"`).get() as { last: number | null }).last ?? -1,
    );
  } catch {
    return undefined;
  }
}

function hasRowid(db: Database, table: string): boolean {
  try {
    db.prepare(`SELECT rowid FROM "${table}" LIMIT 0`).all();
    return true;
  } catch {
    return false;
  }
}

const tablesOf = (db: Database): string[] =>
  (
    db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all() as {
      name: string;
    }[]
  ).map(({ name }) => name);

function columnsOf(db: Database, table: string): string[] {
  try {
    return (db.prepare(`PRAGMA table_info("${table}")`).all() as { name: string }[]).map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Returns the path of an open database. */
const dirOf = (db: Database): string =>
  (db.prepare("SELECT file FROM pragma_database_list WHERE name = 'main'").get() as { file: string }).file;

/**
 * Repairs the header. Damage to the first bytes alone would hide all rows, and so would a header that counts more pages
 * than a truncated file has.
 */
function mendHeader(path: string, like: string): void {
  const head = Buffer.alloc(HEADER_BYTES);
  const source = openSync(like, 'r');
  readSync(source, head, 0, HEADER_BYTES, 0);
  closeSync(source);
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, head, 0, HEADER_BYTES, 0);
    const count = Buffer.alloc(4);
    readSync(fd, count, 0, 4, COUNT_AT);
    const expected = count.readUInt32BE() * head.readUInt16BE(16);
    const { size } = fstatSync(fd);
    // Zeros take no room; a damaged count must not create a file of terabytes.
    if (expected > size && expected <= size * MAX_GROWTH) ftruncateSync(fd, expected);
  } finally {
    closeSync(fd);
  }
}
