import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPrivateFile } from '../data-dir/data-dir.ts';
import { MAX_GENERATIONS } from './issued.ts';
import { openCatalogueFile } from './schema.ts';
import { Catalogue } from './store.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-issued-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const token = (id: string) => ({
  ...({ id, name: id, scope: 'admin', user: id, sha256: Buffer.from(id.padEnd(32)), expiresAt: null } as const),
});
const by = (id: string) => ({ id, name: `the ${id}`, user: 'u' });

describe('who made a token', () => {
  test('is not known of one from before the catalogue kept that, and it counts as ever', () => {
    const path = join(dir, 'catalogue.db');
    createPrivateFile(path);
    // The last schema without it.
    const older = openCatalogueFile(path, 11);
    expect(older.prepare("SELECT 1 FROM sqlite_master WHERE name = 'issued'").get()).toBeUndefined();
    older.exec(
      `INSERT INTO tokens (id, name, scope, sha256, created_at, user) VALUES ('old', 'old', 'view', x'00', 1, 'o')`,
    );
    older.close();
    const catalogue = Catalogue.open(dir);
    expect(catalogue.tokens.get('old')).toMatchObject({ name: 'old' });
    expect(catalogue.issued.madeBy('old')).toBeNull();
    catalogue.close();
  });

  test('is kept with the whole line, which one that ends in between does not break, and goes with the token', () => {
    const catalogue = Catalogue.open(dir);
    for (const [id, maker] of [
      ['a', 'admin'],
      ['b', 'a'],
      ['c', 'b'],
    ] as const) {
      catalogue.tokens.insert(token(id));
      catalogue.issued.put(id, by(maker));
    }
    catalogue.tokens.remove('b');
    expect([...catalogue.issued.under('a')]).toEqual(['c']);
    expect(catalogue.issued.madeBy('c')).toEqual({ id: 'b', name: 'the b', user: 'u' });
    expect(catalogue.issued.madeBy('b')).toBeNull();
    catalogue.close();
  });

  test(`ends a line at ${MAX_GENERATIONS}`, () => {
    const catalogue = Catalogue.open(dir);
    let last = 'admin';
    for (let n = 1; n < MAX_GENERATIONS; n += 1) {
      catalogue.issued.check(last);
      catalogue.tokens.insert(token(`t${n}`));
      catalogue.issued.put(`t${n}`, by(last));
      last = `t${n}`;
    }
    expect(() => catalogue.issued.check(last)).toThrow(expect.objectContaining({ code: 'too_many_tokens' }));
    catalogue.close();
  });
});
