import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionId } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPrivateFile } from '../../data-dir/data-dir.ts';
import { openCatalogueFile } from '../schema.ts';
import { type Database, openDatabase } from '../sqlite.ts';
import { Catalogue } from '../store.ts';
import { dropOrphans, type SalvagedTable, salvage } from './salvage.ts';

const TOKENS = 400;
const SESSIONS = 1500;
const SPEC = { argv: ['sh'], mode: 'pipe', cwd: '/', envNames: [], cols: 80, rows: 24, takesRuns: false } as const;

let root: string;
let whole: string;
let path: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'binnacle-salvage-'));
  const catalogue = Catalogue.open(root);
  for (let i = 0; i < SESSIONS; i += 1) {
    catalogue.sessions.insert({ id: uuidv7() as SessionId, name: `session ${i}`, spec: SPEC });
  }
  for (let i = 0; i < TOKENS; i += 1) {
    const sha256 = Buffer.alloc(32, i).fill(String(i), 0, 8);
    catalogue.tokens.insert({ id: `token-${i}`, name: `n${i}`, scope: 'view', user: 'u', sha256, expiresAt: null });
  }
  catalogue.close();
  whole = join(root, 'whole.db');
  copyFileSync(join(root, 'catalogue.db'), whole);
});
afterAll(() => rmSync(root, { recursive: true }));

beforeEach(() => {
  path = join(root, 'damaged.db');
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  copyFileSync(whole, path);
});

/** Numbers from 0 to 1, the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function rebuilt<T>(read: (db: Database, tables: readonly SalvagedTable[]) => T): T {
  const made = join(root, 'made.db');
  for (const suffix of ['', '-wal', '-shm']) rmSync(made + suffix, { force: true });
  createPrivateFile(made);
  const db = openCatalogueFile(made);
  try {
    const tables = salvage(path, db);
    dropOrphans(db);
    return read(db, tables);
  } finally {
    db.close();
  }
}

const count = (db: Database, table: string): number =>
  (db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;

describe('what is salvaged of a catalogue', () => {
  it('is all of it where nothing is damaged', () => {
    rebuilt((db, tables) => {
      expect(tables.filter(({ isWhole }) => !isWhole)).toEqual([]);
      expect([count(db, 'tokens'), count(db, 'sessions')]).toEqual([TOKENS, SESSIONS]);
    });
  });

  it('is all of it where the first bytes are others', () => {
    const bytes = readFileSync(path);
    bytes.fill(0x61, 0, 20);
    writeFileSync(path, bytes);
    rebuilt((db) => expect([count(db, 'tokens'), count(db, 'sessions')]).toEqual([TOKENS, SESSIONS]));
  });

  it('is what stands on the other pages where some are others, and it is told what is not whole', () => {
    let tokens = 0;
    for (let seed = 1; seed <= 12; seed += 1) {
      const next = numbers(seed);
      const bytes = readFileSync(whole);
      const pages = bytes.length / 4096;
      // Never the first, which says where all the others are.
      const page = 1 + Math.floor(next() * (pages - 1));
      for (let at = page * 4096; at < (page + 1) * 4096; at += 1) bytes[at] = Math.floor(next() * 256);
      writeFileSync(path, bytes);
      rebuilt((db, tables) => {
        const known = new Map(tables.map((one) => [one.table, one]));
        for (const [table, all] of [
          ['tokens', TOKENS],
          ['sessions', SESSIONS],
        ] as const) {
          const found = count(db, table);
          expect(found).toBeLessThanOrEqual(all);
          // Nothing is missing without a word.
          if (found < all) expect(known.get(table)?.isWhole).toBe(false);
        }
        tokens += count(db, 'tokens');
        // A row is as it was or not there.
        for (const row of db.prepare('SELECT * FROM tokens').all() as { id: string; name: string; scope: string }[]) {
          expect(row).toMatchObject({ name: row.id.replace('token-', 'n'), scope: 'view' });
        }
      });
    }
    expect(tokens / 12).toBeGreaterThan(TOKENS * 0.8);
  });

  it('is what was before the cut of a file that was cut short', () => {
    // Damage behind the pages that list the tables: without these pages nothing is found.
    truncateSync(path, Math.floor(statSync(path).size * 0.7) + 100);
    rebuilt((db, tables) => {
      expect(count(db, 'tokens') + count(db, 'sessions')).toBeGreaterThan(0);
      expect(tables.some(({ isWhole }) => !isWhole)).toBe(true);
    });
  });

  it('leaves the damaged file and its journal as they are', () => {
    const wal = Buffer.from('a journal that is none');
    writeFileSync(`${path}-wal`, wal);
    const before = readFileSync(path);
    rebuilt(() => undefined);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readFileSync(`${path}-wal`).equals(wal)).toBe(true);
  });

  it('is nothing of what is no database', () => {
    writeFileSync(path, 'a text, and a longer one than a header is\n'.repeat(500));
    rebuilt((db, tables) => {
      expect(tables.every(({ rows, isWhole }) => rows === 0 && !isWhole)).toBe(true);
      expect(db.prepare('PRAGMA quick_check').get()).toEqual({ quick_check: 'ok' });
    });
  });
});

describe('a catalogue that is opened', () => {
  const refused = (): { code: string; message: string; hint: string } => {
    const dir = mkdtempSync(join(root, 'opened-'));
    copyFileSync(path, join(dir, 'catalogue.db'));
    try {
      Catalogue.open(dir).close();
    } catch (error) {
      return error as { code: string; message: string; hint: string };
    }
    throw new Error('It was opened.');
  };

  it.each([
    ['the first bytes are others', (bytes: Buffer) => void bytes.fill(1, 0, 16)],
    ['the list of tables is others', (bytes: Buffer) => void bytes.fill(0xee, 100, 600)],
    ['a page of rows is others', (bytes: Buffer) => void bytes.fill(0xee, bytes.length - 8192, bytes.length - 4096)],
  ])('is refused with its name and the way out where %s', (_, damage) => {
    const bytes = readFileSync(path);
    damage(bytes);
    writeFileSync(path, bytes, { mode: 0o600 });
    const { code, message, hint } = refused();
    expect(code).toBe('catalogue_damaged');
    expect(message).toMatch(/catalogue\.db is damaged: /);
    expect(hint).toContain('binnacle doctor --rebuild-catalogue');
  });

  it('is refused where a table is not there', () => {
    const db = openDatabase(path);
    db.exec('DROP TABLE mutes');
    db.close();
    expect(refused()).toMatchObject({ code: 'catalogue_damaged' });
  });
});
